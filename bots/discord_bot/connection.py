"""The connection to Discord: logging in, one gateway session, and REST calls that end.

The only module that relies on what discord.py calls internal. Its own `Client.connect` ends on one
event that it cannot read and loses the session then, connects again without a pause, and closes the
REST session together with the socket; its own rate limits refuse calls that Discord would take.
What comes in and goes out is none of this module's business.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket, ReconnectWebSocket
from discord.http import Ratelimit, Route

from bots.discord_bot.errors import closed_for_good, translated
from core.errors import PlatformBusy, PlatformUnreachable
from core.mishaps import log_mishap
from core.settings import DiscordSettings

CALL_SECONDS: Final = 60.0
SILENCE_SECONDS: Final = 60.0  #: without any word of the gateway; it acknowledges beats every 41 s
#: A session that lasted longer than this does not make the next IDENTIFY wait. Discord resets the
#: token of a bot that sends 1,000 in a day: one in two minutes stays below.
STABLE_SECONDS: Final = 120.0
FIRST_PAUSE: Final = 0.5  # seconds
LONGEST_PAUSE: Final = 300.0
_CONNECT_SECONDS: Final = SILENCE_SECONDS + 30
_CLOSE_SECONDS: Final = 2.0
_LONGEST_SLEEP: Final = 30.0  # on a rate limit, inside discord.py; it allows no less
_API_URL: Final = "https://discord.com/api/v10"
#: The session is lost, says the gateway with these; with all other codes it may be resumed.
_SESSION_LOST: Final = (4007, 4009)

_patience: ContextVar[float] = ContextVar("_patience", default=_LONGEST_SLEEP)

log = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class _Session:
    """What is needed to get the events that were missed while no socket was open."""

    gateway: yarl.URL
    id: str | None = None
    sequence: int | None = None


async def log_in(
    settings: DiscordSettings, prepare: Callable[[discord.Client], None]
) -> discord.Client:
    """Log in as `log_in_once` does, and wait while Discord is away.

    Raises PlatformRefused where Discord does not accept the token.
    """
    failures = 0
    while True:
        try:
            return await log_in_once(settings, prepare)
        except (PlatformBusy, PlatformUnreachable) as error:
            pause, failures = _pause(failures), failures + 1
            log.warning(
                "Logging in to Discord failed: %s", error, extra={"again_in": round(pause, 1)}
            )
            await asyncio.sleep(pause)


async def log_in_once(
    settings: DiscordSettings, prepare: Callable[[discord.Client], None]
) -> discord.Client:
    """Make a client, prepare it and log it in; REST calls work then. The caller closes it.

    Raises PlatformBusy, PlatformUnreachable, or PlatformRefused where the token is not accepted.
    """
    client = _client(settings)  # a client that failed to log in cannot do it again
    prepare(client)
    try:
        async with calls(client):
            await client.login(settings.token)
    except BaseException:
        await client.close()
        raise
    return client


async def listen(client: discord.Client, gateway_url: str | None) -> None:
    """Receive events until cancelled or the client is closed, over as many sockets as it takes.

    A new socket resumes the session, so that nothing is missed, as long as Discord allows it.
    Raises PlatformRefused where the gateway does not let the bot in.
    """
    start = yarl.URL(gateway_url) if gateway_url else DiscordWebSocket.DEFAULT_GATEWAY
    session, identified = _Session(gateway=start), 0.0
    idle = short = 0  # sockets that brought nothing, and sessions that did not last, in a row
    while True:
        sequence = session.sequence
        if session.id is None:
            session.gateway, identified = start, time.monotonic()
        elif gateway_url:
            session.gateway = start  # READY names an address to resume at; this one was chosen
        try:
            await _one_socket(client, session)
        except ReconnectWebSocket:
            log.info("The gateway's socket is closed")
        except discord.ConnectionClosed as closed:
            if client.is_closed():
                return
            raise closed_for_good(closed.code) from closed
        except (aiohttp.ClientError, OSError) as error:
            log.warning("The gateway cannot be reached", extra={"error": type(error).__name__})
        except Exception as error:  # noqa: BLE001 (one odd event must not end the intake)
            log_mishap(log, "The gateway sent something that cannot be read", error)
        idle = 0 if session.sequence not in (sequence, None) else idle + 1
        if session.id is None:
            short = 0 if time.monotonic() - identified > STABLE_SECONDS else short + 1
        pause = _pause(idle if session.id else max(idle, short))
        log.info("Connecting to the gateway again", extra={"again_in": round(pause, 1)})
        await asyncio.sleep(pause)


@asynccontextmanager
async def calls(client: discord.Client, seconds: float = CALL_SECONDS) -> AsyncIterator[None]:
    """Make REST calls that end within so many seconds, with exceptions as ours."""
    with translated():
        try:
            async with asyncio.timeout(seconds):
                yield
        except (TimeoutError, asyncio.CancelledError):
            # discord.py holds every call back while it sleeps out a global rate limit. Cancelled in
            # that sleep, it never lets them go.
            if isinstance(client.http._global_over, asyncio.Event):  # once logged in
                client.http._global_over.set()
            raise


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Raise RateLimited where a call would wait longer than this for a rate limit we know of.

    A rate limit that only Discord's refusal tells of is slept out for up to 30 s all the same.
    """
    token = _patience.set(seconds)
    try:
        yield
    finally:
        _patience.reset(token)


def _client(settings: DiscordSettings) -> discord.Client:
    intents = discord.Intents.none()
    intents.guilds = intents.guild_messages = intents.dm_messages = True
    intents.message_content = settings.message_content
    # discord.py has no option for it: the address of the API is a constant of its class.
    Route.BASE = settings.api_url.rstrip("/") if settings.api_url else _API_URL
    # Nor for this: its HTTP client makes whatever stands under the name.
    discord.http.Ratelimit = _Bucket  # type: ignore[misc]
    # It warns that voice will not work, to everybody who does not miss it.
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    return discord.Client(
        intents=intents,
        allowed_mentions=discord.AllowedMentions.none(),
        max_messages=None,
        heartbeat_timeout=SILENCE_SECONDS,
        max_ratelimit_timeout=_LONGEST_SLEEP,
    )


class _Bucket(Ratelimit):
    """The calls that Discord takes in a window of time, all of which may be made.

    discord.py's own raises RateLimited while calls remain, where the window is longer than
    `max_ratelimit_timeout`: a channel's threads have minutes, so every second question would go
    without. Without that option the call that takes the last place sleeps until the window ends,
    its thread or message made and its reply in hand; with it, a long window is forgotten instead,
    and every call that follows is refused by Discord. Here only calls without a place wait.
    """

    def __init__(self, max_ratelimit_timeout: float | None) -> None:
        super().__init__(max_ratelimit_timeout)
        self._call_ended = asyncio.Event()

    async def acquire(self) -> None:
        """Take a place, when there is one. Raises RateLimited where that takes too long."""
        self._last_request = self._loop.time()
        while True:
            if self.is_expired():
                self.reset()  # type: ignore[no-untyped-call]
            if self.remaining > 0:
                break
            # Without an end of the window the first call is under way, which will bring it.
            wait = None if self.expires is None else self.expires - self._loop.time()
            if wait is not None and wait > _patience.get():
                raise discord.RateLimited(wait)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._call_ended.wait()
        self.remaining -= 1
        self.outgoing += 1

    def update(self, response: aiohttp.ClientResponse, *, use_clock: bool = False) -> None:
        """Note what Discord says is left, which the other calls under way may still take."""
        self.dirty = False  # so that discord.py does not make a guess of its own at them
        super().update(response, use_clock=use_clock)
        self.remaining -= self.outgoing - 1

    async def __aexit__(self, *_: object) -> None:
        self.outgoing -= 1
        if self.expires is None:  # the call failed, or Discord named no limit
            self.reset()  # type: ignore[no-untyped-call]
        self._call_ended.set()
        self._call_ended = asyncio.Event()


async def _one_socket(client: discord.Client, session: _Session) -> None:
    """Identify or resume, and receive events until the socket closes or one cannot be read."""
    async with asyncio.timeout(_CONNECT_SECONDS):
        socket = await DiscordWebSocket.from_client(
            client,
            initial=True,  # no pause of its own before IDENTIFY
            gateway=session.gateway,
            session=session.id,
            sequence=session.sequence,
            resume=session.id is not None,
        )
    client.ws, code = socket, 4000  # a code after which the session can be resumed
    try:
        while True:
            await socket.poll_event()
    except asyncio.CancelledError:
        code = 1000
        raise
    finally:
        session.id, session.sequence = socket.session_id, socket.sequence
        session.gateway = socket.gateway
        if socket.socket.close_code in _SESSION_LOST:
            session.id = session.sequence = None
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await socket.close(code)


def _pause(failures: int) -> float:
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret

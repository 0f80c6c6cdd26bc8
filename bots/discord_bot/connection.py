"""Logging in to Discord, and REST calls that end.

This module and `gateway` are the only ones that rely on what discord.py calls internal: its own
rate limits refuse calls that Discord would take.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, Final

import aiohttp
import discord
from discord.http import Ratelimit, Route

from bots.discord_bot.errors import translated
from core.settings import DiscordSettings
from core.waiting import happens

CALL_SECONDS: Final = 60.0
SILENCE_SECONDS: Final = 60.0  #: without any word of the gateway; it acknowledges beats every 41 s
FIRST_PAUSE: Final = 0.5  # seconds
LONGEST_PAUSE: Final = 300.0
_LONGEST_SLEEP: Final = 30.0  # on a rate limit, inside discord.py; it allows no less
_API_URL: Final = "https://discord.com/api/v10"

_patience: ContextVar[float] = ContextVar("_patience", default=_LONGEST_SLEEP)


async def log_in(settings: DiscordSettings, seconds: float = CALL_SECONDS) -> discord.Client:
    """Make a client and log it in; REST calls work then. The caller closes it.

    Raises PlatformBusy, PlatformUnreachable, or TokenRefused where the token is not accepted.
    """
    client = _client(settings)  # a client that failed to log in cannot do it again
    try:
        async with calls(client, seconds):
            await client.login(settings.token)
    except BaseException:
        await client.close()
        raise
    return client


def response_of(client: discord.Client, token: str) -> discord.Webhook:
    """What replies to an interaction are written by, as discord.py makes it for the interaction.

    It has no other way to one whose token was kept, and Discord takes private replies by no other.
    """
    assert client.application_id is not None  # noqa: S101 (known since the login)
    data: Any = {"id": client.application_id, "type": 3, "token": token}
    return discord.Webhook.from_state(data=data, state=client._connection)


def pause(failures: int) -> float:
    """Seconds to wait before the next try to connect, after so many that failed in a row."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret


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
    options: dict[str, Any] = {
        "allowed_mentions": discord.AllowedMentions.none(),
        "max_messages": None,
        "heartbeat_timeout": SILENCE_SECONDS,
        "max_ratelimit_timeout": _LONGEST_SLEEP,
    }
    if shards := settings.shards:  # the cache of the plain one is emptied by every READY
        ids, count = list(shards.ids), shards.count
        return discord.AutoShardedClient(
            intents=intents, shard_ids=ids, shard_count=count, **options
        )
    return discord.Client(intents=intents, **options)


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
            await happens(self._call_ended, within=wait)
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

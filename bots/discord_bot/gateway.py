"""The gateway: one session for each shard, kept up over as many sockets as it takes.

discord.py's own `Client.connect` ends on one event that it cannot read and loses the session then,
connects again without a pause, and closes the REST session together with the socket; hence a loop
of our own. What comes in is none of this module's business.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket, ReconnectWebSocket

from bots.discord_bot.connection import SILENCE_SECONDS, calls, pause
from bots.discord_bot.errors import closed_for_good
from core.errors import PlatformError
from core.mishaps import log_mishap

#: A session that lasted longer than this does not make the next IDENTIFY wait. Discord resets the
#: token of a bot that sends 1,000 in a day: one in two minutes stays below.
STABLE_SECONDS: Final = 120.0
#: A socket that lasted longer than this does not make the next one wait.
BRIEF_SECONDS: Final = 5.0
IDENTIFY_SECONDS: Final = 5.2  #: between two IDENTIFYs of one bucket; Discord wants 5
_FEW_STARTS: Final = 100  # left of the day's 1,000: from then on they are made to last
_CONNECT_SECONDS: Final = SILENCE_SECONDS + 30
_CLOSE_SECONDS: Final = 2.0
_ASK_SECONDS: Final = 10.0
#: The session is lost, says the gateway with these; with all other codes it may be resumed.
_SESSION_LOST: Final = (4007, 4009)

log = logging.getLogger(__name__)


class Hearing(Protocol):
    """Who wants to know how well a shard is heard. No method may raise or take time."""

    def begun(self) -> None:
        """A new session has begun: what was said before it comes no more."""
        ...

    def resumed(self) -> None:
        """The session goes on, and what was said meanwhile has come."""
        ...

    def event(self) -> None:
        """Something came."""
        ...

    def lost(self) -> None:
        """Until further notice nothing comes."""
        ...


class Gate:
    """Lets sessions begin as slowly as Discord wants it; one for all shards of the process."""

    def __init__(self, *, buckets: int = 1, seconds: float | None = None) -> None:
        """`seconds` pass before each session, the first one too; without them, Discord's five."""
        self._buckets = buckets
        self._seconds = IDENTIFY_SECONDS if seconds is None else seconds
        self._turns: dict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        first = 0.0 if seconds is None else time.monotonic() + seconds
        self._next: dict[int, float] = defaultdict(lambda: first)

    @asynccontextmanager
    async def turn(self, shard: int) -> AsyncIterator[None]:
        """Connect and identify a shard within this block; what fails there counts for nothing."""
        bucket = shard % self._buckets
        async with self._turns[bucket]:
            await asyncio.sleep(max(0.0, self._next[bucket] - time.monotonic()))
            yield
            self._next[bucket] = time.monotonic() + self._seconds


async def open_gate(client: discord.Client) -> Gate:
    """Ask Discord how sessions may begin; where it does not say, one after the other."""
    try:
        async with calls(client, _ASK_SECONDS):
            _, _, limit = await client.http.get_bot_gateway()
            left, seconds = int(limit["remaining"]), float(limit["reset_after"]) / 1000
            buckets = max(1, int(limit["max_concurrency"]))
    except PlatformError as error:
        log.info("Discord does not say how sessions may begin", extra={"error": str(error)})
        return Gate()
    if left >= _FEW_STARTS:
        return Gate(buckets=buckets)
    every = max(IDENTIFY_SECONDS, seconds / (left + 1))
    log.warning(
        "The bot has begun almost as many sessions as Discord allows in a day: look for what "
        "starts it again and again. Sessions begin slowly from now on.",
        extra={"left": left, "again_in": round(every, 1)},
    )
    return Gate(buckets=1, seconds=every)


@dataclass(kw_only=True, slots=True)
class _Session:
    """What is needed to get the events that were missed while no socket was open."""

    gateway: yarl.URL
    shard: int | None  #: None: the bot has no shards
    id: str | None = None
    sequence: int | None = None
    began: float = 0.0  #: by the monotonic clock


@dataclass(kw_only=True, slots=True)
class _Troubles:
    """What went wrong in a row; each makes the next socket wait longer."""

    idle: int = 0  #: sockets that brought nothing
    brief: int = 0  #: sockets that did not last
    short: int = 0  #: sessions that did not last

    def count(self, session: _Session, opened: float, sequence: int | None) -> int:
        """Note that a socket has ended, and say how many tries failed in a row.

        `opened` is when it was begun, `sequence` what it began with.
        """
        now = time.monotonic()
        self.idle = 0 if session.sequence not in (sequence, None) else self.idle + 1
        self.brief = 0 if now - opened > BRIEF_SECONDS else self.brief + 1
        if session.id is not None:
            return max(self.idle, self.brief - 1)
        self.short = 0 if now - session.began > STABLE_SECONDS else self.short + 1
        return max(self.idle, self.brief - 1, self.short)


async def listen(
    client: discord.Client,
    gateway_url: str | None,
    gate: Gate,
    hearing: Hearing,
    shard: int | None = None,
) -> None:
    """Receive a shard's events until cancelled or the client is closed.

    A new socket resumes the session, so that nothing is missed, as long as Discord allows it.
    Raises PlatformRefused where the gateway does not let the bot in.
    """
    start = yarl.URL(gateway_url) if gateway_url else DiscordWebSocket.DEFAULT_GATEWAY
    session, troubles = _Session(gateway=start, shard=shard), _Troubles()
    while not client.is_closed():
        if session.id is None or gateway_url:  # READY names an address to resume at
            session.gateway = start
        opened, sequence = time.monotonic(), session.sequence
        await _attempt(client, session, gate, hearing)
        again_in = pause(troubles.count(session, opened, sequence))
        log.info(
            "Connecting to the gateway again",
            extra={"shard": shard, "again_in": round(again_in, 1)},
        )
        await asyncio.sleep(again_in)


async def _attempt(client: discord.Client, session: _Session, gate: Gate, hearing: Hearing) -> None:
    """Open a socket and receive events until it ends, however it does."""
    where = {"shard": session.shard}
    try:
        await _one_socket(client, session, gate, hearing)
    except ReconnectWebSocket:
        log.info("The gateway's socket is closed", extra=where)
    except discord.ConnectionClosed as closed:
        if not client.is_closed():
            raise closed_for_good(closed.code) from closed
    except (aiohttp.ClientError, OSError) as error:
        extra = {**where, "error": type(error).__name__}
        log.warning("The gateway cannot be reached", extra=extra)
    except Exception as error:  # noqa: BLE001 (one odd event must not end the intake)
        if not client.is_closed():
            log_mishap(log, "The gateway sent something that cannot be read", error, **where)


async def _one_socket(
    client: discord.Client, session: _Session, gate: Gate, hearing: Hearing
) -> None:
    """Identify or resume, and receive events until the socket closes or one cannot be read."""
    if session.id is None:
        async with gate.turn(session.shard or 0):
            session.began = time.monotonic()
            socket = await _connect(client, session)
    else:
        socket = await _connect(client, session)
    client.ws, code = socket, 4000  # a code after which the session can be resumed
    try:
        await _receive(socket, hearing)
    except asyncio.CancelledError:
        code = 1000
        raise
    finally:
        hearing.lost()
        session.id, session.sequence = socket.session_id, socket.sequence
        session.gateway = socket.gateway
        if socket.socket.close_code in _SESSION_LOST:
            session.id = session.sequence = None
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await socket.close(code)


async def _connect(client: discord.Client, session: _Session) -> DiscordWebSocket:
    async with asyncio.timeout(_CONNECT_SECONDS):
        return await DiscordWebSocket.from_client(
            client,
            initial=True,  # no pause of its own before IDENTIFY
            gateway=session.gateway,
            shard_id=session.shard,
            session=session.id,
            sequence=session.sequence,
            resume=session.id is not None,
        )


async def _receive(socket: DiscordWebSocket, hearing: Hearing) -> None:
    """Hand events to discord.py until the socket ends, which raises."""
    expected = {
        socket.wait_for("READY", _always): hearing.begun,
        socket.wait_for("RESUMED", _always): hearing.resumed,
    }
    while True:
        await socket.poll_event()
        for happened in [one for one in expected if one.done()]:
            expected.pop(happened)()
        hearing.event()


def _always(_: Any) -> bool:
    return True

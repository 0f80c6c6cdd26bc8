"""The Discord adapter on the loopback Discord, with a reception that only writes down."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from bots.discord_bot.adapter import DiscordPlatform
from core.domain import Mention, MessageId, Post, RefreshReport
from core.errors import StoreError
from core.ports import OnProgress, Reception
from core.settings import DiscordSettings
from servers.discord_server import DiscordServer

WAIT_SECONDS: Final = 5.0
REPORT: Final = RefreshReport(
    added=["a"], changed=[], removed=[], unchanged=2, failed=[], seconds=1.0
)

Refresh = Callable[[str, OnProgress], Awaitable[RefreshReport]]


async def nothing_to_do(user: str, on_progress: OnProgress) -> RefreshReport:
    """A refresh that is over at once."""
    return REPORT


class Notebook:
    """A reception: writes mentions down, and refreshes as it is told to."""

    def __init__(self) -> None:
        self._taken: asyncio.Queue[Mention] = asyncio.Queue()
        self.seen: set[tuple[str, str]] = set()
        self.refuses = False  #: the database cannot be used
        self.do_refresh: Refresh = nothing_to_do

    async def take(self, mention: Mention) -> bool:
        """See Reception.take."""
        self._taken.put_nowait(mention)
        if self.refuses:
            raise StoreError
        identity = (mention.channel, mention.message)
        new = identity not in self.seen
        self.seen.add(identity)
        return new

    async def refresh(self, platform: str, user: str, on_progress: OnProgress) -> RefreshReport:
        """See Reception.refresh."""
        assert platform == "discord"
        return await self.do_refresh(user, on_progress)

    async def next(self) -> Mention:
        """The next mention that came."""
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._taken.get()

    def nothing(self) -> bool:
        """Whether no mention waits to be looked at."""
        return self._taken.empty()


@dataclass(kw_only=True)
class Memory:
    """Keeps one text, as our database does."""

    text: str | None = None
    broken: bool = False
    kept: asyncio.Event = field(default_factory=asyncio.Event)

    async def get(self) -> str | None:
        """What was put there last."""
        if self.broken:
            raise StoreError
        return self.text

    async def put(self, text: str) -> None:
        """Keep a text instead of the last one."""
        self.text = text
        self.kept.set()


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A connected adapter."""

    platform: DiscordPlatform
    notebook: Notebook
    stop: asyncio.Event
    running: asyncio.Task[None]


def platform_for(
    discord: DiscordServer,
    *,
    memory: Memory | None = None,
    message_content: bool = False,
    token: str | None = None,
) -> DiscordPlatform:
    """An adapter that will connect to the loopback Discord."""
    settings = DiscordSettings(
        token=token or discord.token,
        api_url=discord.api_url,
        gateway_url=discord.gateway_url,
        message_content=message_content,
    )
    memory = memory or Memory()
    return DiscordPlatform(settings, remembered=memory.get, remember=memory.put)


@asynccontextmanager
async def connected(
    discord: DiscordServer, *, memory: Memory | None = None, message_content: bool = False
) -> AsyncIterator[Bench]:
    """Connect an adapter, and stop and close it in the end. No field may be one Discord lacks."""
    platform = platform_for(discord, memory=memory, message_content=message_content)
    notebook, stop, ready = Notebook(), asyncio.Event(), asyncio.Event()
    reception: Reception = notebook
    # Not a TaskGroup: pytest-asyncio runs the two halves of a fixture in two tasks.
    running = asyncio.get_running_loop().create_task(platform.run(reception, stop, ready))
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await ready.wait()
        yield Bench(platform=platform, notebook=notebook, stop=stop, running=running)
    finally:
        stop.set()
        async with asyncio.timeout(WAIT_SECONDS):
            await running
        await platform.close()
    assert discord.rest.unknown_fields == []


def answer_to(mention: Mention, text: str = "By starting.", marker: str = "0" * 24) -> Post:
    """A post that answers a mention."""
    return Post(
        thread=mention.thread, reply_to=MessageId(mention.message), marker=marker, text=text
    )

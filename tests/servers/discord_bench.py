"""The Discord adapter on the loopback Discord, with a reception that only writes down."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from bots.discord_bot.adapter import DiscordPlatform
from core.documents import OnProgress, RefreshReport
from core.domain import (
    Absence,
    Button,
    Mention,
    MessageId,
    MessageRef,
    Post,
    Remark,
    Reply,
    ThreadRef,
)
from core.errors import NotAdmin, StoreError
from core.press import Press, Pressed
from core.reception import Reception
from core.settings import DiscordSettings, Shards
from core.tokens import ReplyToken, Tokens
from servers.discord_server import DiscordServer

WAIT_SECONDS: Final = 60.0
REPORT: Final = RefreshReport(
    added=["a"], changed=[], removed=[], unchanged=2, failed=[], seconds=1.0
)

Refresh = Callable[[str, OnProgress], Awaitable[RefreshReport]]


async def nothing_to_do(user: str, on_progress: OnProgress) -> RefreshReport:
    """A refresh that is over at once."""
    return REPORT


async def no_gaps() -> Reply:
    """A report that is there at once."""
    return Reply(text="Nothing went unanswered.")


class Notebook:
    """A reception: writes down what it hears, and refreshes as it is told to."""

    def __init__(self) -> None:
        self._taken: asyncio.Queue[Mention] = asyncio.Queue()
        self._edited: asyncio.Queue[Mention] = asyncio.Queue()
        self._withdrawn: asyncio.Queue[MessageRef] = asyncio.Queue()
        self._overheard: asyncio.Queue[Remark] = asyncio.Queue()
        self.wants_hints = True  #: where text is kept back
        self.turns_away: dict[str, str] = {}  #: by author, with what they are told
        self.heard_of: asyncio.Queue[str] = asyncio.Queue()  #: listeners that are up to date
        self.asked_for: list[str] = []  #: listeners that asked what they missed
        self.withdrawn_asked: list[bool | None] = []  #: whether what is deleted asked the bot
        self._asked: asyncio.Queue[str] = asyncio.Queue()
        self.absences: dict[str, Absence] = {}  #: what each of them is told
        self.seen: set[tuple[str, str]] = set()
        self.refuses = False  #: the database cannot be used
        self.hangs = False  #: nor does it say so, to a press
        self.presses: list[Press] = []
        self.pressed: dict[Button, Pressed] = {}  #: what comes of them
        self.do_refresh: Refresh = nothing_to_do
        self.asked_for_gaps: list[float] = []  #: by admins: of how many seconds
        self.report_gaps: Callable[[], Awaitable[Reply]] = no_gaps
        self.not_admins: set[str] = set()
        self.asked_to_refresh: list[tuple[str | None, bool]] = []  #: by admins: source, confirm
        self.confirmed: str | None = None  #: by the last of them: which removals
        self.source_names = ["https://docs.example/", "handbook"]

    def was_away(
        self,
        *threads: ThreadRef,
        listener: str = "discord",
        seconds: float = 3_600.0,
        messages: int = 500,
    ) -> None:
        """Have a listener told that it was away, and where people talked with the bot."""
        self.absences[listener] = Absence(
            since=time.time() - seconds, messages=messages, threads=threads
        )

    async def take(self, mention: Mention) -> bool:
        """See Reception.take."""
        self._taken.put_nowait(mention)
        if self.refuses:
            raise StoreError
        if mention.author in self.turns_away:
            return False
        identity = (mention.channel, mention.message)
        new = identity not in self.seen
        self.seen.add(identity)
        return new

    async def edit(self, mention: Mention) -> None:
        """See Reception.edit."""
        self._edited.put_nowait(mention)
        if self.refuses:
            raise StoreError

    async def overhear(self, remark: Remark) -> bool:
        """See Reception.overhear."""
        self._overheard.put_nowait(remark)
        if self.refuses:
            raise StoreError
        return self.wants_hints if remark.hidden else True

    async def turned_away(self, mention: Mention, *, again: bool = False) -> str | None:
        """See Reception.turned_away."""
        return self.turns_away.get(mention.author)

    async def withdraw(self, message: MessageRef, *, asked: bool | None = None) -> None:
        """See Reception.withdraw."""
        self._withdrawn.put_nowait(message)
        self.withdrawn_asked.append(asked)
        if self.refuses:
            raise StoreError

    async def press(self, press: Press) -> Pressed:
        """See Reception.press."""
        self.presses.append(press)
        if self.hangs:
            await asyncio.Event().wait()
        if self.refuses:
            raise StoreError
        return self.pressed.get(press.button, Pressed(said=f"{press.button} it is."))

    async def absence(self, listener: str) -> Absence | None:
        """See Reception.absence."""
        self.asked_for.append(listener)
        self._asked.put_nowait(listener)
        if self.refuses:
            raise StoreError
        return self.absences.get(listener)

    async def heard(self, listener: str) -> None:
        """See Reception.heard."""
        self.heard_of.put_nowait(listener)

    def sources(self) -> Sequence[str]:
        """See Reception.sources."""
        return self.source_names

    async def refresh(
        self,
        platform: str,
        user: str,
        on_progress: OnProgress,
        *,
        source: str | None = None,
        confirm: str | None = None,
    ) -> RefreshReport:
        """See Reception.refresh."""
        assert platform == "discord"
        if user in self.not_admins:
            raise NotAdmin
        self.asked_to_refresh.append((source, confirm is not None))
        self.confirmed = confirm
        return await self.do_refresh(user, on_progress)

    async def gaps(self, platform: str, user: str, seconds: float) -> Reply:
        """See Reception.gaps."""
        assert platform == "discord"
        if user in self.not_admins:
            raise NotAdmin("Only admins may see what went unanswered.")
        self.asked_for_gaps.append(seconds)
        return await self.report_gaps()

    async def next(self) -> Mention:
        """The next mention that came."""
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._taken.get()

    async def next_edit(self) -> Mention:
        """The next edited message that was told of."""
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._edited.get()

    async def next_remark(self) -> Remark:
        """The next message that was overheard."""
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._overheard.get()

    async def next_deletion(self) -> MessageRef:
        """The next deleted message that was told of."""
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._withdrawn.get()

    async def asked(self) -> str:
        """Wait until a listener asks what it missed; which."""
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._asked.get()

    async def up_to_date(self) -> str:
        """Wait until a listener is up to date; which."""
        async with asyncio.timeout(WAIT_SECONDS):
            return await self.heard_of.get()

    def nothing(self) -> bool:
        """Whether no mention, edit, remark or deletion waits to be looked at."""
        queues = (self._taken, self._edited, self._overheard, self._withdrawn)
        return all(queue.empty() for queue in queues)


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


class KeptTokens:
    """Keeps what private replies are posted by, as our database does."""

    def __init__(self) -> None:
        self.kept: dict[MessageRef, ReplyToken] = {}
        self.broken = False

    async def put(self, question: MessageRef, person: str, token: ReplyToken) -> None:
        if self.broken:
            raise StoreError
        self.kept.setdefault(question, token)

    async def get(self, question: MessageRef) -> ReplyToken | None:
        return self.kept.get(question)


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
    shards: Shards | None = None,
    tell_roles: bool = False,
    private_asks: bool = False,
    tokens: Tokens | None = None,
) -> DiscordPlatform:
    """An adapter that will connect to the loopback Discord."""
    settings = DiscordSettings(
        token=token or discord.token,
        api_url=discord.api_url,
        gateway_url=discord.gateway_url,
        message_content=message_content,
        shards=shards,
        tell_roles=tell_roles,
        private_asks=private_asks,
    )
    memory = memory or Memory()
    return DiscordPlatform(
        settings, remembered=memory.get, remember=memory.put, tokens=tokens or KeptTokens()
    )


@asynccontextmanager
async def connected(
    discord: DiscordServer,
    *,
    memory: Memory | None = None,
    message_content: bool = False,
    shards: Shards | None = None,
    notebook: Notebook | None = None,
    tell_roles: bool = False,
    private_asks: bool = False,
    tokens: Tokens | None = None,
) -> AsyncIterator[Bench]:
    """Connect an adapter, and stop and close it in the end. No field may be one Discord lacks."""
    platform = platform_for(
        discord,
        memory=memory,
        message_content=message_content,
        shards=shards,
        tell_roles=tell_roles,
        private_asks=private_asks,
        tokens=tokens,
    )
    notebook, stop, ready = notebook or Notebook(), asyncio.Event(), asyncio.Event()
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

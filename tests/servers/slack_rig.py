"""The Slack adapter at work against the Slack server, with a reception that tests can script."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bots.slack_bot.adapter import SlackPlatform
from core.documents import OnProgress, RefreshReport
from core.domain import Absence, Button, Mention, MessageId, MessageRef, Remark, Reply, ThreadRef
from core.errors import NotAdmin
from core.press import Press, Pressed
from core.reception import Reception
from core.settings import SlackSettings
from servers.slack_server import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, SlackServer
from servers.slack_workspace import TEAM

Refresh = Callable[[OnProgress], Awaitable[RefreshReport]]

NOTHING_DONE = RefreshReport(added=(), changed=(), removed=(), unchanged=3, failed=(), seconds=0.1)


async def no_gaps() -> Reply:
    """A report that is there at once."""
    return Reply(text="Nothing went unanswered.")


class FakeReception:
    """Remembers mentions; takes and refreshes can be made to wait or to fail."""

    def __init__(self) -> None:
        self.taken: list[Mention] = []
        self.offered = 0
        self._known: dict[tuple[str, str, str], Mention] = {}
        self._offer = asyncio.Condition()
        self.failures: list[Exception] = []
        self.may_take = asyncio.Event()
        self.may_take.set()
        self.presses: list[Press] = []
        self.pressed: dict[Button, Pressed] = {}  #: what comes of them
        self.edited: list[Mention] = []
        self.withdrawn: list[MessageRef] = []
        self.overheard: list[Remark] = []
        self.turns_away: dict[str, str] = {}  #: by author, with what they are told
        self.asked_about: list[Mention] = []  #: whether they are turned away
        self.withdrawn_asked: list[bool | None] = []  #: whether each of them asked the bot
        self.absences: list[Absence | Exception | None] = []  #: what to answer, in this order
        self.asked_for_absence: list[str] = []
        self.heard_from: list[str] = []
        self.refreshes: list[tuple[str, str]] = []
        self.asked_to_refresh: list[tuple[str | None, bool]] = []  #: by admins: source, confirm
        self.confirmed: str | None = None  #: by the last of them: which removals
        self.admins = {"U1"}
        self.source_names = ["https://docs.example/", "handbook"]
        self.refresh_as: Refresh = nothing_to_do
        self.asked_for_gaps: list[float] = []  #: by admins: of how many seconds
        self.report_gaps: Callable[[], Awaitable[Reply]] = no_gaps

    async def take(self, mention: Mention) -> bool:
        await self._offered()
        identity = (mention.thread.tenant, mention.channel, mention.message)
        if mention.author in self.turns_away:
            return False
        known = self._known.setdefault(identity, mention)
        assert known == mention, "two deliveries of one message read differently"
        if known is mention:
            self.taken.append(mention)
        return known is mention

    @property
    def texts(self) -> list[str]:
        """The questions that were taken, in order."""
        return [mention.text for mention in self.taken]

    async def edit(self, mention: Mention) -> None:
        await self._offered()
        if mention not in self.edited:
            self.edited.append(mention)

    async def overhear(self, remark: Remark) -> bool:
        await self._offered()
        is_new = remark not in self.overheard
        if is_new:
            self.overheard.append(remark)
        return is_new

    async def turned_away(self, mention: Mention, *, again: bool = False) -> str | None:
        self.asked_about.append(mention)
        return self.turns_away.get(mention.author)

    async def withdraw(self, message: MessageRef, *, asked: bool | None = None) -> None:
        await self._offered()
        self.withdrawn.append(message)
        self.withdrawn_asked.append(asked)

    async def press(self, press: Press) -> Pressed:
        await self._offered()
        self.presses.append(press)
        return self.pressed.get(press.button, Pressed(said=f"{press.button} it is."))

    async def absence(self, listener: str) -> Absence | None:
        self.asked_for_absence.append(listener)
        async with self._offer:
            self._offer.notify_all()
        absence = self.absences.pop(0) if self.absences else None
        if isinstance(absence, Exception):
            raise absence
        return absence

    async def heard(self, listener: str) -> None:
        self.heard_from.append(listener)
        async with self._offer:
            self._offer.notify_all()

    async def _offered(self) -> None:
        """Something is handed over; it is taken when it may be, and unless that fails."""
        self.offered += 1
        async with self._offer:
            self._offer.notify_all()
        await self.may_take.wait()
        if self.failures:
            raise self.failures.pop(0)

    async def wait_until_asked(self, times: int = 1) -> None:
        """Wait until the adapter asked so often what it may have missed."""
        async with asyncio.timeout(60), self._offer:
            await self._offer.wait_for(lambda: len(self.asked_for_absence) >= times)

    async def wait_until_heard(self, times: int = 1) -> None:
        """Wait until the adapter said so often that it is up to date."""
        async with asyncio.timeout(60), self._offer:
            await self._offer.wait_for(lambda: len(self.heard_from) >= times)

    async def wait_until_offered(self, times: int = 1) -> None:
        """Wait until so many mentions were handed over, taken or not."""
        async with asyncio.timeout(60), self._offer:
            await self._offer.wait_for(lambda: self.offered >= times)

    def sources(self) -> Sequence[str]:
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
        self.refreshes.append((platform, user))
        if user not in self.admins:
            raise NotAdmin
        self.asked_to_refresh.append((source, confirm is not None))
        self.confirmed = confirm
        return await self.refresh_as(on_progress)

    async def gaps(self, platform: str, user: str, seconds: float) -> Reply:
        assert platform == "slack"
        if user not in self.admins:
            raise NotAdmin("Only admins may see what went unanswered.")
        self.asked_for_gaps.append(seconds)
        return await self.report_gaps()


async def nothing_to_do(_: OnProgress) -> RefreshReport:
    return NOTHING_DONE


def slack_settings(server: SlackServer, **changes: Any) -> SlackSettings:
    """The settings for Socket Mode on a server."""
    given = {"bot_token": BOT_TOKEN, "app_token": APP_TOKEN, "api_url": server.api_url} | changes
    return SlackSettings(**given)


def http_settings(server: SlackServer, **changes: Any) -> SlackSettings:
    """The settings for HTTP mode on a free port."""
    http = {"app_token": None, "signing_secret": SIGNING_SECRET, "port": 0}
    return slack_settings(server, **(http | changes))


@asynccontextmanager
async def running(
    settings: SlackSettings, reception: Reception, *, stop: asyncio.Event | None = None
) -> AsyncIterator[SlackPlatform]:
    """Run the adapter while the block lasts; then stop it, which must take seconds only."""
    platform = SlackPlatform(settings)
    stop, ready = stop or asyncio.Event(), asyncio.Event()
    try:
        async with asyncio.TaskGroup() as tasks:
            run = tasks.create_task(platform.run(reception, stop, ready))
            async with asyncio.timeout(60):
                await ready.wait()
            try:
                yield platform
            finally:
                stop.set()
                async with asyncio.timeout(60):
                    await asyncio.wait([run])
    finally:
        await platform.close()


def away(
    seconds: float = 3600.0, *, messages: int = 500, threads: Sequence[ThreadRef] = ()
) -> Absence:
    """An absence that lasted until now."""
    return Absence(since=time.time() - seconds, messages=messages, threads=threads)


def message_ref(channel: str, ts: str) -> MessageRef:
    """The identity of a message on the server."""
    return MessageRef(platform="slack", tenant=TEAM, channel=channel, message=MessageId(ts))


def thread_on(channel: str, root: str, tenant: str = TEAM) -> ThreadRef:
    """A thread on the server."""
    return ThreadRef(platform="slack", tenant=tenant, key=f"{channel}:{root}")


@asynccontextmanager
async def back(
    server: SlackServer, *absences: Absence | Exception | None
) -> AsyncIterator[FakeReception]:
    """The adapter comes back after an absence, and is up to date."""
    reception = FakeReception()
    reception.absences = list(absences)
    async with running(slack_settings(server), reception):
        await reception.wait_until_heard()
        yield reception
    assert server.unknown_args == []

"""What was asked while Slack's events did not reach us, found in the history of channels.

When to look is decided in `presence`, what a message means in `events`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from bots.slack_bot.api import LARGEST_PAGE, Bot, Page, SlackApi
from bots.slack_bot.errors import within
from bots.slack_bot.events import Heard, is_private, place, read_found, seconds
from core.domain import Absence, ThreadRef
from core.errors import (
    PlatformBusy,
    PlatformError,
    PlatformRefused,
    PlatformUnreachable,
    ThreadGone,
    TokenRefused,
)

log = logging.getLogger(__name__)

#: A type of conversation as it is asked for, and as events name it. Asked for one by one: a scope
#: that is missing for one type must not hide the others.
TYPES: Final = {
    "public_channel": "channel",
    "private_channel": "group",
    "im": "im",
    "mpim": "mpim",
}
MOST_CHANNELS: Final = 1_000
MOST_PAGES: Final = 20  #: of one list of channels, and of one thread
SMALLEST_SHARE: Final = 15  #: messages of a channel that are read before another one's turn
OLDER_ROOTS: Final = 30  #: of a channel, looked at for new replies in old threads
TRIES: Final = 3  #: of one call, where Slack cannot be reached
MOST_UNREACHABLE: Final = 3  #: calls after one another, each tried so often
SHORTEST_PAUSE_SECONDS: Final = 1.0
BUSY_SECONDS: Final = 30.0  #: where Slack asks for a pause and does not say for how long
FUTURE: Final = "9999999999.000000"  #: later than every message, whatever our clock says

_Json = Mapping[str, Any]
#: Tells core what was found. Raises StoreError.
HandOver = Callable[[Heard], Awaitable[None]]


class Missed:
    """Looks for what was missed, and hands it over as events do."""

    def __init__(self, api: SlackApi, bot: Bot, hand_over: HandOver) -> None:
        self._api = api
        self._bot = bot
        self._hand_over = hand_over
        self._told: set[str] = set()

    async def search(self, absence: Absence) -> bool:
        """Read what came since, and hand over what asks the bot, the oldest of a thread first.

        Returns whether all was read that Slack lets us read. Raises StoreError where something
        could not be written down, TokenRefused, and PlatformUnreachable where Slack is away.
        """
        search = _Search(self._api, self._bot, self._hand_over, absence, self._told)
        await search.run()
        log.info("Looked for questions that were missed", extra={"read": search.messages_read})
        return search.complete

    async def search_thread(self, absence: Absence, thread: ThreadRef, seconds: float) -> bool:
        """Do the same in one thread alone, where Slack gives it out within so many seconds."""
        search = _Search(self._api, self._bot, self._hand_over, absence, self._told)
        channel, root = place(thread)
        async with within(seconds):
            found = await search.read_thread(channel, root)
        for heard in found:
            await self._hand_over(heard)
        return search.complete


@dataclass(kw_only=True, slots=True)
class _Channel:
    """A conversation of any type, and how far it is read."""

    id: str
    kind: str | None = None  #: as events name it, where that is known
    threads: set[str] = field(default_factory=set)  #: roots whose replies are to be read
    done: set[str] = field(default_factory=set)  #: roots whose replies are read
    heard: dict[str, Heard] = field(default_factory=dict)  #: to be handed over, by ts
    cursor: str | None = None
    frontier: str = FUTURE  #: the oldest message that is read
    read: bool = False
    refused: bool = False


class _Search:
    """One search; `complete` says afterwards whether Slack gave all that was asked for."""

    def __init__(
        self, api: SlackApi, bot: Bot, hand_over: HandOver, absence: Absence, told: set[str]
    ) -> None:
        self.complete = True
        self._api = api
        self._bot = bot
        self._hand_over = hand_over
        self._absence = absence
        self._told = told
        self._left = absence.messages
        self._oldest = f"{absence.since:.6f}"
        self._unreachable = 0

    @property
    def messages_read(self) -> int:
        return self._absence.messages - self._left

    async def run(self) -> None:
        """Read a share of each channel first, then of the long ones what is newest."""
        channels = await self._channels()
        for number, channel in enumerate(channels):
            await self._read(channel, max(SMALLEST_SHARE, self._left // (len(channels) - number)))
            if channel.read:
                await self._finish(channel)
        while (unread := [each for each in channels if not each.read]) and self._left > 0:
            channel = max(unread, key=lambda each: each.frontier)
            await self._read(channel, LARGEST_PAGE)
            if channel.read:
                await self._finish(channel)
        for channel in unread:
            await self._finish(channel)
        for channel in channels:
            await self._look_back(channel)
        if self._left <= 0:
            log.warning(
                "more may have been missed than is looked through",
                extra={"messages": self._absence.messages},
            )

    async def read_thread(self, channel_id: str, root: str) -> list[Heard]:
        """Read one thread; what it says to us, the oldest first."""
        channel = _Channel(id=channel_id)
        await self._read_thread(channel, root)
        return [channel.heard[ts] for ts in sorted(channel.heard, key=float)]

    async def _channels(self) -> list[_Channel]:
        """List where we are, beginning with where people talked with us lately."""
        channels: dict[str, _Channel] = {}
        for thread in self._absence.threads:
            if thread.tenant == self._bot.tenant and not is_private(thread):
                channel, root = place(thread)
                channels.setdefault(channel, _Channel(id=channel)).threads.add(root)
        for types, kind in TYPES.items():
            for channel in await self._listed(types):
                channels.setdefault(channel, _Channel(id=channel)).kind = kind
        if len(channels) > MOST_CHANNELS:
            log.warning("some channels are not looked through", extra={"channels": len(channels)})
        return list(channels.values())[:MOST_CHANNELS]

    async def _listed(self, types: str) -> list[str]:
        listed: list[str] = []
        cursor = None
        for _ in range(MOST_PAGES):
            page = await self._allowed(types, partial(self._api.channels, types, cursor=cursor))
            if page is None:
                break
            listed += [str(item["id"]) for item in page.items if item.get("id")]
            cursor = page.cursor
            if not cursor:
                break
        return listed

    async def _read(self, channel: _Channel, limit: int) -> None:
        """Read one page of a channel's history, unless as much was read as may be."""
        limit = min(limit, self._left, LARGEST_PAGE)
        if limit <= 0:
            return
        page = await self._allowed(
            channel.id,
            partial(
                self._api.history,
                channel.id,
                oldest=self._oldest,
                latest=FUTURE,
                limit=limit,
                cursor=channel.cursor,
            ),
        )
        channel.refused = page is None
        channel.read = page is None or not page.cursor or not page.items
        if page is not None:
            self._note(channel, page.items)
            channel.cursor = page.cursor

    async def _look_back(self, channel: _Channel) -> None:
        """Look at the threads that are older than the absence for new replies in them."""
        limit = min(OLDER_ROOTS, self._left)
        if channel.refused or limit <= 0:
            return
        page = await self._allowed(
            channel.id,
            partial(self._api.history, channel.id, oldest="0", latest=self._oldest, limit=limit),
        )
        if page is not None:
            self._note(channel, page.items)
            await self._finish(channel)

    async def _finish(self, channel: _Channel) -> None:
        """Read the threads of a channel, and hand over all that was found in it."""
        for root in sorted(channel.threads - channel.done, reverse=True):
            channel.done.add(root)
            await self._read_thread(channel, root)
        for ts in sorted(channel.heard, key=float):
            await self._hand_over(channel.heard.pop(ts))

    async def _read_thread(self, channel: _Channel, root: str) -> None:
        cursor = None
        for _ in range(MOST_PAGES):
            limit = min(self._left + 1, LARGEST_PAGE)  # the root comes with them
            if limit <= 1:
                return
            call = partial(
                self._api.replies,
                channel.id,
                root,
                oldest=self._oldest,
                limit=limit,
                cursor=cursor,
            )
            page = await self._allowed(channel.id, call)
            if page is None:
                return
            self._note(channel, [item for item in page.items if item.get("ts") != root])
            cursor = page.cursor
            if not cursor:
                return

    def _note(self, channel: _Channel, messages: Sequence[_Json]) -> None:
        """Keep what these messages say, and which threads have new replies."""
        self._left -= len(messages)
        for message in messages:
            ts, root = message.get("ts"), message.get("thread_ts")
            is_new = self._is_new(ts)
            if isinstance(root, str) and (self._is_new(message.get("latest_reply")) or is_new):
                channel.threads.add(root)
            if isinstance(ts, str) and is_new:
                heard = read_found(
                    message, self._bot.tenant, channel.id, channel.kind, self._bot.user
                )
                if heard is not None:
                    channel.heard[ts] = heard
        if messages:
            channel.frontier = str(messages[-1].get("ts"))

    def _is_new(self, ts: object) -> bool:
        at = seconds(ts)
        return at is not None and at > self._absence.since

    async def _allowed(self, where: str, call: Callable[[], Awaitable[Page]]) -> Page | None:
        """Call; None where Slack refuses this one thing, or cannot be reached just now."""
        try:
            page = await _patiently(call)
        except TokenRefused:
            raise
        except (PlatformRefused, ThreadGone) as error:
            self._complain(where, error)
            return None
        except PlatformUnreachable as error:
            self.complete = False
            self._unreachable += 1
            if self._unreachable >= MOST_UNREACHABLE:
                raise
            self._complain(where, error)
            return None
        self._unreachable = 0
        return page

    def _complain(self, where: str, error: PlatformError) -> None:
        """Log it, once for each channel, and a missing scope only once for all."""
        reason = str(error)
        about = reason if isinstance(error, PlatformRefused) else f"{where}: {reason}"
        if about not in self._told:
            self._told.add(about)
            log.warning(
                "something that may have been missed cannot be read",
                extra={"where": where, "reason": reason},
            )


async def _patiently(call: Callable[[], Awaitable[Page]]) -> Page:
    """Call again after the pauses that Slack asks for, and a few times where it is not reached."""
    failures = 0
    while True:
        try:
            return await call()
        except PlatformBusy as busy:
            pause = BUSY_SECONDS if busy.retry_after is None else busy.retry_after
        except PlatformUnreachable:
            failures += 1
            if failures >= TRIES:
                raise
            pause = _patience(failures)
        await asyncio.sleep(max(SHORTEST_PAUSE_SECONDS, pause))


def _patience(failures: int) -> float:
    return float(failures)

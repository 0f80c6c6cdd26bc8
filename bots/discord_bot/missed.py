"""What was asked while the bot heard nothing: found in the history, and taken.

The gateway tells a session that was resumed what it missed, and a new one nothing. So at the
beginning of a session core is asked how long the bot was away, and the messages since then are
read: of the servers' channels and threads, as the gateway has just described them, and of the
threads and direct messages in which people talked with the bot lately.
"""

import asyncio
import heapq
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeVar

import discord

from bots.discord_bot.connection import calls
from bots.discord_bot.events import is_addressed, is_private, is_remark, place_of
from bots.discord_bot.intake import Intake
from bots.discord_bot.places import Places
from core.domain import Absence, ThreadRef
from core.errors import PlatformBusy, PlatformError, PlatformUnreachable, StoreError
from core.mishaps import log_mishap
from core.reception import Reception

HEARD_SECONDS: Final = 30.0  #: between two signs that everything is heard
STORE_SECONDS: Final = 5.0  #: until a database that cannot be used is tried again
GUILDS_SECONDS: Final = 10.0  #: for which the next server that was announced is waited for
THREAD_SECONDS: Final = 10.0  #: for one thread, in which somebody waits to be heard
CALL_PAUSES = (1.0, 2.0, 5.0)  # seconds between tries of one call
SEARCH_PAUSES = (30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0)  # seconds, for what was not to be had
_LONGEST_PAUSE: Final = 60.0
_FIRST_PAGE, _PAGE = 25, 100  # messages; most channels have few new ones
_DAY: Final = 86_400.0  # seconds
_EPOCH_MS: Final = discord.utils.DISCORD_EPOCH

OfGuild = discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.Thread
Readable = OfGuild | discord.DMChannel
T = TypeVar("T")

log = logging.getLogger(__name__)


class Watch:
    """Sees to it that nothing is missed on one shard: a `Hearing`, see `gateway`."""

    def __init__(
        self,
        intake: Intake,
        reception: Reception,
        tasks: asyncio.TaskGroup,
        *,
        shard: int | None,
        on_begun: Callable[[], None],
    ) -> None:
        self._intake = intake
        self._reception = reception
        self._tasks = tasks
        self._shard = shard
        self._on_begun = on_begun
        self._listener = "discord" if shard is None else f"discord/{shard}"
        self._caught_up = False
        self._absence: Absence | None = None  #: what is being looked for
        self._is_known = asyncio.Event()  #: whether that is
        self._searched: set[int] = set()  #: threads where it is found already
        self._something = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begun(self) -> None:
        """See Hearing.begun."""
        self._caught_up = False
        self._is_known.clear()
        self._searched.clear()
        self._intake.catch_ups[self._shard or 0] = self._catch_up_before
        self._begin()
        self._on_begun()

    def resumed(self) -> None:
        """See Hearing.resumed."""
        self._begin()

    def event(self) -> None:
        """See Hearing.event."""
        self._something.set()

    def lost(self) -> None:
        """See Hearing.lost."""
        if self._task:
            self._task.cancel()

    def _begin(self) -> None:
        self.lost()
        self._task = self._tasks.create_task(self._keep_up())

    async def _keep_up(self) -> None:
        """Catch up, and say from then on that everything is heard."""
        try:
            if not self._caught_up:
                await self._catch_up()
        except Exception as error:  # noqa: BLE001 (what comes now is heard all the same)
            log_mishap(log, "What was missed could not be looked for", error)
        self._caught_up = True
        self._intake.catch_ups.pop(self._shard or 0, None)
        while True:
            await self._intake.settle()
            await self._reception.heard(self._listener)
            await asyncio.sleep(HEARD_SECONDS)

    async def _catch_up(self) -> None:
        absence = await _insist(lambda: self._reception.absence(self._listener))
        self._absence = absence
        self._is_known.set()
        if absence is None:
            return
        await self._wait_for_guilds()
        search = Search(self._intake.places, absence, self._shard)
        new = await self._take(await search.find())
        for pause in SEARCH_PAUSES:
            if search.is_complete:
                break
            log.warning("Discord does not let all messages be read now", extra={"again_in": pause})
            await asyncio.sleep(pause)
            new += await self._take(await search.find())
        log.info(
            "Looked for questions that were missed",
            extra={"listener": self._listener, "read": search.read, "new": new},
        )

    async def _catch_up_before(self, message: discord.Message) -> None:
        """Take what was missed in the thread of a message that came now, and was said before it.

        Only where people talked with the bot lately, and as far as Discord gives it out in
        `THREAD_SECONDS`.
        """
        thread = message.channel
        if not isinstance(thread, discord.Thread) or thread.id in self._searched:
            return
        found: list[discord.Message] = []
        try:
            async with asyncio.timeout(THREAD_SECONDS):
                await self._is_known.wait()
                if self._absence is None:
                    return
                search = Search(self._intake.places, self._absence, self._shard)
                if not search.only(thread, message.id):
                    return
                found = await search.find()
        except TimeoutError:
            where = {"channel_id": thread.id}
            log.warning("What was missed in a thread is not found in time", extra=where)
        except Exception as error:  # noqa: BLE001 (what comes now is heard all the same)
            log_mishap(log, "What was missed in a thread could not be looked for", error)
        else:
            await self._take(found)
            if search.is_complete:
                self._searched.add(thread.id)

    async def _take(self, found: Sequence[discord.Message]) -> int:
        """Hand messages over that were found; how many of them are new."""
        new = 0
        for message in found:
            where = {"channel_id": message.channel.id, "message_id": message.id}
            try:
                new += await _insist(partial(self._intake.take_found, message))
            except PlatformError as error:
                log.warning("A mention could not be taken", extra={**where, "error": str(error)})
            except Exception as error:  # noqa: BLE001 (one odd message must not hide the others)
                log_mishap(log, "A mention could not be taken", error, **where)
        return new

    async def _wait_for_guilds(self) -> None:
        """Wait until the gateway has described the servers; those out of order it does not."""
        missing = self._undescribed()
        with suppress(TimeoutError):
            while missing:
                async with asyncio.timeout(GUILDS_SECONDS):
                    while (left := self._undescribed()) == missing:
                        self._something.clear()
                        await self._something.wait()
                missing = left

    def _undescribed(self) -> int:
        guilds = _guilds(self._intake.places.client, self._shard)
        return sum(guild.unavailable for guild in guilds)


@dataclass(order=True, frozen=True, slots=True)
class _Unread:
    """Messages of one place that are to be read, newest first; by those they are ordered."""

    rank: int  # the id of the newest, negative: a heap has the least on top
    number: int
    channel: Readable = field(compare=False)
    size: int = field(default=_FIRST_PAGE, compare=False)  # so many are read at once
    # None: there is no bound. What discord.py takes for the newest may be an event that came again.
    upto: int | None = field(default=None, compare=False)


class Search:
    """One search for messages that ask the bot, or may, after an absence, on one shard."""

    def __init__(self, places: Places, absence: Absence, shard: int | None) -> None:
        self._places = places
        self._client = places.client
        self._shard = shard
        self._since = _snowflake(absence.since)
        self._budget = absence.messages
        threads = [one for one in absence.threads if not is_private(one)]
        self._threads = [one for one in threads if _is_here(one, self._client, shard)]
        self._unread = list(self._described())
        self.read = 0  #: messages so far

    @property
    def is_complete(self) -> bool:
        """Whether every place was read that can be; else `find` goes on with the others."""
        return not (self._unread or self._threads) or self.read >= self._budget

    def only(self, thread: discord.Thread, before: int) -> bool:
        """Look in one thread alone, for what was said before a message.

        False where it is none in which people talked with the bot lately, or it cannot be read.
        """
        is_ours = any(place_of(one)[1] == thread.id for one in self._threads)
        self._threads = []
        self._unread = [_Unread(-before, thread.id, thread, upto=before - 1)]
        return is_ours and self._places.may_read(thread)

    async def find(self) -> list[discord.Message]:
        """Read the newest messages of all places, up to the budget; what asks the bot, by age."""
        # Of all places the one goes first whose unread messages are the newest, page by page: so
        # the budget is spent on the newest ones, wherever they are.
        await self._look_threads_up()
        heapq.heapify(self._unread)
        later: list[_Unread] = []
        found: list[discord.Message] = []
        me = self._client.user
        while self._unread and self.read < self._budget:
            unread = heapq.heappop(self._unread)
            size = min(unread.size, self._budget - self.read)
            try:
                page = await self._page(unread.channel, unread.upto, size)
            except (PlatformBusy, PlatformUnreachable):
                later.append(unread)
                continue
            self.read += len(page)
            found += [one for one in page if me and (is_addressed(one, me) or is_remark(one, me))]
            if len(page) == size:
                upto, size = page[-1].id - 1, min(2 * size, _PAGE)
                rest = replace(unread, rank=-upto, upto=upto, size=size)
                heapq.heappush(self._unread, rest)
        if self._unread:
            log.warning(
                "There are more messages than CATCH_UP_MESSAGES lets be read; the older ones are "
                "let be",
                extra={"read": self.read, "channels": len(self._unread)},
            )
        self._unread = later
        return sorted(found, key=lambda message: message.id)

    def _described(self) -> Iterator[_Unread]:
        """Places of the servers in which something was written since the absence began.

        Those in which people talked with the bot lately are read in any case.
        """
        ours = {place_of(thread)[1] for thread in self._threads}
        for guild in _guilds(self._client, self._shard):
            for channel in _channels(guild):
                newest = channel.last_message_id or 0
                has_news = newest > self._since or channel.id in ours
                if has_news and self._places.may_read(channel):
                    yield _Unread(-newest, channel.id, channel)

    async def _look_threads_up(self) -> None:
        """Look for the threads and direct messages in which people talked with the bot lately."""
        later: list[ThreadRef] = []
        for thread in self._threads:
            _, number = place_of(thread)
            if self._client.get_channel(number):
                continue  # it was described
            try:
                channel = await self._call(partial(self._client.fetch_channel, number))
            except (PlatformBusy, PlatformUnreachable):
                later.append(thread)
            except PlatformError as error:  # as where a reply went in line
                where = {"channel_id": number, "error": str(error)}
                log.info("A thread is not looked at", extra=where)
            else:
                self._note(channel)
        self._threads = later

    def _note(self, channel: object) -> None:
        """Have a place read that was looked up."""
        if isinstance(channel, discord.DMChannel):  # discord.py does not tell its newest message
            newest = _snowflake(time.time() + _DAY)
        elif isinstance(channel, discord.Thread):
            newest = channel.last_message_id or 0
        else:
            return
        if newest > self._since:
            self._unread.append(_Unread(-newest, channel.id, channel))

    async def _page(self, channel: Readable, upto: int | None, size: int) -> list[discord.Message]:
        """So many messages of a channel, newest first, none newer than `upto` where it is given.

        Raises PlatformBusy or PlatformUnreachable.
        """
        after = discord.Object(self._since)
        before = None if upto is None else discord.Object(upto + 1)

        async def read() -> list[discord.Message]:
            history = channel.history(limit=size, before=before, after=after, oldest_first=False)
            return [message async for message in history]

        try:
            return await self._call(read)
        except (PlatformBusy, PlatformUnreachable):
            raise
        except PlatformError as error:
            where = {"channel_id": channel.id, "error": str(error)}
            log.warning("Messages of a channel cannot be read", extra=where)
            return []

    async def _call(self, act: Callable[[], Awaitable[T]]) -> T:
        """Make a call of Discord, a few times where it is busy or away."""
        for pause in CALL_PAUSES:
            try:
                async with calls(self._client):
                    return await act()
            except PlatformBusy as error:
                await asyncio.sleep(min(error.retry_after or pause, _LONGEST_PAUSE))
            except PlatformUnreachable:
                await asyncio.sleep(pause)
        async with calls(self._client):
            return await act()


async def _insist(act: Callable[[], Awaitable[T]]) -> T:
    """Ask core until its database can be used."""
    with suppress(StoreError):
        return await act()
    log.error("The database cannot be used: what was missed is not looked for yet")
    while True:
        await asyncio.sleep(STORE_SECONDS)
        with suppress(StoreError):
            return await act()


def _guilds(client: discord.Client, shard: int | None) -> list[discord.Guild]:
    return [guild for guild in client.guilds if shard in (None, guild.shard_id)]


def _channels(guild: discord.Guild) -> Iterator[OfGuild]:
    yield from guild.text_channels
    yield from guild.voice_channels
    yield from guild.stage_channels
    yield from guild.threads


def _is_here(thread: ThreadRef, client: discord.Client, shard: int | None) -> bool:
    """Whether a shard hears of a thread; of direct messages the first one does."""
    count = client.shard_count
    return shard is None or not count or (int(thread.tenant or 0) >> 22) % count == shard


def _snowflake(at: float) -> int:
    """The least id of what happened after a time."""
    return max(0, int(at * 1000) - _EPOCH_MS) << 22

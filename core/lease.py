"""This process among those that share the work: its heartbeat, and the wake-ups of the others.

A process that cannot renew its lease in time must stop before another one takes its threads over:
`FENCE` is shorter than the store's `LEASE` by more than a heartbeat.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Coroutine, Sequence
from typing import Protocol

from core.domain import ThreadId
from core.ending import end
from core.errors import StoreError
from core.store import Store
from core.store.news import ABANDONED, CHANGED, FREE

log = logging.getLogger(__name__)

HEARTBEAT = 2.0  # seconds
FENCE = 7.0  # seconds without a heartbeat after which this process does nothing any more
FAREWELL = 2.0  # seconds for a word to the database at the end
RECONNECT = 2.0  # seconds until the line for wake-ups is opened again


class Holder(Protocol):
    """Who works on the threads that the lease is for."""

    def scan_soon(self) -> None:
        """There may be threads that nobody holds."""

    def changed(self, thread: ThreadId) -> None:
        """A question of this thread was edited or deleted."""

    def cancel_soon(self) -> None:
        """There may be runs to cancel."""

    def let_go(self) -> None:
        """The lease is lost: other processes may have the threads."""


class Lease:
    """Whether this process may work, and on what."""

    def __init__(self, store: Store, *, platforms: Collection[str], is_worker: bool = True) -> None:
        """`platforms` are those that this process can post to.

        One that is no worker leaves their threads to workers, while one of these lives.
        """
        self._store = store
        self._platforms = frozenset(platforms)
        self._works_for = self._platforms if is_worker else frozenset()
        self._served: frozenset[str] = frozenset()  # platforms that have a living worker
        self._beaten_at = 0.0
        self._takes = False  # neither before the others know of this process, nor when it leaves
        self.alone = True  #: whether no other process lives

    @property
    def is_valid(self) -> bool:
        """Whether no other process may have our threads yet."""
        return not self._store.leases.shared or time.monotonic() < self._beaten_at + FENCE

    def wants(self, platform: str) -> bool:
        """Whether this process takes threads of that platform up."""
        is_ours = platform in self._works_for or platform not in self._served
        return platform in self._platforms and is_ours and self._takes

    @property
    def wanted(self) -> list[str]:
        """The platforms whose threads this process takes up."""
        return [platform for platform in self._platforms if self.wants(platform)]

    async def join(self) -> None:
        """Make this process known to the others. Raises StoreError."""
        await self._beat()
        self._takes = True

    async def keep(self, holder: Holder) -> None:
        """Renew the lease until cancelled; tell the holder when it was lost."""
        if not self._store.leases.shared:
            return
        trouble = False
        while True:
            await asyncio.sleep(HEARTBEAT)
            try:
                async with asyncio.timeout(HEARTBEAT):
                    await self._beat(holder)
            except (StoreError, TimeoutError) as error:
                why = str(error) or "the database does not reply in time"
                # Once for an absence of the database, which may last for hours.
                log.log(
                    logging.DEBUG if trouble else logging.ERROR, "The lease is not renewed: %s", why
                )
                trouble = True
            else:
                if trouble:
                    log.info("The lease is renewed again")
                trouble = False
            if not self.is_valid:
                holder.let_go()

    async def hear(self, holder: Holder) -> None:
        """Pass the wake-ups of the other processes on until cancelled."""
        if not self._store.leases.shared:
            return
        deaf = False
        while True:
            try:
                async for news in self._store.news():
                    deaf = False
                    self._pass_on(news, holder)
            except StoreError as error:
                log.log(logging.DEBUG if deaf else logging.WARNING, "%s", error)
                deaf = True
            await asyncio.sleep(RECONNECT)

    def stop_taking(self) -> None:
        """Take no more threads up; new questions wake the other processes instead."""
        self._takes = False

    async def hand_over(self, kept: Sequence[ThreadId]) -> None:
        """Let the others have every thread but those `kept`, at once."""
        await _at_the_end(self._store.leases.release(kept))

    async def leave(self) -> None:
        """Let the others have every thread that is left, and be one of them no longer."""
        await _at_the_end(self._store.leases.leave())

    async def _beat(self, holder: Holder | None = None) -> None:
        began = time.monotonic()
        beat = await self._store.leases.beat(self._works_for)
        was_late = not self.is_valid
        self._beaten_at = began
        fewer_workers = not self._served <= beat.workers_for
        self._served, self.alone = beat.workers_for, beat.alone
        if holder is None:
            return
        if beat.was_dead:  # for the others, which may have taken our threads over
            holder.let_go()
        if was_late or beat.was_dead or beat.others_died or fewer_workers:
            holder.scan_soon()

    def _pass_on(self, news: str, holder: Holder) -> None:
        log.debug("Wake-up", extra={"news": news})
        kind, _, thread = news.partition(" ")
        match kind:
            case "":  # a new line: what was announced before is lost
                holder.scan_soon()
                holder.cancel_soon()
            case _ if kind == FREE:
                holder.scan_soon()
            case _ if kind == CHANGED:
                holder.changed(ThreadId(int(thread)))
            case _ if kind == ABANDONED:
                holder.cancel_soon()


async def _at_the_end(word: Coroutine[None, None, None]) -> None:
    """A database that is away must not hold up the stop: the lease ends by itself, too."""

    async def say() -> None:
        try:
            await word
        except StoreError as error:
            log.warning("Threads are handed over when the lease ends: %s", error)

    async with asyncio.TaskGroup() as tasks:
        saying = tasks.create_task(say())
        if not (await asyncio.wait([saying], timeout=FAREWELL))[0]:
            log.warning("Threads are handed over when the lease ends: no reply of the database")
            await end([saying])

"""Which process works on which thread: at most one, and another one when it dies.

Every process that works on a Postgres is a row of `processes`, which it renews by a heartbeat; a
thread belongs to the process that it names as its holder, for as long as that row is there. Times
are those of the database, so that clocks which differ between machines do not matter.

A SQLite file has one `docent run` at a time, which a lock on a file beside it ensures, and
`docent chat` works on threads of its own only: there, nothing is leased.
"""

import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Double,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    false,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import ProcessId, ThreadId, Turn
from core.errors import NotOurs, StoreInUse
from core.store.database import Database
from core.store.locks import lock_file
from core.store.news import FREE, announce
from core.store.rows import HEAD_FIRST, IS_HEAD, IS_LEADING, select_turns, turn_of
from core.store.schema import processes, threads, turns

LEASE = 10.0  # seconds without a heartbeat after which a process counts as dead
CLAIMED_AT_ONCE = 10  # threads: the rest is left to the other processes, which were woken, too

_NOW = cast(func.extract("epoch", func.clock_timestamp()), Double)


@dataclass(frozen=True, kw_only=True, slots=True)
class Beat:
    """What a heartbeat found."""

    was_dead: bool  #: whether this process counted as dead: others may have its threads now
    others_died: bool  #: whether there are threads to take over
    alone: bool  #: whether no other process lives
    workers_for: frozenset[str]  #: platforms that a living process works for, above all


class Leases:
    """The threads that this process holds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._locks = ExitStack()
        self._beaten_at = time.monotonic()
        self._late_at: float | None = None  # when this process was silent for too long itself
        self.process = ProcessId(uuid.uuid4().hex[:12])  #: this process, among all of them

    @property
    def shared(self) -> bool:
        """Whether other processes may work on the same database."""
        return not self._database.is_sqlite

    def lock_file(self) -> None:
        """See to it that no other `docent run` works on this SQLite file, until `close`.

        Does nothing on Postgres. Raises StoreInUse where one does. The lock ends with the process,
        however that ends.
        """
        if self._database.file is None:
            return
        lock = lock_file(Path(f"{self._database.file}.lock"))
        if not self._locks.enter_context(lock):
            raise StoreInUse

    def close(self) -> None:
        """Let go of the file."""
        self._locks.close()

    # --- this process among the others ------------------------------------------------------------

    async def beat(self, works_for: Collection[str]) -> Beat:
        """Say that this process lives, and works above all for these platforms. Raises StoreError.

        The first beat makes it known. Processes that were silent for `LEASE` are removed; not by
        one that was silent, too: what held it up, like a Postgres that stood still, held all up.
        """
        if not self.shared:
            return Beat(was_dead=False, others_died=False, alone=True, workers_for=frozenset())
        mine = {"works_for": ",".join(sorted(works_for)), "seen_at": _NOW}
        async with self._database.write(apart=True) as connection:
            renewed = await connection.execute(
                update(processes).where(processes.c.id == self.process).values(**mine)
            )
            if renewed.rowcount == 0:
                await connection.execute(insert(processes).values(id=self.process, **mine))
            dead = await connection.execute(self._remove_dead())
            if dead.rowcount:
                await announce(connection, FREE)  # the workers may be others than this process
            living = await connection.execute(select(processes.c.works_for))
            work = living.scalars().all()
        self._beaten_at = time.monotonic()
        return Beat(
            was_dead=renewed.rowcount == 0,
            others_died=dead.rowcount > 0,
            alone=len(work) == 1,
            workers_for=frozenset(filter(None, ",".join(work).split(","))),
        )

    def _remove_dead(self) -> Any:
        now = time.monotonic()
        if now > self._beaten_at + LEASE:
            self._late_at = now
        silent = select(processes.c.id).where(processes.c.seen_at < _NOW - LEASE)
        if self._late_at is not None and now < self._late_at + LEASE:
            silent = silent.where(false())
        # A locked row is about to be renewed; two beats that wait for each other would be stuck.
        silent = silent.with_for_update(skip_locked=True)
        return delete(processes).where(processes.c.id.in_(silent))

    async def leave(self) -> None:
        """Hand every thread of this process over to the others, at once. Raises StoreError."""
        await self.release()
        if self.shared:
            async with self._database.write() as connection:
                await connection.execute(delete(processes).where(processes.c.id == self.process))
                await announce(connection, FREE)

    # --- threads ----------------------------------------------------------------------------------

    async def claim(self, platforms: Collection[str]) -> list[Turn]:
        """The heads of threads that are this process's to work on, oldest first.

        On Postgres those that it holds already, and up to `CLAIMED_AT_ONCE` that nobody holds:
        these it holds from now on.
        """
        wanted = select_turns().where(IS_HEAD, threads.c.platform.in_(platforms))
        if not self.shared:
            async with self._database.read() as connection:
                return [turn_of(row) for row in await connection.execute(wanted)]
        async with self._database.write() as connection:
            await connection.execute(
                update(threads)
                .where(threads.c.id.in_(self._free_threads(platforms)))
                .values(holder=self.process)
            )
            ours = wanted.where(threads.c.holder == self.process)
            return [turn_of(row) for row in await connection.execute(ours)]

    async def leaves_some(self, platforms: Collection[str]) -> bool:
        """Whether there are heads that nobody holds: those that a claim had to pass over.

        A claim does not wait for a thread that somebody writes to at that moment.
        """
        if not self.shared:
            return False
        heads = select(turns.c.id).join(threads).where(IS_LEADING, is_free())
        async with self._database.read() as connection:
            found = await connection.execute(heads.where(turns.c.platform.in_(platforms)).limit(1))
            return found.first() is not None

    def _free_threads(self, platforms: Collection[str]) -> Any:
        heads = (
            select(turns.c.thread_id, func.min(turns.c.id).label("turn"))
            .where(IS_LEADING, turns.c.platform.in_(platforms))
            .group_by(turns.c.thread_id)
            .subquery()
        )
        return (
            select(threads.c.id)
            .join(heads, heads.c.thread_id == threads.c.id)
            .where(is_free())
            .order_by(heads.c.turn)
            .limit(CLAIMED_AT_ONCE)
            .with_for_update(of=threads, skip_locked=True)
        )

    async def claim_one(self, connection: AsyncConnection, thread: int) -> bool:
        """Claim one thread within a transaction; whether this process holds it now."""
        if not self.shared:
            return True
        claimed = await connection.execute(
            update(threads)
            .where(threads.c.id == thread, is_free() | (threads.c.holder == self.process))
            .values(holder=self.process)
        )
        return claimed.rowcount > 0

    async def next_or_release(self, thread: ThreadId) -> Turn | None:
        """The head of a thread of ours; where nothing is open, the thread is ours no longer.

        None where that is so, and was so before. Raises NotOurs where another process has it.
        """
        given = {"of_thread": thread}
        if not self.shared:
            async with self._database.read() as connection:
                return await _one_head(connection, given)
        async with self._database.write() as connection:
            # The lock keeps a question that is being taken out, until it finds the thread free.
            holder = (await connection.execute(_LOCKING, given)).scalar_one()
            if holder not in (None, self.process):
                raise NotOurs
            if holder is None or await self.let_go(connection, thread):
                return None
            return await _one_head(connection, given)

    async def let_go(self, connection: AsyncConnection, thread: ThreadId) -> bool:
        """Let go of a thread of ours where nothing is open in it; whether that is so.

        It was locked by an earlier statement of the transaction: this one sees every question that
        was taken until then.
        """
        return (await connection.execute(_RELEASING, {"of_thread": thread})).rowcount > 0

    async def release(self, kept: Sequence[ThreadId] = ()) -> None:
        """Let go of every thread but those `kept`, and wake the processes that may take them."""
        if not self.shared:
            return
        async with self._database.write() as connection:
            released = await connection.execute(
                update(threads)
                .where(threads.c.holder == self.process, threads.c.id.not_in(kept))
                .values(holder=None)
            )
            if released.rowcount:
                await announce(connection, FREE)

    def holds(self, turn: Turn) -> bool:
        """Whether the thread of the turn was this process's when it was read."""
        return not self.shared or turn.holder == self.process


async def _one_head(connection: AsyncConnection, given: Mapping[str, Any]) -> Turn | None:
    row = (await connection.execute(_HEAD, given)).one_or_none()
    return turn_of(row) if row else None


def is_free() -> Any:
    """The condition, in SQL, that no living process holds the thread."""
    return threads.c.holder.is_(None) | threads.c.holder.not_in(select(processes.c.id))


# Built once: that takes longer than what they do.
_IS_THREAD = threads.c.id == bindparam("of_thread")
_IS_OPEN_THERE = and_(turns.c.thread_id == bindparam("of_thread"), IS_LEADING)
_HEAD = select_turns().where(_IS_OPEN_THERE).order_by(None).order_by(*HEAD_FIRST).limit(1)
_LOCKING = select(threads.c.holder).where(_IS_THREAD).with_for_update()
_RELEASING = (
    update(threads).where(_IS_THREAD, ~exists(turns.c.id).where(_IS_OPEN_THERE)).values(holder=None)
)

"""Where people were asked to take over: once in each thread, until all of it is done.

A call is written down before anybody is told, and stays open until everybody is: a process that
dies in between leaves it to the next one.
"""

import time
from dataclasses import dataclass

from sqlalchemy import and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import MessageId, ThreadId, Turn, TurnId
from core.store.database import Database
from core.store.rows import one_turn
from core.store.schema import calls, threads, turns
from core.store.standings import quieten
from core.store.turns import lock_thread

AT_ONCE = 20  # calls, that one process takes on
CALLED = "human"  #: why Docent is quiet in a thread that people were called to


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A thread in which somebody asked for people, and how far that is."""

    turn: Turn  #: the question that they are to answer
    called_at: float
    tried_before: bool  #: whether a process may have told somebody already
    tagged: MessageId | None  #: the message in the thread; "" where nobody is to be tagged


class Calls:
    """Calls for people."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, turn: Turn, person: str, at: float) -> bool:
        """Call people to the turn's thread, once; whether this is the first call there.

        With it, Docent is quiet there until somebody mentions it. That the turn was handed over is
        on record in any case.
        """
        row = {"thread_id": turn.thread_id, "turn_id": turn.id, "person": person, "called_at": at}
        insert = self._database.insert(calls).values(row)
        insert = insert.on_conflict_do_nothing(index_elements=["thread_id"])
        async with self._database.write() as connection:
            await connection.execute(lock_thread(turn.thread_id))
            is_first = and_(turns.c.id == turn.id, turns.c.handed_over_at.is_(None))
            await connection.execute(update(turns).where(is_first).values(handed_over_at=at))
            made = await connection.execute(insert.returning(calls.c.thread_id))
            if made.first() is None:
                return False
            await quieten(connection, turn.thread_id, CALLED, at)
            return True

    async def claim(self, platforms: list[str], now: float, seconds: float) -> list[Call]:
        """Open calls in threads of these platforms that nobody tried for so many seconds.

        They are this process's to make, for as long. Of two that ask at once, one gets a call.
        """
        is_due = or_(calls.c.tried_at.is_(None), calls.c.tried_at <= now - seconds)
        due = (
            select(calls)
            .join(threads)
            .where(calls.c.ended_at.is_(None), is_due, threads.c.platform.in_(platforms))
            .order_by(calls.c.called_at)
            .limit(AT_ONCE)
        )
        async with self._database.read() as connection:
            if (await connection.execute(due)).first() is None:
                return []  # the usual case, without a write
        async with self._database.write() as connection:
            rows = (await connection.execute(due.with_for_update(of=calls, skip_locked=True))).all()
            which = calls.c.thread_id.in_([row.thread_id for row in rows])
            await connection.execute(update(calls).where(which).values(tried_at=now))
            found = [await _call(connection, row) for row in rows]
            return [call for call in found if call is not None]

    async def tagged(self, thread: ThreadId, message: MessageId) -> None:
        """Hear which message in the thread tags people; "" where none does."""
        await self._set(thread, tagged=message)

    async def set_back(self, thread: ThreadId) -> None:
        """Hear that a try has failed: the next one need not wait until the claim is over."""
        await self._set(thread, tried_at=0.0)

    async def ended(self, thread: ThreadId) -> None:
        """Hear that everybody is told, or nobody can be."""
        await self._set(thread, ended_at=time.time())

    async def callers(self, platform: str) -> list[str]:
        """Who called people in the threads of a platform, the first one first."""
        query = select(calls.c.person).join(threads).where(threads.c.platform == platform)
        async with self._database.read() as connection:
            return list((await connection.execute(query.order_by(calls.c.called_at))).scalars())

    async def _set(self, thread: ThreadId, **values: object) -> None:
        async with self._database.write() as connection:
            change = update(calls).where(calls.c.thread_id == thread).values(**values)
            await connection.execute(change)


async def forget_person(connection: AsyncConnection, platform: str, user: str) -> None:
    """Forget that it was this person who called people; the calls stay."""
    there = select(threads.c.id).where(threads.c.platform == platform)
    which = (calls.c.person == user) & calls.c.thread_id.in_(there)
    await connection.execute(update(calls).where(which).values(person=""))


async def _call(connection: AsyncConnection, row: object) -> Call | None:
    turn = await one_turn(connection, turns.c.id == TurnId(row.turn_id))  # type: ignore[attr-defined]
    if turn is None:
        return None
    return Call(
        turn=turn,
        called_at=row.called_at,  # type: ignore[attr-defined]
        tried_before=row.tried_at is not None,  # type: ignore[attr-defined]
        tagged=None if row.tagged is None else MessageId(row.tagged),  # type: ignore[attr-defined]
    )

"""Where people were asked to take over: once in each thread, until everybody is told."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import MessageId, Turn
from core.store.outboxes import Entries, Entry
from core.store.schema import calls, threads, turns
from core.store.standings import quieten
from core.store.turns import lock_thread

CALLED = "human"  #: why Docent is quiet in a thread that people were called to


@dataclass(frozen=True, kw_only=True, slots=True)
class Call(Entry):
    """A thread in which somebody asked for people; its turn is what they are to answer."""

    tagged: MessageId | None  #: the message in the thread; "" where nobody is to be tagged


class Calls(Entries[Call]):
    """Calls for people."""

    _table = calls
    _wanted_at = calls.c.called_at

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

    async def tagged(self, call: Call, message: MessageId) -> None:
        """Hear which message in the thread tags people; "" where none does."""
        await self._change(call, tagged=message)

    async def callers(self, platform: str) -> list[str]:
        """Who called people in the threads of a platform, the first one first."""
        query = select(calls.c.person).join(threads).where(threads.c.platform == platform)
        async with self._database.read() as connection:
            return list((await connection.execute(query.order_by(calls.c.called_at))).scalars())

    def _entry(self, row: Row[Any], turn: Turn) -> Call:
        return Call(
            turn=turn,
            wanted_at=row.called_at,
            tried_before=row.tried_at is not None,
            tagged=None if row.tagged is None else MessageId(row.tagged),
        )


async def forget_person(connection: AsyncConnection, platform: str, user: str) -> None:
    """Forget that it was this person who called people; the calls stay."""
    there = select(threads.c.id).where(threads.c.platform == platform)
    which = (calls.c.person == user) & calls.c.thread_id.in_(there)
    await connection.execute(update(calls).where(which).values(person=""))

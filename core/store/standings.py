"""How Docent stands in a thread: whether it was called there, and whether it is to keep quiet.

It is quiet where something silenced it after the last call. Both are times of messages, and only
grow: events that come late, or twice, change nothing.
"""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import and_, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import ThreadId, ThreadRef
from core.store.database import Database
from core.store.schema import threads, turns

#: How a message comes to be taken: it calls us, it follows what we said, it tells us to stop, or it
#: is asked again by a button, which calls nobody: where we are to keep quiet, that goes on.
Kind = Literal["call", "follow_up", "stop", "again"]

BOTS_IN_A_ROW = 3  # questions of bots in a thread without one of a person between

IS_QUIET = and_(
    threads.c.quiet_since.is_not(None),
    or_(threads.c.called_at.is_(None), threads.c.quiet_since >= threads.c.called_at),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How Docent stands in a thread where somebody says something."""

    thread: ThreadId
    quiet: bool
    last_at: float  #: when the last turn was asked, or answered
    has_asked: bool  #: whether whoever speaks has asked something in the thread before
    quiet_since: float | None  #: when it was to keep quiet last, though it was called since
    called_at: float | None

    def was_quiet(self, at: float) -> bool:
        """Whether it was to keep quiet then, though it was called since: said to nobody of us."""
        if self.quiet_since is None or self.called_at is None:
            return False
        return self.quiet_since <= at < self.called_at


class Standings:
    """Where Docent takes part."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, thread: ThreadRef, speaker: str, at: float | None = None) -> Standing | None:
        """How it stands for somebody who speaks in a thread; None where nobody asked there.

        What they asked only after `at` makes nobody of them who had asked then. One read, of an
        index where the thread is not known.
        """
        of_thread = turns.c.thread_id == threads.c.id
        last = (
            select(func.coalesce(turns.c.finished_at, turns.c.asked_at))
            .where(of_thread)
            .order_by(turns.c.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        asked = exists().where(of_thread, turns.c.author == speaker)
        if at is not None:
            asked = asked.where(turns.c.asked_at < at)
        query = select(
            threads.c.id,
            IS_QUIET.label("quiet"),
            threads.c.quiet_since,
            threads.c.called_at,
            last.label("last_at"),
            asked.label("asked"),
        ).where(is_place(thread))
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None or row.last_at is None:
            return None
        return Standing(
            thread=ThreadId(row.id),
            quiet=bool(row.quiet),
            last_at=row.last_at,
            has_asked=bool(row.asked),
            quiet_since=row.quiet_since,
            called_at=row.called_at,
        )

    async def quieten(self, thread: ThreadId, why: str, at: float) -> None:
        """Keep quiet in a thread from `at` on, until the next call. Raises StoreError."""
        async with self._database.write() as connection:
            await quieten(connection, thread, why, at)


# --- steps of a transaction -----------------------------------------------------------------------


def is_place(thread: ThreadRef) -> Any:
    """Whether a row is that of the thread."""
    return and_(
        threads.c.platform == thread.platform,
        threads.c.tenant == thread.tenant,
        threads.c.key == thread.key,
    )


async def quieten(connection: AsyncConnection, thread: ThreadId, why: str, at: float) -> None:
    """Keep quiet in a thread from `at` on, until the next call."""
    is_earlier = or_(threads.c.quiet_since.is_(None), threads.c.quiet_since < at)
    await connection.execute(
        update(threads)
        .where(threads.c.id == thread, is_earlier)
        .values(quiet_since=at, quiet_why=why)
    )

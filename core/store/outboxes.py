"""Tables of what is to be made about turns, beside their replies: each entry until it is done.

An entry is written down before anything is posted, and stays open until all of it is: a process
that dies in between leaves it to the next one.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import Column, Row, Select, Table, or_, select, update

from core.domain import Turn
from core.store.database import Database
from core.store.rows import select_turns, turn_of
from core.store.schema import turns

AT_ONCE = 20  # entries, that one process takes on


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What is to be made about a turn."""

    turn: Turn
    wanted_at: float
    tried_before: bool  #: whether a process may have posted some of it already


E = TypeVar("E", bound=Entry)


class Entries(ABC, Generic[E]):
    """Entries of one kind, at most one for a turn."""

    _table: ClassVar[Table]  #: has `turn_id`, `tried_at` and `ended_at`
    _wanted_at: ClassVar[Column[float]]

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, platforms: Collection[str], now: float, seconds: float) -> list[E]:
        """Open entries for turns on these platforms that nobody tried for so many seconds.

        They are this process's to make, for as long. Of two that ask at once, one gets an entry.
        """
        due = self._due(platforms, now - seconds)
        async with self._database.read() as connection:
            if (await connection.execute(due)).first() is None:
                return []  # the usual case, without a write
        async with self._database.write() as connection:
            locked = due.with_for_update(of=self._table, skip_locked=True)
            rows = (await connection.execute(locked)).all()
            of_them = [row.turn_id for row in rows]
            which = self._table.c.turn_id.in_(of_them)
            await connection.execute(update(self._table).where(which).values(tried_at=now))
            found = await connection.execute(select_turns().where(turns.c.id.in_(of_them)))
            by_id = {row.id: turn_of(row) for row in found}
            return [self._entry(row, by_id[row.turn_id]) for row in rows]

    async def set_back(self, entry: E) -> None:
        """Hear that a try has failed: the next one need not wait until the claim is over."""
        await self._change(entry, tried_at=0.0)

    async def ended(self, entry: E) -> None:
        """Hear that all of it is done, or cannot be."""
        await self._change(entry, ended_at=time.time())

    @abstractmethod
    def _entry(self, row: Row[Any], turn: Turn) -> E:
        """Read a row of the table."""

    def _due(self, platforms: Collection[str], tried_by: float) -> Select[Any]:
        # Not joined: SQLite would begin with all turns of the platforms.
        platform = select(turns.c.platform).where(turns.c.id == self._table.c.turn_id)
        tried_at = self._table.c.tried_at
        return (
            select(self._table)
            .where(self._table.c.ended_at.is_(None))
            .where(or_(tried_at.is_(None), tried_at <= tried_by))
            .where(platform.scalar_subquery().in_(platforms))
            .order_by(self._wanted_at)
            .limit(AT_ONCE)
        )

    async def _change(self, entry: E, **values: object) -> None:
        which = self._table.c.turn_id == entry.turn.id
        async with self._database.write() as connection:
            await connection.execute(update(self._table).where(which).values(**values))

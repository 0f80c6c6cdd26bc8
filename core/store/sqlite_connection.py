"""Connections to SQLite that survive being cancelled, at any moment and however often.

An operation that is under way in the thread of a connection cannot be called back. Whoever is
cancelled meanwhile waits for its end: else the connection would be dropped in the middle of a
transaction, which locks the database for everybody, or while it closes, which never ends then.

Going to the thread and back costs more than most statements. So a statement goes there once, with
the beginning of its transaction where it is the first, and comes back with all of its rows.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, Self, TypeVar

import aiosqlite

T = TypeVar("T")


class Closing:
    """The connections of one database that are being closed."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Future[Any]] = set()

    def connect(self, file: str, **how: Any) -> "SQLiteConnection":
        """Prepare a connection, for the driver to open; `how` as `sqlite3.connect` takes it."""
        return SQLiteConnection(partial(sqlite3.connect, file, **how), self._begun)

    async def done(self) -> None:
        """Wait until they are closed."""
        if self._under_way:
            await asyncio.wait(list(self._under_way))

    def _begun(self, closing: asyncio.Future[Any]) -> None:
        self._under_way.add(closing)
        closing.add_done_callback(self._under_way.discard)


class SQLiteConnection(aiosqlite.Connection):
    """A connection as SQLAlchemy uses it, through `_Cursor`."""

    def __init__(
        self,
        connector: Callable[[], sqlite3.Connection],
        on_closing: Callable[[asyncio.Future[Any]], None],
    ) -> None:
        super().__init__(connector, 64)
        self._thread.daemon = True  # as the driver would make it
        self._on_closing = on_closing
        self._closing: asyncio.Future[Any] | None = None
        self._to_begin: str | None = None
        self._reads = False

    def begin(self, *, reads: bool) -> None:
        """Begin a transaction, together with what is executed first in it.

        One that does not only read takes the lock at once: a read lock that is upgraded later fails
        without waiting.
        """
        self._to_begin = "BEGIN" if reads else "BEGIN IMMEDIATE"
        self._reads = reads

    def cursor(self) -> Any:
        """A cursor that has its rows as soon as its statement is executed."""
        return _Cursor(self)

    async def perform(self, sql: str, parameters: Any, *, many: bool) -> "_Done":
        """Execute a statement, in a transaction where one is to be begun."""
        begin, self._to_begin = self._to_begin, None
        return await self._execute(_perform, self._conn, begin, sql, parameters, many)

    async def commit(self) -> None:
        """End the transaction, if anything was executed in it."""
        self._to_begin = None
        if self._conn.in_transaction:
            await super().commit()

    async def rollback(self) -> None:
        """Undo what was done since the beginning, if anything was."""
        self._to_begin = None
        if not self._conn.in_transaction:
            return
        if self._reads:  # there is nothing to undo, and nobody has to wait until that is done
            self._tx.put_nowait((None, self._conn.rollback))
        else:
            await super().rollback()

    async def _execute(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        # As its base has it, but for the waiting: this is passed for every step of a statement.
        if not self._running or not self._connection:
            raise ValueError("Connection closed")
        doing: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((doing, partial(fn, *args, **kwargs)))
        return await _finished(doing)

    def stop(self) -> asyncio.Future[Any] | None:
        """Close, once: to a second time, for which somebody waits, the thread would never come."""
        if self._closing is None:
            self._closing = super().stop()
            if self._closing is not None:
                self._on_closing(self._closing)
        return self._closing

    async def close(self) -> None:
        """Close, and wait for it. A second call waits for the first."""
        closing = self.stop()
        if closing is not None:
            await _finished(closing)


class _Done(NamedTuple):
    """What came of a statement."""

    description: Any
    rowcount: int
    lastrowid: int | None
    rows: Sequence[Any]


def _perform(
    connection: sqlite3.Connection, begin: str | None, sql: str, parameters: Any, many: bool
) -> _Done:
    """Done in the thread of the connection."""
    cursor = connection.cursor()
    try:
        if begin is not None:
            cursor.execute(begin)
        (cursor.executemany if many else cursor.execute)(sql, parameters)
        rows = cursor.fetchall() if cursor.description else ()
        return _Done(cursor.description, cursor.rowcount, cursor.lastrowid, rows)
    finally:
        cursor.close()


class _Cursor:
    """What SQLAlchemy needs of a cursor of the driver."""

    arraysize = 1

    def __init__(self, connection: SQLiteConnection) -> None:
        self._connection = connection
        self._done = _Done(None, -1, None, ())

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> Self:
        """Execute one statement."""
        self._done = await self._connection.perform(sql, parameters, many=False)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> Self:
        """Execute one statement with each of these parameters."""
        self._done = await self._connection.perform(sql, parameters, many=True)
        return self

    async def fetchall(self) -> Sequence[Any]:
        """All rows; there are none any more then."""
        rows, self._done = self._done.rows, self._done._replace(rows=())
        return rows

    async def close(self) -> None:
        """Nothing is open."""

    @property
    def description(self) -> Any:
        """Of the columns, where there are such."""
        return self._done.description

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        return self._done.rowcount

    @property
    def lastrowid(self) -> int | None:
        """Of the row that was put in last."""
        return self._done.lastrowid


async def surely(work: Coroutine[Any, Any, T]) -> T:
    """Do the work to its end, whoever cancels it meanwhile, and however often."""
    return await _finished(asyncio.ensure_future(work))  # noqa: TID251 (it is waited for, surely)


async def _finished(doing: asyncio.Future[T]) -> T:
    """Wait for the end; whoever is cancelled meanwhile hears of it then."""
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        while not doing.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([doing])
        if not doing.cancelled():
            doing.exception()  # else it is logged as one that nobody has seen
        raise

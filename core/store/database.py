"""Connections and transactions on SQLite and Postgres, and the translation of their errors."""

import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

from sqlalchemy import URL, Connection, Table, event, exc, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from core.errors import StoreError
from core.store.database_errors import in_words
from core.store.sqlite_connection import Closing, SQLiteConnection, surely
from core.store.turnstile import Turnstile

BUSY_TIMEOUT = 10.0  # seconds that SQLite waits for another process's write to end
CONNECTIONS = 8  # of a process: hosts allow 20 or so, for all processes together
APART = 3  # connections of a process for its heartbeat, for wake-ups, and for a lock
TRY_AFTER = 1.0  # seconds without use after which a connection of Postgres is tried before its next
CONNECT_TIMEOUT = 10  # seconds for one address of a Postgres to let us in; libpq takes whole ones

# Of libpq: without them a network that went away is noticed after a quarter of an hour.
LOST_NETWORK = {
    "keepalives_idle": 10,  # seconds
    "keepalives_interval": 5,  # seconds
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds
}


class Database:
    """Hands out transactions: `read` for looking, `write` for changing."""

    def __init__(
        self,
        engine: AsyncEngine,
        apart: AsyncEngine | None = None,
        *,
        closing: Closing | None = None,
    ) -> None:
        """Use `engine`; `apart` has connections of its own for what must not wait in line.

        `closing` are connections of SQLite: a transaction has ended when its own is closed.
        """
        self._engine = engine
        self._apart = apart or engine
        self._closing = closing
        self.is_sqlite = engine.dialect.name == "sqlite"
        self.file = engine.url.database if self.is_sqlite else None  #: where SQLite keeps it
        # SQLite has one writer at a time. Waiting here is first come first served; waiting in
        # SQLite's busy handler is a race of sleeps in which a transaction can starve.
        self._one_writer = Turnstile() if self.is_sqlite else None

    @asynccontextmanager
    async def read(self, *, apart: bool = False) -> AsyncIterator[AsyncConnection]:
        """Look at one consistent state. Raises StoreError."""
        engine = self._apart if apart else self._engine
        with _translate_errors(self.file):
            connection = await engine.connect()
            try:
                yield connection
            finally:
                await self._give_back(connection)

    @asynccontextmanager
    async def write(
        self, *, apart: bool = False, first: bool = False
    ) -> AsyncIterator[AsyncConnection]:
        """Change things in one transaction: all of it or, on any error, nothing.

        `apart` does not wait until one of many others gives its connection back; `first` goes
        before other writers of this process that wait, on SQLite. Raises StoreError.
        """
        engine = self._apart if apart else self._engine
        async with AsyncExitStack() as stack:
            if self._one_writer is not None:
                await stack.enter_async_context(self._one_writer.through(first=first))
            with _translate_errors(self.file):
                connection = await engine.connect()
                try:
                    await connection.execution_options(docent_writes=True)
                    async with connection.begin():
                        yield connection
                finally:
                    await self._give_back(connection)

    async def _give_back(self, connection: AsyncConnection) -> None:
        if self._closing is None:
            # On Postgres, where a server that hangs must not hold up a stop, the driver sees to it.
            await connection.close()
        else:
            await surely(_close(connection, self._closing))

    def insert(self, table: Table) -> "sqlite.Insert | postgresql.Insert":
        """An INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()
        await self._apart.dispose()
        if self._closing is not None:
            await self._closing.done()  # also one that could not be opened, whose thread ends now


def open_database(url: str, *, must_exist: bool = False) -> Database:
    """Prepare for the database at `url`, without connecting yet; the folder of a file is made.

    `must_exist`: a SQLite file that is not there is none to begin with, and nothing is made.

    Takes `sqlite:///path`, and Postgres in each form that hosts give (`postgres://`,
    `postgresql://`). A Postgres has CONNECT_TIMEOUT seconds to let us in, unless the URL says
    otherwise by `connect_timeout`. Raises StoreError for any other URL, where the folder cannot be
    made, and where the file has to be there and is not.
    """
    try:
        return _make_database(_with_driver(make_url(url)), must_exist=must_exist)
    except (exc.ArgumentError, ValueError):
        # Neither the error nor its traceback may be shown: they quote what could not be read,
        # which can be a part of the password.
        raise StoreError(
            "DATABASE_URL cannot be read. Write sqlite:///data/docent.db, or "
            "postgresql://user:password@host/name with special characters in user and password "
            "percent-encoded."
        ) from None
    except OSError as error:
        raise StoreError(
            f"The folder of the database cannot be made: {Path(error.filename).absolute()}: "
            f"{error.strerror}. Correct DATABASE_URL, or the rights on the folder."
        ) from error


def _make_database(url: URL, *, must_exist: bool) -> Database:
    # Parameters are questions and answers: they must not reach an error text, hence a log.
    if url.get_backend_name() == "sqlite":
        if url.database and url.database != ":memory:":
            _prepare_place(Path(url.database), must_exist=must_exist)
        closing = Closing()
        how = {"async_creator_fn": closing.connect}
        engine = create_async_engine(url, hide_parameters=True, connect_args=how)
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return Database(engine, closing=closing)
    timeout = url.query.get("connect_timeout", CONNECT_TIMEOUT)
    make = partial(
        create_async_engine,
        url,
        hide_parameters=True,
        pool_use_lifo=True,  # the others may idle, and one of them knows our statements best
        connect_args={"connect_timeout": timeout, **LOST_NETWORK},
    )
    engines = make(pool_size=CONNECTIONS, max_overflow=0), make(pool_size=APART, max_overflow=0)
    for engine in engines:
        _try_idle(engine)
    return Database(engines[0], apart=engines[1])


def _prepare_place(file: Path, *, must_exist: bool) -> None:
    if not must_exist:
        file.parent.mkdir(parents=True, exist_ok=True)
    elif not file.exists():
        raise StoreError(
            f"There is no database at {file.absolute()}: .env is read from the folder in which "
            "docent is called, and a relative path in DATABASE_URL counts from there. Call it in "
            "the folder of `docent run`, or run `docent refresh` first."
        )


def _try_idle(engine: AsyncEngine) -> None:
    """Have a connection that was idle replaced, with all others, where it turns out to be dead.

    To try each of them before each use would cost as much as what most transactions do.
    """
    dialect = engine.sync_engine.dialect

    def on_checkin(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info["used_at"] = time.monotonic()

    def on_checkout(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        if time.monotonic() < record.info.get("used_at", math.inf) + TRY_AFTER:
            return  # also one that was just made
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise exc.InvalidatePoolError from error

    event.listen(engine.sync_engine, "checkin", on_checkin)
    event.listen(engine.sync_engine, "checkout", on_checkout)


def _with_driver(url: URL) -> URL:
    match url.get_backend_name():
        case "sqlite":
            return url.set(drivername="sqlite+aiosqlite")
        case "postgres" | "postgresql":
            return url.set(drivername="postgresql+psycopg")
        case other:
            raise StoreError(f"DATABASE_URL names {other!r}: Docent runs on sqlite or postgresql.")


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # Without this the driver commits before DDL, and a migration that fails leaves half of itself.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT * 1000)}")
    cursor.execute("PRAGMA journal_mode = WAL")
    # In WAL mode NORMAL survives the death of the process at any moment; only the death of the
    # whole machine can undo the last commits. FULL would cost an fsync per question.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    driver = cast(SQLiteConnection, connection.connection.driver_connection)
    driver.begin(reads=not connection.get_execution_options().get("docent_writes", False))


async def _close(connection: AsyncConnection, closing: Closing) -> None:
    try:
        await connection.close()
    finally:
        await closing.done()


@contextmanager
def _translate_errors(file: str | None) -> Iterator[None]:
    try:
        yield
    except (exc.IntegrityError, exc.DataError) as error:
        # Postgres quotes the row, which somebody wrote, in the lines after the first; the cause in
        # a traceback would show it too.
        raise StoreError(in_words(error.orig, file)) from None
    except exc.DBAPIError as error:
        raise StoreError(in_words(error.orig, file)) from error
    except (exc.SQLAlchemyError, OSError) as error:
        raise StoreError(in_words(error, file)) from error

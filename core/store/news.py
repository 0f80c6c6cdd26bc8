"""Wake-ups between the processes that share a Postgres: nobody has to ask it again and again.

What is announced within a transaction is delivered when it is committed. A wake-up may be lost
with a connection, so whoever listens looks at the tables after each (new) connection, too.
"""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, cast

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from core.errors import StoreError
from core.store.database import Database

if TYPE_CHECKING:
    import psycopg

_CHANNEL = "docent"
FREE = "free"  #: there is a thread with an open turn that nobody holds
CHANGED = "changed"  #: + space + thread: a question that waits there was edited or deleted
ABANDONED = "abandoned"  #: there is a run to cancel


async def announce(connection: AsyncConnection, news: str) -> None:
    """Wake whoever listens, when the transaction is committed. SQLite has no such thing."""
    if connection.dialect.name == "postgresql":
        await connection.execute(
            text("SELECT pg_notify(:channel, :news)"), {"channel": _CHANNEL, "news": news}
        )


async def listen(database: Database) -> AsyncIterator[str]:
    """What is announced from now on, by this process too; first an empty text: the line is open.

    Ends by raising StoreError, at the latest when the connection does.
    """
    import psycopg  # noqa: PLC0415 (10 MB, which who uses SQLite needs not have)

    async with database.read(apart=True) as connection:
        raw = await connection.get_raw_connection()
        line = cast("psycopg.AsyncConnection", raw.driver_connection)
        try:
            await connection.rollback()
            await line.set_autocommit(True)
            await line.execute(f"LISTEN {_CHANNEL}")
            yield ""
            async for news in line.notifies():
                yield news.payload
        except psycopg.Error as error:
            raise StoreError(f"No wake-ups: {type(error).__name__}") from error
        finally:
            await connection.invalidate()  # it must not go back among the others: it listens
    raise StoreError("No wake-ups: the connection ended")

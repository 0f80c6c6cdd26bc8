"""The store: everything Docent knows after a restart. The only package that speaks SQL.

`Store.open` gives access to `turns` (questions and replies), `documents` (pages and their copies in
the indexes), `passages` (full-text search) and `values` (single remembered strings).
"""

from types import TracebackType
from typing import Self

from core.store.database import Database, open_database
from core.store.documents import Documents
from core.store.migrations import check_version, migrate
from core.store.passages import Passages
from core.store.turns import Turns
from core.store.values import Values

__all__ = ["Store", "migrate_database"]


class Store:
    """One database, SQLite or Postgres. An async context manager that closes its connections."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.turns = Turns(database)
        self.documents = Documents(database)
        self.passages = Passages(database)
        self.values = Values(database)

    @classmethod
    async def open(cls, url: str) -> Self:
        """Open the database at `url`; a SQLite file is made and migrated where need be.

        Raises StoreTooNew where a newer Docent wrote it, StoreBehind where a Postgres needs
        `docent migrate`, StoreError where it cannot be reached.
        """
        database = open_database(url)
        try:
            if database.is_sqlite:
                await migrate(database)
            else:
                await check_version(database)
        except BaseException:
            await database.close()
            raise
        return cls(database)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._database.close()


async def migrate_database(url: str) -> tuple[int, int]:
    """Bring the database at `url` to the newest version; the versions before and after."""
    database = open_database(url)
    try:
        return await migrate(database)
    finally:
        await database.close()

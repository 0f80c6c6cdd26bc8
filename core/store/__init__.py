"""The store: everything Docent knows after a restart. The only package that speaks SQL.

`Store.open` gives access to `turns` (what people ask), `intake` (where it is written down, together
with what comes at the same time), `standings` (where to keep quiet),
`progress` (what becomes of it), `leases` (which process works on what), `documents` (pages and
their copies in the indexes), `passages` (full-text search), `values` (single remembered strings),
`people` (what there is of them, and forgetting it), `erasures` (what engines are still to delete),
`feedback` (what people think of replies), `calls` (where people were asked to take over), `shares`
(private answers that others are to see), `tokens` (what private replies are posted by),
`tool_calls` (what models want to be done), `attachments` (files of questions) and `gaps` (what
went unanswered, looked at).
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from core.store.attachments import Attachments
from core.store.calls import Calls
from core.store.database import Database, open_database
from core.store.documents import Documents
from core.store.erasures import Erasures
from core.store.feedback import Feedback
from core.store.gaps import Gaps
from core.store.intake import Intake
from core.store.leases import Leases
from core.store.locks import exclusive
from core.store.migrations import check_version, migrate
from core.store.news import listen
from core.store.passages import Passages
from core.store.people import People
from core.store.progress import Progress
from core.store.shares import Shares
from core.store.standings import Standings
from core.store.tokens import ReplyTokens
from core.store.tool_calls import ToolCalls
from core.store.turns import Turns
from core.store.values import Values

__all__ = ["Store", "migrate_database"]


class Store:
    """One database, SQLite or Postgres. An async context manager that closes its connections."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.leases = Leases(database)
        self.turns = Turns(database, self.leases)
        self.intake = Intake(database, self.leases, self.turns)
        self.standings = Standings(database)
        self.progress = Progress(database, self.leases)
        self.documents = Documents(database)
        self.passages = Passages(database)
        self.values = Values(database)
        self.people = People(database)
        self.erasures = Erasures(database)
        self.gaps = Gaps(database)
        self.feedback = Feedback(database)
        self.calls = Calls(database)
        self.shares = Shares(database)
        self.tokens = ReplyTokens(database)
        self.tool_calls = ToolCalls(database, self.leases)
        self.attachments = Attachments(database, self.leases)

    @classmethod
    async def open(cls, url: str, *, must_exist: bool = False) -> Self:
        """Open the database at `url`; a SQLite file is migrated where need be.

        It is also made, unless it `must_exist`. Raises StoreTooNew where a newer Docent wrote it,
        StoreBehind where a Postgres needs `docent migrate`, StoreError where it is not there or
        cannot be reached.
        """
        database = open_database(url, must_exist=must_exist)
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
        self.leases.close()
        await self._database.close()

    def exclusive(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Hold a lock among all processes; see `core.store.locks`."""
        return exclusive(self._database, name)

    def news(self) -> AsyncIterator[str]:
        """What the processes that share the database let each other know; see `core.store.news`."""
        return listen(self._database)


async def migrate_database(url: str) -> tuple[int, int]:
    """Bring the database at `url` to the newest version; the versions before and after."""
    database = open_database(url)
    try:
        return await migrate(database)
    finally:
        await database.close()

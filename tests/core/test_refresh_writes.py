"""How long a refresh keeps others from writing: not for time, but for the size of transactions.

On SQLite one writes at a time, first come, first served: who takes a mention waits for the
transaction that is under way, and for no other.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.domain import Mention, MessageId, ThreadRef
from core.local_engine.index import LocalIndex
from core.refresh import ANY_REMOVALS, Refresher
from core.refresh.refresher import unseen
from core.store import Store
from core.store.database import Database
from core.store.documents import AT_ONCE, CHARACTERS_AT_ONCE
from core.store.passages import WRITTEN_AT_ONCE
from core.store.schema import pages, passages
from servers.scripted_docs import ScriptedSource

SECTION = "## About {n}\n\n" + "Some words about it, as there are. " * 8
TAKING = "taking"


def mention(number: int) -> Mention:
    return Mention(
        thread=ThreadRef(platform="slack", tenant="T", key=f"C:{number}"),
        channel="C",
        message=MessageId(str(number)),
        author="U",
        text="How?",
        at=float(number),
    )


@dataclass(frozen=True, kw_only=True)
class Written:
    """What one transaction has changed."""

    by: str  #: the name of the task
    passages: int
    pages: int


@dataclass
class Watch:
    """The transactions of a database, in their order."""

    written: list[Written] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def let_in(self, patch: pytest.MonkeyPatch) -> None:
        real, watch = Database.write, self

        @asynccontextmanager
        async def write(
            database: Database, *, apart: bool = False, first: bool = False
        ) -> AsyncIterator[AsyncConnection]:
            task = asyncio.current_task()
            assert task is not None
            async with real(database, apart=apart, first=first) as connection:
                before = await _sizes(connection)
                yield connection
                after = await _sizes(connection)
                changes = [abs(now - then) for now, then in zip(after, before, strict=True)]
                watch.written.append(
                    Written(by=task.get_name(), passages=changes[0], pages=changes[1])
                )
                async with watch.changed:
                    watch.changed.notify_all()

        patch.setattr(Database, "write", write)

    async def more(self) -> None:
        """Wait until another transaction is written."""
        async with self.changed:
            await self.changed.wait()

    def of_refresh(self) -> list[Written]:
        return [one for one in self.written if one.by != TAKING]


async def _sizes(connection: AsyncConnection) -> list[int]:
    counts = [select(func.count()).select_from(table) for table in (passages, pages)]
    return [(await connection.execute(count)).scalar_one() for count in counts]


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    watch.let_in(monkeypatch)
    return watch


@pytest.fixture
def source() -> ScriptedSource:
    """Some hundred pages, of which two are so large that no transaction takes all of one."""
    text = {f"https://d/{n}": SECTION.format(n=n) * (1 + n % 9) for n in range(300)}
    for name in ("large", "larger"):
        text[f"https://d/{name}"] = "\n\n".join(SECTION.format(n=n) for n in range(450))
    return ScriptedSource(text)


def is_bounded(watch: Watch) -> None:
    assert max(one.passages for one in watch.of_refresh()) <= WRITTEN_AT_ONCE
    assert max(one.pages for one in watch.of_refresh()) <= AT_ONCE


async def test_a_mention_waits_for_one_bounded_transaction_of_a_refresh_at_most(
    sqlite_store: Store, source: ScriptedSource, watch: Watch
) -> None:
    refresher = Refresher(
        store=sqlite_store, sources=[source], indexes=[LocalIndex(sqlite_store.passages)]
    )
    waited: list[int] = []

    async def take_all(refreshing: asyncio.Task[object]) -> None:
        number = 0
        while not refreshing.done():
            number += 1
            before = len(watch.of_refresh())
            assert await sqlite_store.turns.take(mention(number))
            waited.append(len(watch.of_refresh()) - before)
            more = asyncio.ensure_future(watch.more())  # noqa: TID251 (cancelled below)
            await asyncio.wait([refreshing, more], return_when=asyncio.FIRST_COMPLETED)
            more.cancel()

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        refreshing = tasks.create_task(refresher.refresh(unseen), name="refresh")
        tasks.create_task(take_all(refreshing), name=TAKING)
    assert len(waited) > 20
    assert max(waited) <= 1
    assert sum(one.passages for one in watch.of_refresh()) > 1_000
    is_bounded(watch)


async def test_changing_and_removing_pages_is_bounded_too(
    sqlite_store: Store, source: ScriptedSource, watch: Watch
) -> None:
    index = LocalIndex(sqlite_store.passages)
    refresher = Refresher(store=sqlite_store, sources=[source], indexes=[index])
    await refresher.refresh(unseen)
    watch.written.clear()
    source.pages["https://d/large"] += " And more."
    assert (await refresher.refresh(unseen)).failed == ()
    source.pages = {"https://d/1": "All else is gone."}
    report = await refresher.refresh(unseen, confirm=ANY_REMOVALS)
    assert (len(report.removed), report.failed) == (301, ())
    is_bounded(watch)
    assert len(await sqlite_store.passages.refs()) == 1
    assert await sqlite_store.passages.hidden() == set()


async def test_large_pages_are_not_stored_with_others_in_one_transaction(
    sqlite_store: Store, watch: Watch
) -> None:
    source = ScriptedSource({f"https://d/{n}": "x" * CHARACTERS_AT_ONCE for n in range(3)})
    await Refresher(store=sqlite_store, sources=[source], indexes=[]).refresh(unseen)
    assert [one.pages for one in watch.written if one.pages] == [1, 1, 1]


async def test_a_refresh_of_unchanged_pages_writes_as_often_for_hundreds_as_for_one(
    sqlite_store: Store, source: ScriptedSource, watch: Watch
) -> None:
    indexes = [LocalIndex(sqlite_store.passages)]
    refresher = Refresher(store=sqlite_store, sources=[source], indexes=indexes)
    await refresher.refresh(unseen)
    watch.written.clear()
    assert (await refresher.refresh(unseen)).unchanged == 302
    # Whose refresh it is and that it is over, how far it is once a second, and when it ended.
    assert len(watch.written) <= 10

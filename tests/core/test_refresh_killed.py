"""A refresh that is killed, at any moment, is finished by the next: index = pages, no orphans."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.documents import RefreshReport
from core.local_engine.index import LocalIndex
from core.ports import DocumentIndex
from core.refresh import ANY_REMOVALS, Refresher
from core.refresh.refresher import unseen
from core.store import Store, migrate_database
from servers.scripted_docs import ScriptedIndex, ScriptedSource

Pages = Mapping[str, str]


class Killed(BaseException):
    """The process is no more."""


class Life:
    """A process that ends at the n-th point at which it could, and does nothing from then on."""

    def __init__(self, points: int | None = None) -> None:
        self.points = points
        self.passed: list[str] = []

    async def hook(self, point: str) -> None:
        if self.points is not None and len(self.passed) >= self.points:
            raise Killed
        self.passed.append(point)

    async def going_on(self, point: str) -> None:
        """As `hook`, and the loop turns: other tasks get to their own points meanwhile."""
        await self.hook(point)
        await asyncio.sleep(0)


class Mortal:
    """Any object whose coroutines can be killed before they have taken effect, and after."""

    def __init__(self, thing: object, life: Life) -> None:
        self._thing = thing
        self._life = life

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._thing, name)
        if not asyncio.iscoroutinefunction(found):
            return found

        async def call(*given: Any, **named: Any) -> Any:
            await self._life.hook(f"before {name}")
            result = await found(*given, **named)
            await self._life.hook(f"after {name}")
            return result

        return call


class MortalStore:
    """A store of a process that can be killed; what is locked goes with the process."""

    def __init__(self, store: Store, life: Life) -> None:
        self.documents = Mortal(store.documents, life)
        self.values = Mortal(store.values, life)
        self._store = store

    def exclusive(self, name: str) -> AbstractAsyncContextManager[bool]:
        return self._store.exclusive(name)


class World:
    """A source, an index and our database, in which one process after the other refreshes."""

    def __init__(self, store: Store, lanes: int = 1) -> None:
        self.store = store
        self.source = ScriptedSource({})
        self.index = ScriptedIndex(lanes=lanes)
        self.index.copies["theirs"] = ScriptedSource({"x": "of others"}).page("x")
        self.index.theirs.add("theirs")
        self.missing_once: set[str] = set()

    async def refresh(
        self, pages: Pages, life: Life, indexes: Sequence[DocumentIndex] | None = None
    ) -> RefreshReport | None:
        """Refresh in a process that may be killed; None where it was."""
        before = self._in_index()
        stays = {url for url in before if url in pages}
        self.source.pages = dict(pages)
        self.source.hook = self.index.hook = self._watching(life, stays)
        store: Any = MortalStore(self.store, life)
        refresher = Refresher(store=store, sources=[self.source], indexes=indexes or [self.index])
        try:
            return await refresher.refresh(unseen, confirm=ANY_REMOVALS)
        except BaseException as end:
            if not _is_death(end):
                raise
            return None

    def _watching(self, life: Life, stays: set[str]) -> Callable[[str], Any]:
        async def hook(point: str) -> None:
            assert stays <= self._in_index(), f"{stays - self._in_index()} is missing at {point}"
            await life.going_on(point)

        return hook

    def _in_index(self) -> set[str]:
        return {page.url for ref, page in self.index.copies.items() if ref != "theirs"}

    async def is_in_line(self, pages: Pages) -> None:
        """The index holds exactly the pages, and the record says so."""
        assert self.index.content == dict(pages)
        recorded = {copy.ref: copy.url for copy in await self.store.documents.copies("index")}
        assert recorded == {
            ref: page.url for ref, page in self.index.copies.items() if ref != "theirs"
        }
        assert "theirs" in self.index.copies


def _is_death(end: BaseException) -> bool:
    if isinstance(end, BaseExceptionGroup):
        return end.subgroup(Killed) is not None
    return isinstance(end, Killed)


_EMPTY = "TRUNCATE pages, documents, passages, passage_words, vocabulary, kept_values"


class Worlds:
    """Makes worlds whose databases are empty, on one kind of database."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.kind = str(request.param)
        if self.kind == "postgres":
            self._url = str(request.getfixturevalue("postgres_url"))

    @asynccontextmanager
    async def new(self, lanes: int = 1) -> AsyncIterator[World]:
        with TemporaryDirectory() as folder:
            url = f"sqlite:///{Path(folder) / 'docent.db'}"
            if self.kind == "postgres":
                url = self._url
                await migrate_database(url)
                with psycopg.connect(url) as connection:
                    connection.execute(_EMPTY)
            async with await Store.open(url) as store:
                yield World(store, lanes)

    def every(self, lanes: int = 1) -> int:
        """At every how many-th moment to be killed: the refresh is the same on both databases.

        With several lanes the moments are those of one, in an order in which some come together.
        """
        if self.kind == "postgres":
            return 7
        return 1 if lanes == 1 else 3


@pytest.fixture(params=["sqlite", "postgres"])
def worlds(request: pytest.FixtureRequest) -> Worlds:
    return Worlds(request)


BEFORE = {f"https://d/{n}": f"{n} one" for n in "abcde"}
AFTER = {f"https://d/{n}": f"{n} two" for n in "bc"} | {"https://d/d": "d one", "https://d/f": "f"}


@pytest.mark.parametrize("lanes", [1, 3])
async def test_wherever_a_refresh_is_killed_the_next_one_leaves_the_index_as_the_pages(
    lanes: int, worlds: Worlds
) -> None:
    async with worlds.new(lanes) as world:
        whole = Life()
        await world.refresh(BEFORE, whole)
        assert await world.refresh(AFTER, whole) is not None
        moments = len(whole.passed)
        await world.is_in_line(AFTER)
        for points in range(0, moments, worlds.every(lanes)):
            await world.refresh(BEFORE, Life())
            life = Life(points)
            if await world.refresh(AFTER, life) is not None:
                break  # it was over before
            report = await world.refresh(AFTER, Life())
            assert report is not None
            assert report.failed == ()
            await world.is_in_line(AFTER)
        assert points > 30


@pytest.mark.parametrize("lanes", [1, 3])
async def test_a_first_refresh_may_be_killed_ever_again(lanes: int, worlds: Worlds) -> None:
    async with worlds.new(lanes) as world:
        points = 0
        while await world.refresh(BEFORE, Life(points)) is None:
            points += worlds.every(lanes)
            if points % 3 == 0:  # and sometimes the documentation goes on meanwhile
                await world.refresh(AFTER, Life(points // 2))
        await world.is_in_line(BEFORE)
        assert points > 10


names = st.sampled_from([f"https://d/{n}" for n in "abcdefg"])
page_sets = st.dictionaries(names, st.sampled_from(["one", "two", "three"]), min_size=1)
steps = st.lists(st.tuples(page_sets, st.none() | st.integers(0, 60)), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("worlds", "examples"), [("sqlite", 25), ("postgres", 5)], indirect=["worlds"]
)
def test_after_any_page_sets_and_kills_a_completed_refresh_leaves_index_and_pages_alike(
    worlds: Worlds, examples: int
) -> None:
    @given(steps, page_sets, st.sampled_from([1, 2, 3]))
    @settings(deadline=None, max_examples=examples)
    def live(history: list[tuple[Pages, int | None]], last: Pages, lanes: int) -> None:
        asyncio.run(_live(worlds, history, last, lanes))

    live()


async def _live(
    worlds: Worlds, history: Sequence[tuple[Pages, int | None]], last: Pages, lanes: int
) -> None:
    """Refresh with one set of pages after the other, killed or not, and look what is left."""
    async with worlds.new(lanes) as world:
        for pages, points in history:
            if await world.refresh(pages, Life(points)) is not None:
                await world.is_in_line(pages)
        assert await world.refresh(last, Life()) is not None
        await world.is_in_line(last)


async def test_the_local_index_is_left_without_orphans_too(worlds: Worlds) -> None:
    async with worlds.new() as world:
        passages, points = world.store.passages, 0
        while True:
            await world.refresh(BEFORE, Life(), [LocalIndex(passages)])
            life = Life(points)
            index: Any = Mortal(LocalIndex(passages), life)
            if await world.refresh(AFTER, life, [index]) is not None:
                break
            pages = AFTER if points % 3 else BEFORE
            assert await world.refresh(pages, Life(), [LocalIndex(passages)]) is not None
            on_record = {copy.ref: copy.url for copy in await world.store.documents.copies("local")}
            assert await passages.refs() == set(on_record)
            assert sorted(on_record.values()) == sorted(pages)
            points += worlds.every()
        assert points > 30


async def test_a_refresh_without_changes_makes_no_note_and_no_comparison(worlds: Worlds) -> None:
    async with worlds.new() as world:
        await world.refresh(BEFORE, Life())
        compared, life = world.index.compared, Life()
        await world.refresh(BEFORE, life)
        assert world.index.compared == compared
        writes = [point for point in life.passed if point.startswith(("before put", "put "))]
        assert writes == ["before put", "before put"]  # who refreshes, and when it ended

"""Full-text search in the store. Each test runs on SQLite and on Postgres."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.documents import Passage
from core.errors import StoreError
from core.store import Store
from core.store.database import Database
from core.store.passages import Entry, Passages
from core.store.schema import passages as passages_table

# One store for all examples: what an example leaves behind, the next one replaces.
on_one_store = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def entry(text: str, *, title: str = "", headings: str = "", url: str = "u") -> Entry:
    passage = Passage(url=url, title=title, headings=(headings,), text=text)
    return Entry(passage=passage, title=title.split(), headings=headings.split(), text=text.split())


async def found(passages: Passages, *words: str, limit: int = 10) -> list[str]:
    results = await passages.search(dict.fromkeys(words, 1.0), limit)
    return [result.passage.url for result, _ in results]


async def test_a_passage_comes_back_as_it_was_put(store: Store) -> None:
    put = entry("refresh the document", title="guide", headings="index", url="u#a")
    await store.passages.put({"r": [put]})
    [(got, rank)] = await store.passages.search({"refresh": 1.0}, 10)
    assert got == put
    assert rank > 0


async def test_any_of_the_words_is_enough(store: Store) -> None:
    await store.passages.put({"r": [entry("one", url="1"), entry("two", url="2"), entry("six")]})
    assert sorted(await found(store.passages, "one", "two", "three")) == ["1", "2"]


async def test_the_title_tells_more_than_headings_and_these_more_than_the_text(
    store: Store,
) -> None:
    filling = "some more words here"
    await store.passages.put(
        {
            "r": [
                entry(f"{filling} backup", url="text"),
                entry(filling, headings="backup", url="headings"),
                entry(filling, title="backup", url="title"),
                *(entry(f"{filling} number {n}") for n in range(9)),
            ]
        }
    )
    assert await found(store.passages, "backup") == ["title", "headings", "text"]


async def test_a_rare_word_tells_more_than_a_common_one(store: Store) -> None:
    common = [entry(f"setting common word {n}", url=f"common{n}") for n in range(9)]
    await store.passages.put({"r": [*common, entry("setting rare word too", url="rare")]})
    weights = {"common": 0.1, "rare": 2.0}
    results = await store.passages.search(weights, 10)
    assert results[0][0].passage.url == "rare"


async def test_named_passages_have_the_word_in_title_or_headings(store: Store) -> None:
    await store.passages.put(
        {
            "r": [
                entry("backup", url="text"),
                entry("other", headings="backup", url="headings"),
                entry("other", title="backup", url="title"),
            ]
        }
    )
    results = await store.passages.search({"backup": 1.0, "none": 2.0}, 10, named=True)
    assert [result.passage.url for result, _ in results] == ["title", "headings"]


async def test_no_more_passages_are_returned_than_asked_for(store: Store) -> None:
    await store.passages.put({"r": [entry(f"word {n}") for n in range(9)]})
    assert len(await found(store.passages, "word", limit=4)) == 4


async def test_words_are_not_stemmed_and_no_word_is_dropped_by_the_database(store: Store) -> None:
    await store.passages.put({"r": [entry("the refreshing naïve 2fa q1", url="it")]})
    for word in ("the", "refreshing", "naïve", "2fa", "q1"):
        assert await found(store.passages, word) == ["it"], word
    assert await found(store.passages, "refresh", "naive", "fa", "q") == []


async def test_frequencies_count_passages_and_not_occurrences(store: Store) -> None:
    await store.passages.put({"r": [entry("a b b", title="b"), entry("b c")], "s": [entry("c")]})
    assert await store.passages.frequencies(["a", "b", "x"]) == (3, {"a": 1, "b": 2})


async def test_putting_a_ref_again_replaces_what_it_had(store: Store) -> None:
    await store.passages.put({"r": [entry("old same"), entry("old too")], "s": [entry("same")]})
    await store.passages.put({"r": [entry("new same", url="new")]})
    assert await found(store.passages, "old") == []
    assert await found(store.passages, "new") == ["new"]
    assert await store.passages.frequencies(["old", "new", "same"]) == (2, {"new": 1, "same": 2})


async def test_removing_leaves_no_trace_and_a_repeat_is_no_error(store: Store) -> None:
    await store.passages.put({"r": [entry("gone word")], "s": [entry("kept word", url="kept")]})
    for _ in range(2):
        await store.passages.remove(["r", "never there"])
        assert await found(store.passages, "gone", "word") == ["kept"]
        assert await store.passages.frequencies(["gone", "word"]) == (1, {"word": 1})
    await store.passages.remove(["s"])
    assert await found(store.passages, "word", "kept") == []
    assert await store.passages.frequencies(["word"]) == (0, {})


async def test_what_was_removed_does_not_take_the_place_of_what_is_there(store: Store) -> None:
    await store.passages.put({"r": [entry("word"), entry("word")], "s": [entry("word too")]})
    await store.passages.remove(["r"])
    assert await found(store.passages, "word", limit=1) == ["u"]


async def test_an_empty_index_finds_and_counts_nothing(store: Store) -> None:
    assert await found(store.passages, "word") == []
    assert await found(store.passages) == []
    assert await store.passages.frequencies(["word"]) == (0, {})
    await store.passages.put({})
    await store.passages.put({"r": []})
    await store.passages.remove([])


async def test_many_copies_are_put_and_removed_at_once(store: Store) -> None:
    copies = {f"r{n}": [entry(f"all word{n}"), entry("all")] for n in range(510)}
    await store.passages.put(copies)
    wanted = [f"word{n}" for n in range(510)]
    total, counts = await store.passages.frequencies(["all", *wanted])
    assert (total, counts["all"], len(counts)) == (1020, 1020, 511)
    await store.passages.remove(list(copies))
    assert await store.passages.frequencies(["all"]) == (0, {})


async def test_what_others_write_does_not_wait_until_many_copies_are_removed(
    sqlite_store: Store,
) -> None:
    store = sqlite_store  # on Postgres writers do not wait for each other
    copies = {f"r{n}": [entry(f"word{n}")] for n in range(50)}
    await store.passages.put(copies)
    done: list[str] = []

    async def remove() -> None:
        await store.passages.remove(list(copies))
        done.append("remove")

    async def write() -> None:
        await store.values.put("name", "value")
        done.append("write")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(remove())
        tasks.create_task(write())
    assert done == ["write", "remove"]


async def test_a_put_that_fails_changes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.passages.put({"r": [entry("old")]})
    with monkeypatch.context() as broken:
        broken.setattr("core.store.passages.Passages._count", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await store.passages.put({"s": [entry("new")]})
    assert await found(store.passages, "new") == []
    assert await store.passages.frequencies(["old", "new"]) == (1, {"old": 1})


# --- large copies ---------------------------------------------------------------------------------

LARGE = {"large": [entry(f"word number{n}", url=f"u#{n}") for n in range(10)]}


class Transactions:
    """What is found of a store before each of its transactions; one of them may fail."""

    def __init__(self, store: Store, failing: int | None = None) -> None:
        self.store = store
        self.failing = failing
        self.found: list[int] = []
        self.counts: list[int] = []

    def let_in(self, patch: pytest.MonkeyPatch) -> None:
        real = Database.write

        @asynccontextmanager
        async def write(database: Database) -> AsyncIterator[AsyncConnection]:
            self.found.append(len(await found(self.store.passages, "word", limit=99)))
            async with real(database) as connection:
                count = select(func.count()).select_from(passages_table)
                before = (await connection.execute(count)).scalar_one()
                yield connection
                self.counts.append((await connection.execute(count)).scalar_one() - before)
                if self.failing == len(self.found):
                    raise StoreError("It was the last.")

        patch.setattr(Database, "write", write)


@pytest.fixture
def small_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.store.passages.WRITTEN_AT_ONCE", 3)


@pytest.mark.usefixtures("small_transactions")
async def test_a_large_copy_takes_several_transactions_and_is_found_when_all_of_it_is_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Transactions(store)
    with monkeypatch.context() as patch:
        written.let_in(patch)
        await store.passages.put({"small": [entry("word")]} | LARGE | {"other": [entry("word")]})
    assert max(written.counts) <= 3
    assert sum(written.counts) == 12
    assert set(written.found) == {0, 10}  # small copies wait until they fill a transaction
    assert await store.passages.hidden() == set()
    assert len(await found(store.passages, "word", limit=99)) == 12

    removed = Transactions(store)
    with monkeypatch.context() as patch:
        removed.let_in(patch)
        await store.passages.remove(["small", "large"])
    assert min(removed.counts) >= -3
    assert set(removed.found) <= {12, 2, 1}
    assert await store.passages.frequencies(["word", "number1"]) == (1, {"word": 1})
    assert await store.passages.hidden() == set()


@pytest.mark.usefixtures("small_transactions")
@pytest.mark.parametrize("what", ["put", "remove"])
async def test_half_of_a_large_copy_is_never_found_and_can_be_put_again_and_removed(
    what: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing, has_failed = 1, True
    while has_failed:
        with monkeypatch.context() as patch:
            if what == "remove":
                await store.passages.put(LARGE)
            Transactions(store, failing).let_in(patch)
            try:
                await (
                    store.passages.put(LARGE) if what == "put" else store.passages.remove([*LARGE])
                )
                has_failed = False
            except StoreError:
                failing += 1
        assert len(await found(store.passages, "word", limit=99)) in (0, 10)
        await store.passages.put(LARGE)
        assert len(await found(store.passages, "word", limit=99)) == 10
        assert await store.passages.frequencies(["word"]) == (10, {"word": 10})
        await store.passages.remove([*LARGE])
        assert await store.passages.refs() | await store.passages.hidden() == set()
        assert await store.passages.frequencies(["word"]) == (0, {})
    assert failing > 4


async def test_what_no_database_takes_is_left_out_of_a_page(store: Store) -> None:
    odd = entry("a\0b\ud800 word", title="t\0", headings="h\0")
    await store.passages.put({"r": [odd]})
    [(got, _)] = await store.passages.search({"word": 1.0}, 10)
    assert got.passage == Passage(url="u", title="t", headings=("h",), text="ab word")


HOSTILE = (
    '"', "'", "''", '""', "*", "NEAR(", "NEAR(a b, 2)", "title_words:a", "-a", "a*", "^a", "a:*",
    "a & !b", "a | b", "AND", "OR NOT", "a'b", "\\", "a\\'", "\0", "a\0", "(", ")", "{a b}:c",
    "<->", "';DROP TABLE passages;--", "%s", ":query", "\ud800", " ", "", "a b", "A", "ǅ",
)  # fmt: skip
texts = st.lists(st.sampled_from([*HOSTILE, "a", "b", "ab", "é", "9", "中"]) | st.text(max_size=8))


@given(asked=texts, indexed=texts)
@example(asked=list(HOSTILE), indexed=["a", "b"])
@example(asked=["a", "b"], indexed=list(HOSTILE))
@on_one_store
async def test_whatever_is_asked_for_is_taken_as_words_and_nothing_else(
    store: Store, asked: Sequence[str], indexed: Sequence[str]
) -> None:
    passage = Passage(url="u", title="t", headings=(), text="text")
    entries = [Entry(passage=passage, title=(), headings=(), text=[word]) for word in indexed]
    await store.passages.put({"r": entries})
    results = await store.passages.search(dict.fromkeys(asked, 1.0), 1000)
    words = {word for word in asked if word.isalnum() and word == word.lower()}
    assert len(results) == sum(word in words for word in indexed)

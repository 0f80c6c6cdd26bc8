import asyncio
import time

import pytest

from core.documents import RefreshProgress, RefreshReport
from core.errors import NoSources, RefreshBusy
from core.refresh import Refresher
from core.store import Store
from servers.scripted_docs import ScriptedIndex, ScriptedSource


async def unseen(progress: RefreshProgress) -> None:
    """Nobody looks."""


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource({f"https://d/{name}": f"text of {name}" for name in "abc"})


@pytest.fixture
def index() -> ScriptedIndex:
    return ScriptedIndex()


def counts(report: RefreshReport) -> tuple[int, int, int, int, int]:
    return (
        len(report.added),
        len(report.changed),
        len(report.removed),
        report.unchanged,
        len(report.failed),
    )


async def test_the_first_refresh_adds_every_page_to_every_index(
    store: Store, source: ScriptedSource
) -> None:
    indexes = [ScriptedIndex("one"), ScriptedIndex("two")]
    report = await Refresher(store=store, sources=[source], indexes=indexes).refresh(unseen)
    assert counts(report) == (3, 0, 0, 0, 0)
    assert [index.content for index in indexes] == [source.pages, source.pages]


async def test_what_has_not_changed_is_neither_read_nor_indexed_again(
    store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    refresher = Refresher(store=store, sources=[source], indexes=[index])
    await refresher.refresh(unseen)
    source.read_urls.clear()
    puts = index.puts

    report = await refresher.refresh(unseen)
    assert counts(report) == (0, 0, 0, 3, 0)
    assert source.read_urls == []
    assert index.puts == puts


async def test_a_source_that_cannot_tell_by_listing_is_asked_with_what_we_know(
    store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    source.stamps = False
    refresher = Refresher(store=store, sources=[source], indexes=[index])
    await refresher.refresh(unseen)
    report = await refresher.refresh(unseen)
    assert counts(report) == (0, 0, 0, 3, 0)
    assert index.puts == 3


async def test_added_changed_and_removed_pages_are_told_apart(
    store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    refresher = Refresher(store=store, sources=[source], indexes=[index])
    await refresher.refresh(unseen)
    del source.pages["https://d/a"]
    source.pages["https://d/b"] = "new text"
    source.pages["https://d/d"] = "text of d"

    report = await refresher.refresh(unseen)
    assert report.added == ("https://d/d",)
    assert report.changed == ("https://d/b",)
    assert report.removed == ("https://d/a",)
    assert index.content == source.pages


async def test_a_changed_page_is_never_missing_from_the_index(
    store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    refresher = Refresher(store=store, sources=[source], indexes=[index])
    await refresher.refresh(unseen)
    for url in source.pages:
        source.pages[url] += " changed"
    await refresher.refresh(unseen)
    assert index.urls_at_removal
    assert all(urls == set(source.pages) for urls in index.urls_at_removal)


async def test_a_page_that_cannot_be_read_is_reported_and_keeps_its_old_copy(
    store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    refresher = Refresher(store=store, sources=[source], indexes=[index])
    await refresher.refresh(unseen)
    source.pages["https://d/a"] = "changed"
    source.unreadable = {"https://d/a"}

    report = await refresher.refresh(unseen)
    assert report.failed == (("https://d/a", "HTTP 500"),)
    assert report.removed == ()
    assert index.content["https://d/a"] == "text of a"


async def test_a_page_that_breaks_the_reader_does_not_end_the_refresh_of_the_others(
    sqlite_store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    source.broken = {"https://d/b"}
    source.pages["https://d/c"] = "half a character: \ud83d"
    report = await Refresher(store=sqlite_store, sources=[source], indexes=[index]).refresh(unseen)
    assert report.failed == (("https://d/b", "cannot be read (RuntimeError)"),)
    assert len(index.content) == 2
    assert await sqlite_store.documents.missing_urls(index.name, index.place) == []


async def test_a_source_that_cannot_be_reached_keeps_its_pages(
    store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    other = ScriptedSource({"https://o/x": "x"}, name="other")
    refresher = Refresher(store=store, sources=[source, other], indexes=[index])
    await refresher.refresh(unseen)
    source.unreachable = True
    other.pages.clear()  # a site that suddenly lists nothing is broken too

    report = await refresher.refresh(unseen)
    assert [what for what, _ in report.failed] == ["source", "other"]
    assert report.removed == ()
    assert len(index.content) == 4


async def test_a_source_put_in_the_place_of_another_must_be_readable_before_the_old_pages_go(
    store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    await Refresher(store=store, sources=[source], indexes=[index]).refresh(unseen)
    other = ScriptedSource({"https://o/x": "x"}, name="other")
    other.unreachable = True
    refresher = Refresher(store=store, sources=[other], indexes=[index])
    assert (await refresher.refresh(unseen)).removed == ()

    other.unreachable = False
    assert len((await refresher.refresh(unseen)).removed) == 3
    assert index.content == other.pages


async def test_a_refresh_without_any_source_is_refused_and_removes_nothing(
    store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    await Refresher(store=store, sources=[source], indexes=[index]).refresh(unseen)
    with pytest.raises(NoSources, match="DOCS_SOURCES"):
        await Refresher(store=store, sources=[], indexes=[index]).refresh(unseen)
    assert index.content == source.pages


async def test_the_end_of_the_last_refresh_is_known_after_a_restart(
    store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    refresher = Refresher(store=store, sources=[source], indexes=[index])
    assert await refresher.last_ended() is None
    await refresher.refresh(unseen)
    restarted = Refresher(store=store, sources=[source], indexes=[index])
    last = await restarted.last_ended()
    assert last is not None
    assert abs(last - time.time()) < 60


async def test_a_source_that_is_no_longer_named_loses_its_pages(
    store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    other = ScriptedSource({"https://o/x": "x"}, name="other")
    await Refresher(store=store, sources=[source, other], indexes=[index]).refresh(unseen)
    report = await Refresher(store=store, sources=[source], indexes=[index]).refresh(unseen)
    assert report.removed == ("https://o/x",)
    assert index.content == source.pages


async def test_a_page_of_two_sources_belongs_to_the_first(
    store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    other = ScriptedSource({"https://d/a": "other text"}, name="other")
    refresher = Refresher(store=store, sources=[source, other], indexes=[index])
    await refresher.refresh(unseen)
    report = await refresher.refresh(unseen)
    assert counts(report) == (0, 0, 0, 3, 0)
    assert index.content == source.pages


@pytest.mark.parametrize("killed_after", range(4))
async def test_a_refresh_that_was_killed_is_finished_by_the_next(
    killed_after: int, store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    refresher = Refresher(store=store, sources=[source], indexes=[index])
    index.fail_after = killed_after
    first = await refresher.refresh(unseen)
    assert (killed_after < 3) == bool(first.failed)

    index.fail_after = None
    index.copies = {  # what was put, but never recorded, is the index's to know
        ref: page
        for ref, page in index.copies.items()
        if ref in await store.documents.citations(index.name, list(index.copies))
    }
    report = await refresher.refresh(unseen)
    assert report.failed == ()
    assert index.content == source.pages


async def test_a_page_that_an_index_refuses_is_reported_and_tried_again(
    store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    refresher = Refresher(store=store, sources=[source], indexes=[index])
    index.refused = {"https://d/b"}
    report = await refresher.refresh(unseen)
    assert report.failed == (("https://d/b", "index index: unsupported"),)

    index.refused = set()
    await refresher.refresh(unseen)
    assert index.content == source.pages


async def test_a_second_refresh_at_the_same_time_is_refused(
    sqlite_store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    refresher = Refresher(store=sqlite_store, sources=[source], indexes=[index])
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def holds(progress: RefreshProgress) -> None:
        inside.set()
        await go_on.wait()

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(refresher.refresh(holds))
        await inside.wait()
        with pytest.raises(RefreshBusy):
            await refresher.refresh(unseen)
        go_on.set()
    assert counts(first.result()) == (3, 0, 0, 0, 0)


async def test_progress_is_told_from_the_first_page_to_the_last(
    sqlite_store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    seen: list[tuple[str, int, int]] = []

    async def keep(progress: RefreshProgress) -> None:
        seen.append((progress.phase, progress.done, progress.total))

    await Refresher(store=sqlite_store, sources=[source], indexes=[index]).refresh(keep)
    assert seen == [
        ("listing", 0, 0),
        ("reading", 0, 3),
        ("reading", 3, 3),
        ("indexing", 0, 3),
        ("indexing", 2, 3),
        ("indexing", 3, 3),
    ]


async def test_a_citation_is_of_a_page_that_the_documentation_still_has(
    store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    refresher = Refresher(store=store, sources=[source], indexes=[index])
    await refresher.refresh(unseen)
    refs = {page.url: ref for ref, page in index.copies.items()}
    await store.documents.remove_pages(["https://d/a"])

    found = await store.documents.citations(index.name, list(refs.values()))
    assert {citation.url for citation in found.values()} == {"https://d/b", "https://d/c"}


async def test_an_index_hears_when_it_was_changed_and_how_much(
    store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    refresher = Refresher(store=store, sources=[source], indexes=[index])
    await refresher.refresh(unseen)
    await refresher.refresh(unseen)
    source.pages["https://d/a"] = "new"
    await refresher.refresh(unseen)
    assert index.tidied == [3, 2]


async def test_as_soon_as_a_refresh_has_ended_another_process_may_begin(migrated_url: str) -> None:
    async with await Store.open(migrated_url) as first, await Store.open(migrated_url) as second:
        for number in range(40):
            async with (first, second)[number % 2].exclusive("refresh") as held:
                assert held


async def test_two_processes_do_not_refresh_at_once(migrated_url: str) -> None:
    async with await Store.open(migrated_url) as first, await Store.open(migrated_url) as second:
        async with first.exclusive("refresh") as held:
            assert held
            refresher = Refresher(store=second, sources=[ScriptedSource({"a": "A"})], indexes=[])
            with pytest.raises(RefreshBusy):
                await refresher.refresh(unseen)
            assert refresher.idle.is_set()
        assert (await refresher.refresh(unseen)).added == ("a",)

"""What a refresh finds before it acts: dry runs, some of the sources, what it does not dare."""

import asyncio

import pytest

from core.documents import RefreshProgress, RefreshReport, removals_key
from core.errors import RefreshBusy, UnknownSource
from core.refresh import ANY_REMOVALS, Refresher
from core.refresh.refresher import unseen
from core.refresh.under_way import alone, look
from core.store import Store
from servers.scripted_docs import ScriptedIndex, ScriptedSource


def texts(*names: str) -> dict[str, str]:
    return {f"https://d/{name}": f"text of {name}" for name in names}


def many(count: int) -> dict[str, str]:
    return texts(*(f"p{number:03}" for number in range(count)))


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource(many(20))


@pytest.fixture
def other() -> ScriptedSource:
    return ScriptedSource({"https://o/x": "x", "https://o/y": "y"}, name="other")


@pytest.fixture
def index() -> ScriptedIndex:
    return ScriptedIndex(batch_size=10)


@pytest.fixture
def refresher(
    sqlite_store: Store, source: ScriptedSource, other: ScriptedSource, index: ScriptedIndex
) -> Refresher:
    return Refresher(store=sqlite_store, sources=[source, other], indexes=[index])


# --- a dry run ------------------------------------------------------------------------------------


async def test_a_dry_run_says_what_a_refresh_would_do_and_changes_nothing(
    refresher: Refresher, sqlite_store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    plan = await refresher.dry_run(unseen)
    assert (len(plan.added), plan.dry_run) == (22, True)
    assert await sqlite_store.documents.count() == 0

    await refresher.refresh(unseen)
    before = dict(index.content)
    del source.pages["https://d/p000"]
    source.pages["https://d/p001"] = "new"
    source.pages |= texts("new")
    plan = await refresher.dry_run(unseen)
    assert (plan.added, plan.changed) == (("https://d/new",), ("https://d/p001",))
    assert (plan.removed, plan.unchanged) == (("https://d/p000",), 20)
    assert index.content == before
    known = await sqlite_store.documents.known()
    assert "https://d/new" not in known
    done = await refresher.refresh(unseen)
    assert (done.added, done.changed, done.removed) == (plan.added, plan.changed, plan.removed)


# --- the guard ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("had", "left", "is_withheld"),
    [(20, 14, False), (20, 13, True), (10, 5, False), (10, 4, True), (6, 1, False), (6, 0, True)],
)
async def test_a_refresh_that_would_remove_a_large_part_of_the_pages_asks_first(
    sqlite_store: Store, index: ScriptedIndex, had: int, left: int, is_withheld: bool
) -> None:
    # A source that lists nothing counts as down, hence the one page more, which is not counted.
    source, rest = ScriptedSource(many(had)), ScriptedSource({"https://o/x": "x"}, name="other")
    refresher = Refresher(store=sqlite_store, sources=[source, rest], indexes=[index])
    await refresher.refresh(unseen, only=["source"])
    source.pages = many(left) | texts("new")
    report = await refresher.refresh(unseen, only=["source"])
    assert len(report.withheld) == (had - left if is_withheld else 0)
    assert len(report.removed) == (0 if is_withheld else had - left)
    assert report.known == had
    assert "https://d/new" in index.content
    assert len(index.content) == (had if is_withheld else left) + 1


async def test_what_was_withheld_is_removed_when_it_is_confirmed(
    refresher: Refresher, source: ScriptedSource, index: ScriptedIndex
) -> None:
    await refresher.refresh(unseen)
    source.pages = many(5)
    assert len((await refresher.refresh(unseen)).withheld) == 15
    assert len((await refresher.dry_run(unseen)).withheld) == 15
    report = await refresher.refresh(unseen, confirm=ANY_REMOVALS)
    assert (len(report.removed), report.withheld) == (15, ())
    assert len(index.content) == 7


async def test_a_yes_counts_for_the_pages_that_were_shown_and_for_no_others(
    refresher: Refresher, source: ScriptedSource, index: ScriptedIndex
) -> None:
    await refresher.refresh(unseen)
    source.pages = many(10)
    shown = removals_key((await refresher.refresh(unseen)).withheld)
    for now in (many(9), many(9) | texts("p019")):  # one more is gone; as many, but another one
        source.pages = now
        report = await refresher.refresh(unseen, confirm=shown)
        assert (len(report.withheld), report.removed) == (len(set(many(20)) - set(now)), ())
        assert len(index.content) == 22
    source.pages = many(10)
    report = await refresher.refresh(unseen, confirm=shown)
    assert (len(report.removed), report.withheld) == (10, ())


async def test_a_yes_that_is_no_longer_needed_changes_nothing(
    refresher: Refresher, source: ScriptedSource
) -> None:
    await refresher.refresh(unseen)
    source.pages = many(10)
    shown = removals_key((await refresher.refresh(unseen)).withheld)
    source.pages = many(19)
    report = await refresher.refresh(unseen, confirm=shown)
    assert (report.removed, report.withheld) == (("https://d/p019",), ())


# --- pages that are gone, or empty ----------------------------------------------------------------


async def test_a_page_that_is_listed_but_gone_is_removed_and_skipped_from_then_on(
    refresher: Refresher, source: ScriptedSource, index: ScriptedIndex
) -> None:
    await refresher.refresh(unseen)
    source.gone = {"https://d/p003"}
    source.stamps = False
    report = await refresher.refresh(unseen)
    assert (report.removed, report.failed) == (("https://d/p003",), ())
    assert "https://d/p003" not in index.content
    report = await refresher.refresh(unseen)
    assert report.skipped == (("https://d/p003", "HTTP 404"),)
    assert (report.removed, report.failed) == ((), ())


async def test_pages_that_are_all_answered_with_404_at_once_are_not_removed_without_a_yes(
    refresher: Refresher, source: ScriptedSource, index: ScriptedIndex
) -> None:
    await refresher.refresh(unseen)
    source.gone, source.stamps = set(source.pages), False
    report = await refresher.refresh(unseen)
    assert (len(report.withheld), report.removed) == (20, ())
    assert len(index.content) == 22


async def test_an_empty_page_is_skipped_keeps_its_old_copy_and_is_no_failure(
    refresher: Refresher, source: ScriptedSource, index: ScriptedIndex
) -> None:
    source.empty = {"https://d/p000"}
    source.pages["https://d/p001"] = " \n"
    report = await refresher.refresh(unseen)
    assert sorted(url for url, _ in report.skipped) == ["https://d/p000", "https://d/p001"]
    assert report.failed == ()
    assert len(index.content) == 20

    source.empty = {"https://d/p002"}
    source.stamps = False
    report = await refresher.refresh(unseen)
    assert [url for url, _ in report.skipped] == ["https://d/p001", "https://d/p002"]
    assert index.content["https://d/p002"] == "text of p002"


# --- a part of the sources ------------------------------------------------------------------------


async def test_one_source_is_refreshed_without_touching_the_others(
    refresher: Refresher, source: ScriptedSource, other: ScriptedSource, index: ScriptedIndex
) -> None:
    await refresher.refresh(unseen)
    assert await refresher.last_ended() is not None
    source.read_urls.clear()
    source.pages["https://d/p001"] = "new"
    other.pages = {"https://o/x": "newer", "https://o/z": "z"}
    report = await refresher.refresh(unseen, only=["other"])
    assert (report.added, report.changed) == (("https://o/z",), ("https://o/x",))
    assert report.removed == ("https://o/y",)
    assert source.read_urls == []
    assert index.content["https://d/p001"] == "text of p001"


async def test_a_page_that_another_source_lists_too_is_not_removed_with_its_own(
    refresher: Refresher, source: ScriptedSource, other: ScriptedSource, index: ScriptedIndex
) -> None:
    other.pages["https://d/p000"] = "as the other has it"
    await refresher.refresh(unseen)
    del source.pages["https://d/p000"]
    assert (await refresher.refresh(unseen, only=["source"])).removed == ()
    assert "https://d/p000" in index.content
    assert (await refresher.refresh(unseen)).changed == ("https://d/p000",)
    assert index.content["https://d/p000"] == "as the other has it"


async def test_a_page_of_a_source_that_is_down_is_not_taken_over_by_a_later_one(
    refresher: Refresher, source: ScriptedSource, other: ScriptedSource, index: ScriptedIndex
) -> None:
    other.pages["https://d/p000"] = "as the other has it"
    await refresher.refresh(unseen)
    source.unreachable = True
    report = await refresher.refresh(unseen)
    assert (report.changed, report.removed) == ((), ())
    assert index.content["https://d/p000"] == "text of p000"


async def test_a_source_that_breaks_is_reported_and_keeps_its_pages(
    refresher: Refresher, source: ScriptedSource, index: ScriptedIndex
) -> None:
    await refresher.refresh(unseen)

    async def breaks(point: str) -> None:
        raise RuntimeError("a bug")

    source.hook = breaks
    report = await refresher.refresh(unseen)
    assert report.failed == (("source", "cannot be listed (RuntimeError)"),)
    assert len(index.content) == 22


async def test_a_source_that_is_not_there_is_refused_with_the_names_that_are(
    refresher: Refresher,
) -> None:
    with pytest.raises(UnknownSource, match="no source 'sauce': choose one of source, other"):
        await refresher.refresh(unseen, only=["sauce"])


@pytest.mark.parametrize(
    ("names", "called"),
    [
        (["./handbook/docs=https://h.example/", "https://d.example/"], ["https://h.example/"]),
        (["/srv/secret/docs"], ["docs"]),
        (["/srv/a/docs", "/srv/b/docs"], ["/srv/a/docs", "/srv/b/docs"]),
    ],
)
async def test_sources_are_called_by_what_people_know_of_them(
    sqlite_store: Store, names: list[str], called: list[str]
) -> None:
    sources = [ScriptedSource(texts("a"), name=name) for name in names]
    refresher = Refresher(store=sqlite_store, sources=sources, indexes=[])
    assert list(refresher.source_names)[: len(called)] == called
    report = await refresher.dry_run(unseen, only=called[:1])
    assert len(report.added) == 1


# --- one at a time --------------------------------------------------------------------------------


async def test_who_asks_during_a_refresh_hears_whose_it_is_and_how_far(
    migrated_url: str, source: ScriptedSource, index: ScriptedIndex
) -> None:
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def holds(progress: RefreshProgress) -> None:
        inside.set()
        await go_on.wait()

    async with await Store.open(migrated_url) as first, await Store.open(migrated_url) as second:
        at_work = Refresher(store=first, sources=[source], indexes=[index])
        waiting = Refresher(store=second, sources=[source], indexes=[index])
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            report: asyncio.Task[RefreshReport] = tasks.create_task(
                at_work.refresh(holds, by="slack:U123")
            )
            await inside.wait()
            for refresher in (at_work, waiting):
                with pytest.raises(
                    RefreshBusy, match=r"started \d\d:\d\d UTC by slack:U123"
                ) as busy:
                    await refresher.refresh(unseen)
                assert busy.value.under_way is not None
                assert busy.value.under_way.by == "slack:U123"
                with pytest.raises(RefreshBusy):
                    await refresher.verify(unseen)
            go_on.set()
        assert len(report.result().added) == 20
        assert await look(second) is None


async def test_how_far_a_refresh_is_is_noted_once_a_second_at_most(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[str] = []
    put = sqlite_store.values.put

    async def counted(name: str, value: str) -> None:
        noted.append(value)
        await put(name, value)

    monkeypatch.setattr(sqlite_store.values, "put", counted)
    now = 100.0
    told = 0

    async def count(progress: RefreshProgress) -> None:
        nonlocal told
        told += 1

    async with alone(sqlite_store, "slack:U1", count, clock=lambda: now) as tell:
        for done in range(40):
            now += 0.25
            await tell(RefreshProgress(phase="reading", done=done, total=40, what="docs"))
            under_way = await look(sqlite_store)
    assert told == 40
    assert len(noted) == 1 + 10
    assert under_way is not None
    assert under_way.progress == RefreshProgress(phase="reading", done=39, total=40, what="docs")
    assert "reading: 39 of 40" in str(RefreshBusy(under_way))


async def test_a_note_of_a_refresh_that_was_killed_is_no_hindrance(
    sqlite_store: Store, source: ScriptedSource, index: ScriptedIndex
) -> None:
    for note in ('{"by": "slack:U1", "since": 1.0, "progress": null}', "{", '{"other": 1}'):
        await sqlite_store.values.put("refresh_under_way", note)
        refresher = Refresher(store=sqlite_store, sources=[source], indexes=[index])
        assert (await refresher.refresh(unseen)).failed == ()
        assert await look(sqlite_store) is None

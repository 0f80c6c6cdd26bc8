"""A database that was lost: what it knew of in the vector store is taken over, not sent again."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.documents import RefreshReport
from core.refresh.refresher import unseen
from core.store import Store
from servers.openai_server import OpenAIServer
from servers.refresh_rig import LATER, MARKER, Rig, killed


@pytest.fixture
async def rig(sqlite_store: Store) -> AsyncIterator[Rig]:
    async with OpenAIServer() as server:
        yield Rig(server, sqlite_store)


class Reborn:
    """A Docent whose database is new, with the vector store of the one before."""

    def __init__(self, rig: Rig, store: Store) -> None:
        self.rig = Rig(rig.server, store)
        self.rig.mark = "fedcba98"
        (self.rig.configured,) = rig.server.vector_stores.all
        rig.server.requests.clear()

    def uploads(self) -> int:
        return len(self.rig.server.sent("POST", "/files"))


@pytest.fixture
async def new_store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(f"sqlite:///{tmp_path / 'new.db'}") as store:
        yield store


@pytest.fixture
async def reborn(rig: Rig, new_store: Store) -> Reborn:
    """The database is lost after a refresh of PAGES."""
    await rig.refresh()
    return Reborn(rig, new_store)


async def test_files_from_before_the_database_was_lost_are_adopted_without_an_upload(
    reborn: Reborn,
) -> None:
    rig, before = reborn.rig, set(reborn.rig.server.files.all)
    async with rig.process() as refresher:
        report = await refresher.refresh(unseen, adopt=MARKER)
        (check,) = await refresher.verify(unseen)
    assert (len(report.added), report.failed, reborn.uploads()) == (3, (), 0)
    assert set(rig.server.files.all) == before
    assert (check.is_in_line, check.copies, check.foreign) == (True, 3, 0)

    rig.source.pages = dict(LATER)  # and they are ours in every respect from then on
    assert (await rig.refresh()).failed == ()
    rig.is_in_line(marks={MARKER})


async def test_of_adopted_files_those_that_are_out_of_date_or_useless_are_replaced(
    reborn: Reborn,
) -> None:
    rig = reborn.rig
    (failed,) = (one for one in rig.held() if one.attributes["url"] == "https://d/c")
    failed.status = "failed"
    rig.source.pages = dict(LATER)
    async with rig.process() as refresher:
        report = await refresher.refresh(unseen, adopt=MARKER)
    assert (report.failed, reborn.uploads()) == ((), 3)  # all are new, changed or useless
    rig.is_in_line(marks={MARKER})


@pytest.mark.parametrize("refreshed", [False, True], ids=["at once", "later"])
async def test_wherever_an_adoption_is_killed_exactly_our_documents_are_left_in_the_end(
    reborn: Reborn, refreshed: bool
) -> None:
    rig = reborn.rig
    rig.source.pages = {"https://d/a": "text of a", "https://d/b": "new text of b"}
    if refreshed:  # before anybody thought of the files that are there
        await rig.refresh()
        assert len(rig.held()) == 5

    async def adopt() -> RefreshReport:
        async with rig.process() as refresher:
            return await refresher.refresh(unseen, adopt=MARKER)

    passes = 0
    while await killed(rig, rig.source.pages, passes, passes % 2 == 0, adopt):
        passes += 1
    rig.is_in_line(marks={MARKER, "fedcba98"})
    assert passes > 3
    assert await rig.differences() == [0, 0, 0, 0]


async def test_nothing_is_adopted_or_removed_while_not_every_page_can_be_read(
    reborn: Reborn,
) -> None:
    rig, before = reborn.rig, set(reborn.rig.server.files.all)
    rig.source.unreadable = {"https://d/b"}
    async with rig.process() as refresher:
        report = await refresher.refresh(unseen, adopt=MARKER)
        assert [what for what, _ in report.failed] == [
            "https://d/b",
            f"files with the mark {MARKER}",
        ]
        assert (set(rig.server.files.all), reborn.uploads()) == (before, 0)
        rig.source.unreadable = set()
        assert (await refresher.refresh(unseen, adopt=MARKER)).failed == ()
    assert (set(rig.server.files.all), reborn.uploads()) == (before, 0)


async def test_without_a_word_the_files_of_another_docent_stay_and_are_told_of(
    reborn: Reborn, caplog: pytest.LogCaptureFixture
) -> None:
    rig, before = reborn.rig, set(reborn.rig.server.files.all)
    await rig.refresh()
    assert f"docent refresh --adopt {MARKER}" in caplog.text
    rig.is_in_line(before)
    async with rig.process() as refresher:
        (check,) = await refresher.verify(unseen, repair=True)
    assert (check.is_in_line, check.foreign, dict(check.others)) == (True, 3, {MARKER: 3})
    assert before <= set(rig.server.files.all)


async def test_files_that_a_newer_database_knew_are_adopted_by_repair(rig: Rig) -> None:
    await rig.refresh()
    before = set(rig.server.files.all)
    await rig.store.documents.forget(await rig.store.documents.copies("openai"))
    rig.server.requests.clear()
    async with rig.process() as refresher:
        (check,) = await refresher.verify(unseen, repair=True)
    assert (check.is_in_line, check.copies) == (True, 3)
    assert (set(rig.server.files.all), len(rig.server.sent("POST", "/files"))) == (before, 0)

"""Refreshes into a vector store: whatever goes wrong, it holds exactly our documents afterwards."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from core.openai_engine.patience import Timing
from core.refresh.refresher import unseen
from core.store import Store
from servers.faults import Fault
from servers.openai_faults import error, rate_limited, server_error
from servers.openai_rig import AT_ONCE, IMPATIENT, filled_store
from servers.openai_server import OpenAIServer
from servers.refresh_rig import LATER, PAGES, Rig, killed


@pytest.fixture
async def rig(sqlite_store: Store) -> AsyncIterator[Rig]:
    async with OpenAIServer() as server:
        yield Rig(server, sqlite_store)


# --- killed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("effect", [True, False], ids=["at the reply", "at the request"])
async def test_killed_at_any_request_the_next_refresh_leaves_exactly_our_documents(
    rig: Rig, effect: bool
) -> None:
    passes = 0
    while True:
        rig.source.pages = dict(PAGES)
        await rig.refresh()
        if not await killed(rig, LATER, passes, effect):
            break
        rig.source.pages = dict(LATER)
        report = await rig.refresh()
        assert report.failed == ()
        rig.is_in_line()
        passes += 1
    assert passes > 10


async def test_a_first_refresh_that_is_killed_ever_again_comes_to_its_end(rig: Rig) -> None:
    passes = 0
    while await killed(rig, PAGES, passes, passes % 2 == 0):
        passes += 1
    rig.is_in_line()
    assert passes > 8
    assert len(rig.server.vector_stores.all) <= 2  # one that was made when nobody heard of it


# --- orphans --------------------------------------------------------------------------------------


async def test_an_upload_whose_reply_is_lost_leaves_no_file(rig: Rig) -> None:
    rig.server.fault("POST", "/files", Fault(drop="after"), Fault(), Fault(drop="after"))
    report = await rig.refresh()
    assert report.failed == ()
    assert len(rig.server.sent("POST", "/files")) == 5
    rig.is_in_line()


async def test_files_that_could_not_be_taken_back_are_removed_by_the_next_refresh(
    rig: Rig,
) -> None:
    rig.server.indexing.fail["d-a-"] = "server_error"
    rig.server.break_down(server_error(), "DELETE")
    report = await rig.refresh()
    assert [what for what, _ in report.failed] == ["https://d/a", "index openai"]
    assert len(rig.server.files.all) == 3

    rig.server.mend()
    rig.server.indexing.fail.clear()
    assert (await rig.refresh()).failed == ()
    rig.is_in_line()


async def test_what_others_have_put_there_is_never_touched(rig: Rig) -> None:
    theirs = {"hash": "abc", "url": "https://d/a", "docent": "ffffffff"}
    rig.configured = await filled_store(rig.server, handbook={}, other_docent=theirs)
    kept = set(rig.server.files.all)
    await killed(rig, PAGES, 6, effect=True)
    await rig.refresh()
    rig.is_in_line(kept)
    async with rig.process() as refresher:
        (check,) = await refresher.verify(unseen, repair=True)
    assert (check.is_in_line, check.foreign) == (True, 2)
    assert kept <= set(rig.server.files.all)
    assert kept <= {file.file.id for file in rig.held()}


# --- another vector store -------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["configured", "expired", "deleted"])
async def test_a_vector_store_that_was_replaced_is_not_left_with_our_files(
    rig: Rig, how: str
) -> None:
    await rig.refresh()
    (old,) = rig.server.vector_stores.all
    before = set(rig.server.files.all)
    match how:
        case "configured":
            rig.configured = await filled_store(rig.server)
        case "expired":
            rig.server.vector_stores.all[old].is_expired = True
        case _:
            del rig.server.vector_stores.all[old]
    report = await rig.refresh()
    assert (report.failed, report.unchanged) == ((), 3)
    assert not before & set(rig.server.files.all)
    new = next(one for one in rig.server.vector_stores.all if one != old)
    assert {file.attributes["url"] for file in rig.held(new)} == set(PAGES)
    rig.is_in_line()


async def test_a_killed_move_to_another_vector_store_is_finished(rig: Rig) -> None:
    await rig.refresh()
    rig.configured = await filled_store(rig.server)
    for passes in range(3, 16, 3):
        await killed(rig, PAGES, passes, effect=True)
    await rig.refresh()
    rig.is_in_line()
    assert len(rig.held(rig.configured)) == 3


# --- verify and repair ----------------------------------------------------------------------------


async def test_verify_tells_each_kind_of_difference_and_repair_mends_them(rig: Rig) -> None:
    await rig.refresh()
    assert await rig.differences() == [0, 0, 0, 0]
    (vector_store,) = rig.server.vector_stores.all
    refs = {copy.url: copy.ref for copy in await rig.store.documents.copies("openai")}
    files = rig.server.vector_stores.all[vector_store].files
    del files[refs["https://d/a"]]  # somebody took it out
    files[refs["https://d/b"]].status = "failed"
    forgotten = [c for c in await rig.store.documents.copies("openai") if c.url == "https://d/c"]
    await rig.store.documents.forget(forgotten)  # as where the database is older than the index
    assert await rig.differences() == [2, 3, 1, 0]

    async with rig.process() as refresher:
        (check,) = await refresher.verify(unseen, repair=True)
    assert check.is_in_line
    assert await rig.differences() == [0, 0, 0, 0]
    rig.source.pages = dict(PAGES)
    held = {str(file.attributes["url"]) for file in rig.held()}
    assert held == set(PAGES)


async def test_verifying_changes_nothing_and_makes_no_vector_store(rig: Rig) -> None:
    assert await rig.differences() == [0, 0, 0, 0]
    assert rig.server.vector_stores.all == {}
    await rig.refresh()
    rig.server.requests.clear()
    await rig.differences()
    assert {request.method for request in rig.server.requests} == {"GET"}


async def test_verifying_reads_a_large_vector_store_page_by_page(rig: Rig) -> None:
    rig.source.pages = {f"https://d/{n}": f"text of {n}" for n in range(230)}
    await rig.refresh()
    rig.server.requests.clear()
    assert await rig.differences() == [0, 0, 0, 0]
    assert len(rig.server.sent("GET", "/vector_stores/*/files")) == 3


@pytest.mark.parametrize("missing_status", [400, 404])
async def test_verifying_against_a_vector_store_that_is_gone_says_that_all_is_lost(
    rig: Rig, missing_status: int
) -> None:
    await rig.refresh()
    rig.server.missing_status = missing_status
    rig.server.vector_stores.all.clear()
    lost, orphans, missing, stale = await rig.differences()
    assert (lost, orphans, missing, stale) == (3, 3, 0, 0)  # the files are there


# --- faults ---------------------------------------------------------------------------------------


async def test_a_batch_that_never_ends_is_reported_and_tried_again_next_time(rig: Rig) -> None:
    rig.timing = IMPATIENT
    rig.server.indexing.stuck.add("d-b-")
    async with asyncio.timeout(60):
        report = await rig.refresh()
    (failure,) = report.failed
    assert failure[0] == "https://d/b"
    assert "still being indexed" in failure[1]
    assert rig.found() == {"https://d/a", "https://d/c"}

    rig.server.indexing.stuck.clear()
    rig.timing = AT_ONCE
    assert (await rig.refresh()).failed == ()
    rig.is_in_line()


async def test_a_changed_page_that_is_refused_keeps_its_old_copy(rig: Rig) -> None:
    await rig.refresh()
    rig.source.pages["https://d/a"] = "new text of a"
    rig.server.fault("POST", "/files", error(400, "Too odd.", "odd", "x"))
    report = await rig.refresh()
    assert report.failed == (("https://d/a", "index openai: OpenAI did not take the file (odd)."),)
    assert rig.found() == set(PAGES)
    assert (await rig.refresh()).failed == ()
    rig.is_in_line()


async def test_uploads_go_on_after_429(rig: Rig) -> None:
    rig.server.fault("POST", "/files", *[rate_limited(retry_after="0")] * 2)
    rig.server.fault("POST", "/vector_stores/*/file_batches", rate_limited(retry_after="0"))
    assert (await rig.refresh()).failed == ()
    rig.is_in_line()


async def test_after_an_error_no_further_batch_is_begun(rig: Rig) -> None:
    rig.source.pages = {f"https://d/{n}": f"text of {n}" for n in range(40)}
    rig.server.fault("POST", "/files", error(401, "No.", "invalid_api_key", "x"))
    report = await rig.refresh()
    ((what, _),) = report.failed
    assert what == "index openai"
    assert len(rig.server.sent("POST", "/files")) < 20  # those under way go on to their end
    assert (await rig.refresh()).failed == ()
    rig.is_in_line()


async def test_uploads_keep_to_what_openai_allows_in_a_minute(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.openai_engine.index.SAVED_UP", 2.0)
    rig.timing = Timing(
        pauses=(0.0,), first_look=0.0, longest_look=0.0, patience=5.0, uploads_per_second=50.0
    )
    rig.source.pages = {f"https://d/{n}": f"text of {n}" for n in range(12)}
    clock = asyncio.get_running_loop()
    began = clock.time()
    await rig.refresh()
    assert clock.time() - began >= 10 / 50
    rig.is_in_line()


async def test_an_unchanged_refresh_asks_openai_only_whether_the_vector_store_is_there(
    rig: Rig,
) -> None:
    await rig.refresh()
    rig.server.requests.clear()
    assert (await rig.refresh()).unchanged == 3
    (request,) = rig.server.requests
    assert (request.method, request.path[:15]) == ("GET", "/vector_stores/")

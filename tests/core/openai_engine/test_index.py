"""The index at OpenAI: pages become files in a vector store, and leave no rest behind."""

import pytest
from openai import AsyncOpenAI

from core.documents import Document
from core.errors import EngineBusy, EngineError, EngineRefused, EngineUnreachable, IndexRefused
from core.openai_engine.documents import file_attributes, file_content, file_name
from core.openai_engine.index import OpenAIIndex
from servers.faults import Fault
from servers.openai_faults import error, html_page, out_of_quota, rate_limited, server_error
from servers.openai_rig import (
    IMPATIENT,
    Remembered,
    held,
    make_index,
    page,
    pages,
    uploaded,
)
from servers.openai_server import OpenAIServer


def document(ref: str) -> Document:
    return Document(index="openai", url="https://docs.example/", title="", hash="", ref=ref)


# --- putting pages --------------------------------------------------------------------------------


async def test_a_page_is_uploaded_attached_and_found(
    server: OpenAIServer, client: AsyncOpenAI, index: OpenAIIndex, remembered: Remembered
) -> None:
    (ref,) = await index.put([page()])
    assert isinstance(ref, str)
    assert server.files.all[ref].content == file_content(page())
    assert server.files.all[ref].purpose == "assistants"
    assert remembered.id is not None
    found = await client.vector_stores.search(remembered.id, query="Installing")
    assert [(hit.file_id, hit.attributes) for hit in found.data] == [(ref, file_attributes(page()))]


async def test_many_pages_are_one_batch_and_come_back_in_order(
    server: OpenAIServer, index: OpenAIIndex
) -> None:
    given = pages(index.batch_size)
    refs = await index.put(given)
    names = [server.files.all[ref].name for ref in refs if isinstance(ref, str)]
    assert names == [file_name(one) for one in given]
    (batch,) = server.sent("POST", "/vector_stores/*/file_batches")
    chunking = [file["chunking_strategy"]["type"] for file in batch.json["files"]]
    assert chunking == ["static"] * len(given)


async def test_nothing_to_put_asks_openai_nothing(server: OpenAIServer, index: OpenAIIndex) -> None:
    assert await index.put([]) == []
    assert server.requests == []


async def test_a_page_without_text_is_put_too(index: OpenAIIndex) -> None:
    (ref,) = await index.put([page(markdown="", title="")])
    assert isinstance(ref, str)


@pytest.mark.parametrize(
    "fault",
    [rate_limited(retry_after="0"), html_page()],
    ids=["busy", "html"],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/vector_stores/vs_*"),
        ("POST", "/vector_stores"),
        ("POST", "/files"),
        ("POST", "/vector_stores/*/file_batches"),
        ("GET", "/vector_stores/*/file_batches/*"),
        ("GET", "/vector_stores/*/file_batches/*/files"),
    ],
)
async def test_a_request_that_fails_once_is_made_again(
    server: OpenAIServer, index: OpenAIIndex, fault: Fault, method: str, path: str
) -> None:
    server.fault(method, path, fault)
    (ref,) = await index.put([page()])
    assert isinstance(ref, str)
    assert uploaded(server) == [file_name(page())]


@pytest.mark.parametrize(
    ("fault", "expected", "tries"),
    [
        (rate_limited(retry_after="0"), EngineBusy, 3),
        (rate_limited(retry_after="61"), EngineBusy, 1),
        (server_error(), EngineUnreachable, 3),
        (out_of_quota(), EngineRefused, 1),
        (error(401, "No.", "invalid_api_key", "x"), EngineRefused, 1),
    ],
    ids=["busy", "busy for long", "500", "quota", "401"],
)
async def test_patience_has_an_end_and_what_cannot_get_better_is_not_repeated(
    server: OpenAIServer,
    index: OpenAIIndex,
    fault: Fault,
    expected: type[EngineError],
    tries: int,
) -> None:
    server.fault("POST", "/files", *[fault] * 10)
    with pytest.raises(expected):
        await index.put([page()])
    assert len(server.sent("POST", "/files")) == tries


async def test_what_was_uploaded_is_deleted_where_attaching_fails(
    server: OpenAIServer, index: OpenAIIndex
) -> None:
    server.fault("POST", "/vector_stores/*/file_batches", *[server_error()] * 3)
    with pytest.raises(EngineUnreachable):
        await index.put(pages(3))
    assert len(server.sent("POST", "/files")) == 3
    assert uploaded(server) == []


async def test_an_error_that_comes_out_of_many_uploads_keeps_its_cause(
    server: OpenAIServer, index: OpenAIIndex
) -> None:
    server.fault("POST", "/files", *[error(401, "No.", "invalid_api_key", "x")] * 20)
    with pytest.raises(EngineRefused) as refused:
        await index.put(pages(20))
    assert refused.value.__cause__ is not None
    assert len(server.sent("POST", "/files")) < 20


async def test_a_file_that_is_refused_does_not_stop_the_others(
    server: OpenAIServer, index: OpenAIIndex
) -> None:
    odd = [error(status, "Too odd.", f"odd_{status}", "x") for status in (400, 413, 415, 422)]
    server.fault("POST", "/files", *odd)
    results = await index.put(pages(6))
    refused = {str(result) for result in results if isinstance(result, IndexRefused)}
    assert refused == {f"OpenAI did not take the file (odd_{n})." for n in (400, 413, 415, 422)}
    assert list(held(server).values()) == ["completed", "completed"]


async def test_if_every_file_is_refused_nothing_is_attached(
    server: OpenAIServer, index: OpenAIIndex
) -> None:
    server.fault("POST", "/files", *[error(400, "Too odd.", None, "x")] * 2)
    results = await index.put(pages(2))
    assert [str(result) for result in results] == ["OpenAI did not take the file (400)."] * 2
    assert server.sent("POST", "/vector_stores/*/file_batches") == []


async def test_a_page_that_cannot_be_indexed_says_why_and_leaves_nothing_behind(
    server: OpenAIServer, index: OpenAIIndex
) -> None:
    server.indexing.fail["page-1-"] = "invalid_file"
    first, second, third = await index.put(pages(3))
    assert isinstance(first, str)
    assert isinstance(second, IndexRefused)
    assert str(second) == "OpenAI could not index it (invalid_file)."
    assert isinstance(third, str)
    assert not any("page-1-" in name for name in [*held(server), *uploaded(server)])
    assert len(held(server)) == len(uploaded(server)) == 2


async def test_a_page_that_is_lost_on_the_way_is_noticed(
    server: OpenAIServer, index: OpenAIIndex
) -> None:
    server.indexing.lose.add("page-0-")
    lost, kept = await index.put(pages(2))
    assert isinstance(lost, IndexRefused)
    assert isinstance(kept, str)
    assert len(uploaded(server)) == 1


async def test_a_page_that_is_never_done_is_given_up_and_taken_back(
    server: OpenAIServer, client: AsyncOpenAI, remembered: Remembered
) -> None:
    server.indexing.stuck.add("page-1-")
    done, stuck = await make_index(client, remembered, IMPATIENT).put(pages(2))
    assert isinstance(done, str)
    assert isinstance(stuck, IndexRefused)
    assert "still being indexed" in str(stuck)
    assert list(held(server).values()) == ["completed"]
    assert len(uploaded(server)) == 1


async def test_cleaning_up_that_fails_does_not_hide_the_result(
    server: OpenAIServer, index: OpenAIIndex, caplog: pytest.LogCaptureFixture
) -> None:
    server.indexing.fail["page-0-"] = "server_error"
    server.fault("DELETE", "/vector_stores/*/files/*", *[server_error()] * 3)
    refused, kept = await index.put(pages(2))
    assert isinstance(refused, IndexRefused)
    assert isinstance(kept, str)
    assert "Files were left behind" in caplog.text


async def test_cleaning_up_goes_on_after_a_file_that_stays(
    server: OpenAIServer, index: OpenAIIndex, caplog: pytest.LogCaptureFixture
) -> None:
    server.fault("POST", "/vector_stores/*/file_batches", *[server_error()] * 3)
    server.fault("DELETE", "/files/*", server_error())
    with pytest.raises(EngineUnreachable):
        await index.put(pages(20))
    assert len(uploaded(server)) == 1
    (warning,) = [record for record in caplog.records if "left behind" in record.message]
    assert vars(warning)["files"] == 1


@pytest.mark.parametrize("missing_status", [400, 404])
async def test_cleaning_up_after_an_upload_detaches_nothing_that_was_never_attached(
    server: OpenAIServer, index: OpenAIIndex, missing_status: int
) -> None:
    server.missing_status = missing_status
    await index.prepare()
    server.fault("POST", "/files", *[Fault()] * 5, error(401, "No.", "invalid_api_key", "x"))
    with pytest.raises(EngineRefused):
        await index.put(pages(6))
    assert len(server.sent("DELETE", "/files/*")) >= 1
    assert uploaded(server) == []
    assert server.sent("DELETE", "/vector_stores/*") == []


async def test_cleaning_up_deletes_files_that_the_vector_store_never_had(
    server: OpenAIServer, index: OpenAIIndex
) -> None:
    server.missing_status = 400
    server.indexing.lose.add("page-0-")
    lost, kept = await index.put(pages(2))
    assert isinstance(lost, IndexRefused)
    assert list(server.files.all) == [kept]


async def test_an_old_copy_stays_until_it_is_removed(
    server: OpenAIServer, index: OpenAIIndex
) -> None:
    (old,) = await index.put([page()])
    (new,) = await index.put([page(markdown="Run uv.")])
    assert old != new
    assert set(server.files.all) == {old, new}


# --- removing documents ---------------------------------------------------------------------------


async def test_removing_detaches_and_deletes(server: OpenAIServer, index: OpenAIIndex) -> None:
    keep, *drop = await index.put(pages(20))
    await index.remove([document(str(ref)) for ref in drop])
    assert list(server.files.all) == [keep]
    assert len(held(server)) == 1


@pytest.mark.parametrize("missing_status", [400, 404])
async def test_removing_what_is_gone_is_no_error(
    server: OpenAIServer, index: OpenAIIndex, missing_status: int
) -> None:
    server.missing_status = missing_status
    (ref,) = await index.put([page()])
    for _ in range(2):
        await index.remove([document(str(ref)), document("file-never-seen")])
    assert uploaded(server) == []


@pytest.mark.parametrize("missing_status", [400, 404])
async def test_a_file_is_deleted_where_only_the_vector_store_has_let_go_of_it(
    server: OpenAIServer, index: OpenAIIndex, remembered: Remembered, missing_status: int
) -> None:
    server.missing_status = missing_status
    (ref,) = await index.put([page()])
    remembered.id = "vs_gone"
    await index.remove([document(str(ref))])
    assert uploaded(server) == []
    (ref,) = await index.put([page()])
    remembered.id = None
    await index.remove([document(str(ref))])
    assert uploaded(server) == []


async def test_removing_is_tried_again_and_then_raises(
    server: OpenAIServer, index: OpenAIIndex
) -> None:
    (ref,) = await index.put([page()])
    server.fault("DELETE", "/files/*", server_error())
    await index.remove([document(str(ref))])
    assert uploaded(server) == []
    server.fault("DELETE", "/files/*", *[server_error()] * 3)
    with pytest.raises(EngineUnreachable):
        await index.remove([document(str(ref))])


@pytest.mark.parametrize(
    ("fault", "expected", "tries"),
    [
        (server_error(), EngineUnreachable, 3),
        (error(403, "No.", None, "x"), EngineRefused, 1),
    ],
    ids=["500", "403"],
)
async def test_one_document_that_stays_keeps_none_of_the_others(
    server: OpenAIServer,
    index: OpenAIIndex,
    fault: Fault,
    expected: type[EngineError],
    tries: int,
) -> None:
    refs = [str(ref) for ref in await index.put(pages(20))]
    stays = min(refs)
    server.fault("DELETE", f"/files/{stays}", *[fault] * 3)
    with pytest.raises(expected):
        await index.remove([document(ref) for ref in refs])
    assert list(server.files.all) == [stays]
    assert len(server.sent("DELETE", f"/files/{stays}")) == tries
    assert len(server.sent("DELETE", "/files/*")) == 19 + tries


async def test_removing_stops_where_the_server_asks_for_a_long_pause(
    server: OpenAIServer, index: OpenAIIndex
) -> None:
    refs = await index.put(pages(20))
    server.fault("DELETE", "/vector_stores/*/files/*", *[rate_limited(retry_after="61")] * 20)
    with pytest.raises(EngineBusy):
        await index.remove([document(str(ref)) for ref in refs])
    assert len(server.sent("DELETE", "/vector_stores/*/files/*")) < 20


async def test_closing_twice_is_no_error(index: OpenAIIndex) -> None:
    await index.put([page()])
    await index.close()
    await index.close()

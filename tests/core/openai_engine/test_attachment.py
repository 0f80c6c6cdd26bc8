"""Files on their way into a vector store: in a batch, and one by one where that loses some."""

from dataclasses import replace

import pytest
from openai import AsyncOpenAI

from core.errors import EngineUnreachable, IndexRefused
from core.openai_engine.documents import file_name
from core.openai_engine.index import OpenAIIndex
from core.openai_engine.patience import Timing
from servers.faults import Fault
from servers.openai_faults import error, html_page, rate_limited, server_error
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

# --- in a batch ----------------------------------------------------------------------------------


async def test_the_batch_is_looked_at_until_it_is_done(
    server: OpenAIServer, index: OpenAIIndex
) -> None:
    server.indexing.looks = 4
    (ref,) = await index.put([page()])
    assert isinstance(ref, str)
    assert len(server.sent("GET", "/vector_stores/*/file_batches/vsfb_*")) >= 4


async def test_the_server_may_say_when_to_look_again(
    server: OpenAIServer, client: AsyncOpenAI, remembered: Remembered
) -> None:
    server.indexing.looks = 3
    server.indexing.poll_after_ms = 1
    hourly = Timing(first_look=3600.0, longest_look=3600.0, patience=7200.0)
    (ref,) = await make_index(client, remembered, hourly).put([page()])
    assert isinstance(ref, str)


async def test_looking_goes_on_while_looks_fail_and_then_ends_in_an_error(
    server: OpenAIServer, client: AsyncOpenAI, remembered: Remembered
) -> None:
    server.fault("GET", "/vector_stores/*/file_batches/*", *[server_error()] * 100)
    # At most 20 looks in this time: more of them fail than there can be.
    seldom = replace(IMPATIENT, first_look=0.05, longest_look=0.05)
    with pytest.raises(EngineUnreachable):
        await make_index(client, remembered, seldom).put([page()])
    assert uploaded(server) == []


@pytest.mark.parametrize("body", ["null", "[]", "3"])
async def test_a_reply_that_is_no_list_is_asked_for_again(
    server: OpenAIServer, index: OpenAIIndex, body: str
) -> None:
    fault = Fault(status=200, body=body, content_type="application/json")
    server.fault("GET", "/vector_stores/*/file_batches/*/files", fault)
    (ref,) = await index.put([page()])
    assert isinstance(ref, str)


async def test_a_server_that_repeats_the_first_page_of_a_list_does_not_hold_us(
    server: OpenAIServer, index: OpenAIIndex
) -> None:
    entry = {"id": "file-other", "object": "vector_store.file", "status": "completed"}
    listed = Fault(status=200, body={"object": "list", "data": [entry], "has_more": True})
    server.fault("GET", "/vector_stores/*/file_batches/*/files", *[listed] * 100)
    await index.put([page()])
    assert len(server.sent("GET", "/vector_stores/*/file_batches/*/files")) == 2


async def test_more_files_than_a_list_shows_at_once_are_all_accounted_for(
    server: OpenAIServer, index: OpenAIIndex
) -> None:
    results = await index.put(pages(205))
    assert all(isinstance(result, str) for result in results)
    assert len(server.sent("GET", "/vector_stores/*/file_batches/*/files")) == 3


# --- one by one ----------------------------------------------------------------------------------


async def test_a_batch_that_takes_everything_is_all_that_is_sent(
    server: OpenAIServer, index: OpenAIIndex
) -> None:
    await index.put(pages(3))
    assert server.sent("POST", "/vector_stores/*/files") == []


async def test_files_that_a_batch_passes_over_are_attached_one_by_one(
    server: OpenAIServer, index: OpenAIIndex
) -> None:
    server.indexing.lose_in_batches.add("")  # every file
    server.indexing.looks = 3
    given = pages(20)
    refs = await index.put(given)
    assert [server.files.all[str(ref)].name for ref in refs] == [file_name(one) for one in given]
    assert list(held(server).values()) == ["completed"] * 20
    (batch,) = server.sent("POST", "/vector_stores/*/file_batches")
    one_by_one = server.sent("POST", "/vector_stores/*/files")
    assert sorted(one.json["file_id"] for one in one_by_one) == sorted(map(str, refs))
    assert {str(one.json) for one in one_by_one} == {str(one) for one in batch.json["files"]}


async def test_only_what_a_batch_has_lost_is_attached_again(
    server: OpenAIServer, index: OpenAIIndex
) -> None:
    server.indexing.lose_in_batches.add("page-1-")
    refs = await index.put(pages(3))
    (again,) = server.sent("POST", "/vector_stores/*/files")
    assert again.json["file_id"] == refs[1]
    assert len(held(server)) == len(uploaded(server)) == 3


@pytest.mark.parametrize("body", ['{"data": [null, "x"], "has_more": true}', '{"data": null}'])
async def test_a_list_without_the_file_is_not_the_last_word(
    server: OpenAIServer, index: OpenAIIndex, body: str
) -> None:
    fault = Fault(status=200, body=body, content_type="application/json")
    server.fault("GET", "/vector_stores/*/file_batches/*/files", fault)
    (ref,) = await index.put([page()])
    assert list(server.files.all) == [ref]
    assert len(server.sent("POST", "/vector_stores/*/files")) == 1


async def test_what_becomes_of_a_file_that_is_attached_alone_is_told_apart(
    server: OpenAIServer, client: AsyncOpenAI, remembered: Remembered
) -> None:
    server.indexing.lose_in_batches.add("")
    server.indexing.fail["page-1-"] = "invalid_file"
    server.indexing.stuck.add("page-2-")
    server.indexing.lose.add("page-3-")
    done, failed, stuck, lost = await make_index(client, remembered, IMPATIENT).put(pages(4))
    assert isinstance(done, str)
    assert str(failed) == "OpenAI could not index it (invalid_file)."
    assert "still being indexed" in str(stuck)
    assert str(lost) == "OpenAI did not take it into the vector store."
    assert list(server.files.all) == [done]
    assert list(held(server).values()) == ["completed"]


@pytest.mark.parametrize("status", [400, 404, 422])
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_file_that_cannot_be_attached_alone_does_not_stop_the_others(
    server: OpenAIServer, index: OpenAIIndex, method: str, status: int
) -> None:
    server.indexing.lose_in_batches.add("")
    path = "/vector_stores/*/files" if method == "POST" else "/vector_stores/*/files/*"
    server.fault(method, path, error(status, "Too odd.", None, "x"))
    results = await index.put(pages(3))
    refused = [str(result) for result in results if isinstance(result, IndexRefused)]
    assert refused == ["OpenAI did not take it into the vector store."]
    assert len(held(server)) == len(uploaded(server)) == 2


@pytest.mark.parametrize(
    "fault",
    [rate_limited(retry_after="0"), server_error(), html_page()],
    ids=["busy", "500", "html"],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_request_about_one_file_that_fails_once_is_made_again(
    server: OpenAIServer, index: OpenAIIndex, fault: Fault, method: str
) -> None:
    server.indexing.lose_in_batches.add("")
    server.fault(method, "/vector_stores/*/files*", fault)
    (ref,) = await index.put([page()])
    assert isinstance(ref, str)


async def test_what_was_uploaded_is_deleted_where_attaching_one_by_one_fails(
    server: OpenAIServer, index: OpenAIIndex
) -> None:
    server.indexing.lose_in_batches.add("")
    server.fault("POST", "/vector_stores/*/files", *[server_error()] * 9)
    with pytest.raises(EngineUnreachable):
        await index.put(pages(3))
    assert uploaded(server) == []
    assert held(server) == {}

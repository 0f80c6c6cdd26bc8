"""The end of a response is read as the SDK reads it, and whatever stands in it."""

from typing import Any

import pytest
from openai.types.responses import Response

from core.openai_engine.answers import read_items
from core.openai_engine.calls import wanted
from core.openai_engine.ends import ended_of
from core.openai_engine.transcript import calls_without_output

SEARCH = {
    "id": "fs_1",
    "type": "file_search_call",
    "status": "completed",
    "queries": ["colour"],
    "results": [
        {"file_id": "file-1", "filename": "a.md", "score": 0.5, "text": "It is blue.",
         "attributes": {"url": "https://docs.example.com/a", "title": "A"}},
    ],
}  # fmt: skip
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [
        {"type": "output_text", "text": "It is blue. ", "logprobs": [], "annotations": [
            {"type": "file_citation", "index": 11, "file_id": "file-1", "filename": "a.md"},
            {"type": "url_citation", "start_index": 0, "end_index": 2, "title": "B",
             "url": "https://example.com/b"},
        ]},
        {"type": "refusal", "refusal": "No more than that."},
    ],
}  # fmt: skip
CALL = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
ASKED = {
    "id": "mcpr_1",
    "type": "mcp_approval_request",
    "name": "g",
    "arguments": "{}",
    "server_label": "s",
}
APPROVED = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
OTHERS = [{"type": "reasoning", "id": "rs_1", "summary": []}, {"type": "new", "x": 1}]


@pytest.mark.parametrize(
    "output",
    [
        [],
        [MESSAGE],
        [SEARCH, *OTHERS, MESSAGE],
        [CALL, ASKED],
        [ASKED, APPROVED],
        [MESSAGE | {"phase": "commentary"}, MESSAGE],
        [MESSAGE | {"content": None}, SEARCH | {"results": None}],
        [MESSAGE | {"content": ["text", {"type": "unknown"}]}],
        [None, "text", {"type": ["message"]}, {}],
    ],
)
def test_what_it_put_out_is_read_as_the_sdk_reads_it(output: list[Any]) -> None:
    theirs = Response.construct(id="resp_1", status="completed", output=output)
    ours = ended_of({"id": "resp_1", "status": "completed", "output": output})
    assert read_items(ours.output) == read_items(theirs.output)
    assert ours.status == "completed"


def test_why_it_failed_or_is_incomplete_is_told() -> None:
    failed = ended_of({"status": "failed", "error": {"code": "server_error", "message": "x"}})
    assert failed.error == {"code": "server_error", "message": "x"}
    short = ended_of({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}})
    assert short.reason == "content_filter"


@pytest.mark.parametrize("junk", [None, "text", 1, [1]])
def test_what_is_not_as_it_should_be_counts_as_nothing(junk: Any) -> None:
    ended = ended_of({"status": junk, "output": {}, "error": junk, "incomplete_details": junk})
    assert (ended.status, list(ended.output), ended.error, ended.reason) == (junk, [], {}, None)


@pytest.mark.parametrize("key", ["_fields_set", "_BaseModel__cls"])
@pytest.mark.parametrize("junk", [None, "text", 1, [1]])
def test_an_item_with_keys_that_the_sdk_stumbles_over_hides_no_other(key: str, junk: Any) -> None:
    odd = MESSAGE | {key: junk}
    inside = MESSAGE | {"content": [{"type": "output_text", "text": "x", key: junk}]}
    reading = read_items(ended_of({"output": [CALL | {key: junk}, odd, inside, MESSAGE]}).output)
    assert reading.text.endswith("It is blue. No more than that.")


@pytest.mark.parametrize("odd", [None, 1, [], ["call_1"], {"call": 1}], ids=repr)
def test_a_call_without_an_id_is_none_for_nobody_could_tell_what_came_of_it(odd: Any) -> None:
    calls = [CALL | {"call_id": odd}, ASKED | {"id": odd}, CALL]
    items = ended_of({"output": calls}).output
    assert [call.id for call in wanted(items)] == ["call_1"]
    assert calls_without_output(items) == ["call_1"]


@pytest.mark.parametrize("odd", [None, 1, [], {"x": 1}], ids=repr)
def test_what_is_no_text_in_a_call_is_none(odd: Any) -> None:
    calls = [CALL | {"name": odd, "arguments": odd}, ASKED | {"name": odd, "server_label": odd}]
    ours, theirs = wanted(ended_of({"output": calls}).output)
    assert (ours.name, ours.arguments, ours.server) == ("", "", "")
    assert (theirs.name, theirs.arguments, theirs.server) == ("", "{}", "?")

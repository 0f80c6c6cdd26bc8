"""Events are read off the wire, however it is cut into pieces."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx2
import openai
import pytest

from core.errors import EngineUnreachable
from core.openai_engine import events
from core.openai_engine.events import WireEvents, shown_in

ONE, TWO = {"type": "a", "delta": "é\u2028"}, {"type": "b", "n": 2}


class Pieces(httpx2.AsyncByteStream):
    """A body that comes in these pieces, and ends as `end` says."""

    def __init__(self, pieces: Sequence[bytes], end: Exception | None = None) -> None:
        self._pieces = pieces
        self._end = end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._end is not None:
            raise self._end


def stream_of(pieces: Sequence[bytes], end: Exception | None = None) -> WireEvents:
    request = httpx2.Request("GET", "https://api.example.com/v1/responses")
    return WireEvents(httpx2.Response(200, stream=Pieces(pieces, end), request=request))


async def read(pieces: Sequence[bytes], end: Exception | None = None) -> list[Any]:
    return [event async for event in stream_of(pieces, end)]


def wire(*events: dict[str, Any], line_end: str = "\n") -> bytes:
    lines = [
        line
        for event in events
        for line in (f"event: {event['type']}", f"data: {json.dumps(event)}", "")
    ]
    return (line_end.join(lines) + line_end).encode()


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
async def test_events_are_read_whatever_pieces_they_come_in(size: int, line_end: str) -> None:
    raw = wire(ONE, TWO, line_end=line_end)
    pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
    assert await read(pieces) == [ONE, TWO]


async def test_comments_and_other_fields_are_passed_over_and_done_ends_it() -> None:
    raw = b": hello\n\nretry: 10\nid: 4\n" + wire(ONE) + b"data: [DONE]\n\n" + wire(TWO)
    assert await read([raw]) == [ONE]


async def test_data_in_several_lines_is_one_event() -> None:
    assert await read([b'data: {"type":\ndata:  "a"}\n\n']) == [{"type": "a"}]


async def test_an_event_without_its_end_does_not_count() -> None:
    assert await read([wire(ONE), b'data: {"type": "b"}\n']) == [ONE]


async def test_an_error_in_a_stream_is_one_of_the_sdk_without_its_words() -> None:
    said = {"type": "x", "error": {"message": "sk-secret"}}
    with pytest.raises(openai.APIError) as caught:
        await read([wire(said)])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (httpx2.ReadTimeout("silent"), openai.APITimeoutError),
        (httpx2.ReadError("broken"), openai.APIConnectionError),
    ],
)
async def test_a_stream_that_breaks_is_a_connection_that_breaks(
    end: Exception, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        await read([wire(ONE)], end)


@pytest.mark.parametrize(
    "data", [b"<html>", b"\xff", b"[" * 100_000], ids=["page", "bytes", "deep"]
)
async def test_what_is_no_json_is_unreachable(data: bytes) -> None:
    with pytest.raises(EngineUnreachable):
        await read([b"data: %s\n\n" % data])


@pytest.mark.parametrize(
    ("pieces", "gathered"),
    [
        ([wire(ONE), wire(TWO)], [True, True]),
        ([wire(ONE) + b"data: {", b"}\n\n"], [False, True]),
        ([wire(ONE) + b"data: {\n", b"data: }\n\n"], [False, True]),
    ],
    ids=["whole", "half a line", "half an event"],
)
async def test_while_events_flow_they_are_gathered_but_the_rest_of_one_does_not_wait(
    pieces: Sequence[bytes], gathered: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    monkeypatch.setattr(events, "gather", lambda _, *, wanted: found.append(wanted))
    stream = stream_of(pieces)
    stream.flows = True
    assert len([event async for event in stream]) == 2
    assert found == gathered


async def test_closing_twice_does_nothing() -> None:
    events = stream_of([wire(ONE, TWO)])
    async for event in events:
        assert event == ONE
        break
    await events.aclose()
    await events.aclose()


def test_a_response_is_found_where_there_is_one() -> None:
    assert shown_in({"type": "a"}) is None
    shown = {"id": "resp_1", "output": []}
    assert shown_in({"type": "response.completed", "response": shown}) == shown


@pytest.mark.parametrize("shown", [{}, {"id": ""}, {"id": 1}, "resp_1", [1]])
def test_a_response_that_is_none_is_unreachable(shown: Any) -> None:
    with pytest.raises(EngineUnreachable):
        shown_in({"type": "response.completed", "response": shown})

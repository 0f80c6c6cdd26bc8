"""Streams that are not quite as OpenAI's: their end stays open, or their events have no numbers."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from core.domain import RunId
from core.openai_engine import streams, transport
from core.openai_engine.client import OpenAIClient, make_client
from core.openai_engine.streams import Streams
from core.settings import OpenAISettings

RUN = RunId("resp_1")
BOUND = 60.0  # seconds after which something hangs

Write = Callable[[web.StreamResponse], Awaitable[None]]


class Speaker:
    """A server whose streams are written by the test, one after the other."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.connections = set[object]()
        self.released = asyncio.Event()  #: set at the end of the test: what hangs, ends
        app = web.Application()
        app.router.add_get("/v1/responses/{run}", self._answer)
        self.server = TestServer(app)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.connections.add(request.transport)
        reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await reply.prepare(request)
        await self.writes.pop(0)(reply)
        return reply


@pytest.fixture
async def speaker() -> AsyncIterator[Speaker]:
    speaker = Speaker()
    async with speaker.server:
        yield speaker
        speaker.released.set()


@pytest.fixture
async def client(speaker: Speaker) -> AsyncIterator[OpenAIClient]:
    address = str(speaker.server.make_url("/v1"))
    async with make_client(OpenAISettings(api_key="sk-test", base_url=address)) as ours:
        yield ours


@pytest.fixture(autouse=True)
def _never_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SILENCE", 3_600.0)
    monkeypatch.setattr(streams, "FIRST_PAUSE", 0.001)


def sse(*said: dict[str, Any]) -> bytes:
    return b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in said)


def word(text: str, **more: Any) -> dict[str, Any]:
    where = {"output_index": 0, "content_index": 0}
    return {"type": "response.output_text.delta", "delta": text, **where, **more}


def end(status: str = "completed", **more: Any) -> dict[str, Any]:
    shown = {"id": RUN, "status": status, "output": []}
    return {"type": f"response.{status}", "response": shown, **more}


async def hear(heard: Streams) -> list[str]:
    async with asyncio.timeout(BOUND):
        return [written() async for written in heard.listen(RUN)]


@pytest.mark.parametrize("status", ["completed", "failed", "incomplete", "cancelled"])
async def test_the_end_is_told_though_the_server_leaves_the_stream_open(
    speaker: Speaker, client: OpenAIClient, status: str
) -> None:
    async def write(reply: web.StreamResponse) -> None:
        late = word("Never mind.", sequence_number=3)
        said = word("Hello", sequence_number=1), end(status, sequence_number=2), late
        await reply.write(sse(*said))
        await speaker.released.wait()

    speaker.writes = [write]
    heard = Streams(client)
    assert await hear(heard) == ["Hello", "Hello"]
    assert heard._listened == 0
    ended = heard.ended(RUN)
    assert ended is not None
    assert ended.status == status


async def test_the_end_is_told_over_the_sdks_own_transport_too(
    speaker: Speaker, client: OpenAIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def write(reply: web.StreamResponse) -> None:
        await reply.write(sse(word("Hello", sequence_number=1), end(sequence_number=2)))
        await speaker.released.wait()

    speaker.writes = [write]
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    settings = OpenAISettings(api_key="sk-test", base_url=str(client.base_url))
    async with make_client(settings) as theirs:
        assert theirs.transport is None
        heard = Streams(theirs)
        assert await hear(heard) == ["Hello", "Hello"]
        assert heard.ended(RUN) is not None


async def test_nothing_is_left_running_when_the_end_was_told(
    speaker: Speaker, client: OpenAIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def write(reply: web.StreamResponse) -> None:
        await reply.write(sse(word("Hello", sequence_number=1), end(sequence_number=2)))
        await speaker.released.wait()

    monkeypatch.setattr(transport, "LAST_SECONDS", 3_600.0)
    speaker.writes = [write]
    made = list[object]()
    loop = asyncio.get_running_loop()
    listening = Streams(client).listen(RUN)
    async with asyncio.timeout(BOUND):
        await anext(listening)

        def factory(loop: asyncio.AbstractEventLoop, coro: Any, **more: Any) -> asyncio.Task[Any]:
            made.append(coro)
            return asyncio.Task(coro, loop=loop, **more)

        loop.set_task_factory(factory)
        async for _ in listening:
            pass
        await asyncio.sleep(0)
    loop.set_task_factory(None)
    assert made == []


async def test_an_end_without_a_response_leaves_the_run_to_be_looked_at(
    speaker: Speaker, client: OpenAIClient
) -> None:
    async def write(reply: web.StreamResponse) -> None:
        odd = {"type": "response.completed", "sequence_number": 2}
        await reply.write(sse(word("Hello", sequence_number=1), odd))
        await speaker.released.wait()

    speaker.writes = [write]
    heard = Streams(client)
    assert await hear(heard) == ["Hello"]
    assert heard.ended(RUN) is None


async def test_events_without_numbers_are_shown_once_though_they_are_told_twice(
    speaker: Speaker, client: OpenAIClient
) -> None:
    async def break_off(reply: web.StreamResponse) -> None:
        await reply.write(sse(word("Hello "), word("world ")))

    async def tell_all(reply: web.StreamResponse) -> None:
        await reply.write(sse(word("Hello "), word("world "), word("again."), end()))

    speaker.writes = [break_off, tell_all]
    heard = await hear(Streams(client))
    assert heard[:2] == ["Hello", "Hello world"]
    assert heard[-1] == "Hello world again."


async def test_an_event_that_nests_too_deeply_ends_the_listening(
    speaker: Speaker, client: OpenAIClient
) -> None:
    async def write(reply: web.StreamResponse) -> None:
        await reply.write(sse(word("Hello", sequence_number=1)))
        await reply.write(b"data: " + b"[" * 100_000 + b"\n\n")
        await speaker.released.wait()

    speaker.writes = [write]
    assert await hear(Streams(client)) == ["Hello"]

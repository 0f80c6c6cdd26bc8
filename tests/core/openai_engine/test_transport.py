"""A body that is gathered is read in large pieces, and its connection serves short replies after.

What goes over the connection when it breaks or is refused is in `test_openai_faults.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from core.openai_engine import transport
from core.openai_engine.transport import AiohttpTransport, finish, gather
from servers.waiting import until

BOUND = 30.0  # seconds after which something hangs
LARGE = b"x" * transport.GATHERED_BYTES

Write = Callable[[web.StreamResponse], Awaitable[None]]


class Speaker:
    """A server whose replies are written by the test; it counts its connections."""

    def __init__(self) -> None:
        self.write: Write = self._nothing
        self.connections = set[asyncio.Transport]()
        app = web.Application()
        app.router.add_get("/", self._answer)
        self.server = TestServer(app)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        assert isinstance(request.transport, asyncio.Transport)
        self.connections.add(request.transport)
        reply = web.StreamResponse()
        await reply.prepare(request)
        await self.write(reply)
        return reply

    async def _nothing(self, _: web.StreamResponse) -> None:
        pass


@pytest.fixture
async def speaker() -> AsyncIterator[Speaker]:
    speaker = Speaker()
    async with speaker.server:
        yield speaker


@pytest.fixture
async def ask(speaker: Speaker) -> AsyncIterator[Callable[[], Awaitable[httpx2.Response]]]:
    ours = AiohttpTransport(None)

    async def ask() -> httpx2.Response:
        request = httpx2.Request("GET", str(speaker.server.make_url("/")))
        return await ours.handle_async_request(request)

    yield ask
    await ours.aclose()


@pytest.fixture(autouse=True)
def _only_bytes_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "GATHERED_SECONDS", 3_600.0)


async def pieces_of(response: httpx2.Response, read: asyncio.Event) -> list[bytes]:
    """The pieces in which a body is read that is gathered from the first one on."""
    pieces = []
    async with asyncio.timeout(BOUND):
        async for piece in response.aiter_raw():
            pieces.append(piece)
            gather(response, wanted=True)
            read.set()
    return pieces


async def test_small_pieces_wait_for_others(
    speaker: Speaker, ask: Callable[[], Awaitable[httpx2.Response]]
) -> None:
    read = asyncio.Event()

    async def write(reply: web.StreamResponse) -> None:
        await reply.write(b"first.")
        await read.wait()
        for number in range(20):
            for _ in range(20):  # enough for the other side to read what is there
                await asyncio.sleep(0)
            await reply.write(b"%d." % number)
        await reply.write(LARGE)

    speaker.write = write
    first, second, *rest = await pieces_of(await ask(), read)
    words = b"".join(b"%d." % number for number in range(20))
    assert first == b"first."
    assert second.startswith(words), "they came one by one"
    assert b"".join([second, *rest]) == words + LARGE


async def test_what_is_little_is_read_after_a_moment(
    speaker: Speaker,
    ask: Callable[[], Awaitable[httpx2.Response]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "GATHERED_SECONDS", 0.01)
    read = asyncio.Event()

    async def write(reply: web.StreamResponse) -> None:
        for number in range(3):
            await reply.write(b"%d." % number)
            await read.wait()
            read.clear()

    speaker.write = write
    assert await pieces_of(await ask(), read) == [b"0.", b"1.", b"2."]


async def test_a_connection_on_which_was_gathered_serves_a_short_reply(
    speaker: Speaker, ask: Callable[[], Awaitable[httpx2.Response]]
) -> None:
    read = asyncio.Event()

    async def write_much(reply: web.StreamResponse) -> None:
        await reply.write(b"first.")
        await read.wait()
        await reply.write(LARGE)

    async def write_little(reply: web.StreamResponse) -> None:
        await reply.write(b"little")

    speaker.write = write_much
    assert b"".join(await pieces_of(await ask(), read)) == b"first." + LARGE
    speaker.write = write_little
    async with asyncio.timeout(BOUND):
        response = await ask()
        assert await response.aread() == b"little"
    assert len(speaker.connections) == 1


async def read_until_finished(response: httpx2.Response) -> list[bytes]:
    pieces = []
    async with asyncio.timeout(BOUND):
        async for piece in response.aiter_raw():
            pieces.append(piece)
            assert finish(response)
    return pieces


async def test_a_body_that_ends_soon_after_it_was_finished_gives_its_connection_back(
    speaker: Speaker,
    ask: Callable[[], Awaitable[httpx2.Response]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "LAST_SECONDS", 3_600.0)
    read = asyncio.Event()

    async def write(reply: web.StreamResponse) -> None:
        await reply.write(b"last.")
        await read.wait()
        await reply.write(b"more that nobody reads")

    speaker.write = write
    response = await ask()
    assert await read_until_finished(response) == [b"last."]
    read.set()
    theirs = response.stream._response  # type: ignore[attr-defined]
    await until(lambda: theirs.connection is None, asyncio.Event, BOUND)
    async with asyncio.timeout(BOUND):
        assert await (await ask()).aread() == b"last.more that nobody reads"
    assert len(speaker.connections) == 1


async def test_a_body_that_was_finished_and_goes_on_loses_its_connection(
    speaker: Speaker,
    ask: Callable[[], Awaitable[httpx2.Response]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "LAST_SECONDS", 0.01)
    over = asyncio.Event()

    async def write(reply: web.StreamResponse) -> None:
        await reply.write(b"last.")
        await over.wait()

    speaker.write = write
    assert await read_until_finished(await ask()) == [b"last."]
    (connection,) = speaker.connections
    await until(connection.is_closing, asyncio.Event, BOUND)
    over.set()

"""The OpenAI server's streams: the events of a response, each when its time has come.

A stream that is taken up again tells what comes after `starting_after`, as if it had never ended.
"""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator

from aiohttp import web

from servers.openai_runs import Run
from servers.openai_wire import Json

TICK = 0.005  # seconds between two looks at a run that is being streamed


async def stream(
    request: web.Request,
    run: Run,
    after: int,
    include: list[str],
    settle: Callable[[Run], None],
    stopping: asyncio.Event,
) -> web.StreamResponse:
    """Send the events of a run from the one behind `after` on, until it is over."""
    reply = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    run.streams += 1
    with contextlib.suppress(ConnectionResetError):  # nobody listens any more
        await reply.prepare(request)
        await _send_all(request, reply, run, after, include, settle, stopping)
    return reply


async def _send_all(
    request: web.Request,
    reply: web.StreamResponse,
    run: Run,
    after: int,
    include: list[str],
    settle: Callable[[Run], None],
    stopping: asyncio.Event,
) -> None:
    sent = 0
    for number, event in enumerate(_events(run, include)):
        while not run.is_over and not _is_due(run, event):
            if stopping.is_set():
                return
            await asyncio.sleep(TICK)
            settle(run)
        if run.status == "cancelled":
            return
        if number <= after:
            continue
        await _send(reply, number, event)
        sent += 1
        if run.streams == 1 and sent == run.script.breaks_after:
            assert request.transport is not None
            request.transport.abort()
            return
        if run.streams == 1 and sent == run.script.silent_after:
            await stopping.wait()
            return
    await _end(reply, run, include, settle, stopping)


async def _end(
    reply: web.StreamResponse,
    run: Run,
    include: list[str],
    settle: Callable[[Run], None],
    stopping: asyncio.Event,
) -> None:
    settle(run)
    while not run.is_over and not stopping.is_set():
        await asyncio.sleep(TICK)
        settle(run)
    if run.is_over and run.status != "cancelled":
        number = sum(1 for _ in _events(run, include))
        kind = f"response.{run.status}"
        run.is_told = True
        await _send(reply, number, {"type": kind, "response": run.shape(include)})
    await reply.write_eof()


async def _send(reply: web.StreamResponse, number: int, event: Json) -> None:
    shown = {name: value for name, value in event.items() if name != "word"}
    data = json.dumps({**shown, "sequence_number": number})
    await reply.write(f"event: {event['type']}\ndata: {data}\n\n".encode())


def _is_due(run: Run, event: Json) -> bool:
    """Whether the event may be sent: the words one after the other, all else without delay."""
    script = run.script
    word = event.get("word")
    if word is None:
        return True
    if script.pace is not None:
        return bool(word < script.pace.words)
    seconds_so_far = script.first_word_seconds + word * script.word_seconds
    return time.monotonic() >= run.started + seconds_so_far


def words(text: str) -> list[str]:
    """The text in the pieces in which it is streamed."""
    return re.findall(r"\s*\S+|\s+", text)


def seconds(run: Run) -> float:
    """How long the model takes for all of its words."""
    count = sum(len(words(part["text"])) for item in _messages(run) for part in item["content"])
    return run.script.first_word_seconds + count * run.script.word_seconds


def _messages(run: Run) -> list[Json]:
    return [item for item in run.planned or () if item["type"] == "message"]


def _events(run: Run, include: list[str]) -> Iterator[Json]:
    """All events but the last: they do not depend on how far the run is."""
    begun = run.shape(include) | {"status": "queued", "output": [], "usage": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun | {"status": "in_progress"}}
    if run.script.statuses[-1] not in ("completed", "incomplete"):
        return
    count = 0
    for place, item in enumerate(run.planned or ()):
        where = {"output_index": place, "item_id": item["id"]}
        if item["type"] != "message":
            yield from _of_other(item, where)
            continue
        empty = item | {"status": "in_progress", "content": []}
        yield {"type": "response.output_item.added", "output_index": place, "item": empty}
        for index, part in enumerate(item["content"]):
            at = where | {"content_index": index}
            blank = part | {"text": "", "annotations": []}
            yield {"type": "response.content_part.added", **at, "part": blank}
            for word in words(part["text"]):
                delta = {"delta": word, "logprobs": [], "word": count}
                yield {"type": "response.output_text.delta", **at, **delta}
                count += 1
            said = {"text": part["text"], "logprobs": [], "word": count}
            yield {"type": "response.output_text.done", **at, **said}
            yield {"type": "response.content_part.done", **at, "part": part}
        yield {"type": "response.output_item.done", "output_index": place, "item": item}


def _of_other(item: Json, where: Json) -> Iterator[Json]:
    """The events of an item that is no message."""
    place, kind = where["output_index"], item["type"]
    begun = item
    if kind in ("function_call", "mcp_call"):
        begun = item | {"arguments": "", "status": "in_progress"}
    yield {"type": "response.output_item.added", "output_index": place, "item": begun}
    if kind in ("function_call", "mcp_call"):
        written = f"response.{kind}_arguments"
        for piece in re.findall(r".{1,8}", item["arguments"], re.DOTALL):
            yield {"type": f"{written}.delta", **where, "delta": piece}
        yield {"type": f"{written}.done", **where, "arguments": item["arguments"]}
    if kind in ("web_search_call", "mcp_call"):
        searching = ("searching",) if kind == "web_search_call" else ()
        for step in ("in_progress", *searching, "completed"):
            yield {"type": f"response.{kind}.{step}", **where}
    yield {"type": "response.output_item.done", "output_index": place, "item": item}

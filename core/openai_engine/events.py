"""The events of a stream as JSON objects, read off the wire.

The SDK makes an object of its own of each word, which costs more than all else about an answer.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import openai
from openai import AsyncStream
from openai.types.responses import Response, ResponseStreamEvent

from core.errors import EngineUnreachable
from core.openai_engine.outage import NOT_USABLE
from core.openai_engine.transport import as_sdk_errors

Event = Mapping[str, Any]

_DATA = b"data:"
_DONE = b"[DONE]"


class WireEvents:
    """An open stream: iterate over it, once, or close it."""

    def __init__(self, stream: AsyncStream[ResponseStreamEvent]) -> None:
        """Take the stream over from the SDK, before anything of it was read."""
        self._response = stream.response
        self._events = self._read()

    def __aiter__(self) -> AsyncIterator[Event]:
        """What is still to come.

        Raises APIConnectionError where it breaks or falls silent, APIError where it says that
        something went wrong, ValueError for what is no JSON.
        """
        return self._events

    async def aclose(self) -> None:
        """Give the connection up, while nobody waits for an event. A second call does nothing."""
        await self._events.aclose()
        await self._response.aclose()

    async def _read(self) -> AsyncGenerator[Event, None]:
        request = self._response.request
        try:
            with as_sdk_errors(request):
                async for data in self._data():
                    if data.startswith(_DONE):
                        return
                    event = json.loads(data)
                    if not isinstance(event, dict):
                        continue
                    if event.get("error"):
                        raise openai.APIError("an error in a stream", request, body=None)
                    yield event
        finally:
            await self._response.aclose()

    async def _data(self) -> AsyncIterator[bytes]:
        """The data of each event: the lines that bear some, up to an empty one."""
        rest, data = b"", list[bytes]()
        async for chunk in self._response.aiter_bytes():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line.startswith(_DATA):
                    data.append(line[len(_DATA) :].strip())
                elif data and not line.strip():
                    yield b"\n".join(data)
                    data = []


def response_in(event: Event) -> Response | None:
    """The response as an event shows it; None where it shows none.

    Raises EngineUnreachable where it is not one.
    """
    shown = event.get("response")
    if shown is None:
        return None
    if not isinstance(shown, dict) or not shown.get("id"):
        raise EngineUnreachable(NOT_USABLE)
    return Response.construct(**shown)

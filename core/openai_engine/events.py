"""The events of a stream as JSON objects, read off the wire.

The SDK makes an object of its own of each word, which costs more than all else about an answer.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import httpx2
import openai

from core.errors import EngineUnreachable
from core.openai_engine.outage import NOT_USABLE
from core.openai_engine.replies import json_in
from core.openai_engine.transport import as_sdk_errors, finish, gather

Event = Mapping[str, Any]

_DATA = b"data:"
_DONE = b"[DONE]"


class WireEvents:
    """An open stream: iterate over it, once, or close it."""

    def __init__(self, response: httpx2.Response) -> None:
        """Take a stream over from the SDK, before anything of it was read."""
        self._response = response
        self._events = self._read()
        self.flows = False  #: set while small events come, which are better read several at once
        self._is_over = False

    def __aiter__(self) -> AsyncIterator[Event]:
        """What is still to come.

        Raises APIConnectionError where it breaks or falls silent, APIError where it says that
        something went wrong, EngineUnreachable for what is no JSON.
        """
        return self._events

    def end(self) -> None:
        """Wait for no more events: what comes after this one does not matter."""
        self._is_over = True

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
                    event = json_in(data)
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
                    if self._is_over:
                        break
            if self._is_over and not finish(self._response):
                return
            # The rest of an event is not to wait: it may be the end.
            gather(self._response, wanted=self.flows and not rest and not data)


def shown_in(event: Event) -> Mapping[str, Any] | None:
    """The response as an event shows it, which has an id; None where it shows none.

    Raises EngineUnreachable where it is not one.
    """
    shown = event.get("response")
    if shown is None:
        return None
    if not isinstance(shown, dict) or not isinstance(shown.get("id"), str) or not shown["id"]:
        raise EngineUnreachable(NOT_USABLE)
    return shown

"""What can go wrong between a client and an HTTP API, to be ordered from a server."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web
from aiohttp.typedefs import Handler


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way in which a request goes wrong. What is not set stays as it would have been."""

    delay: float = 0.0  #: seconds before anything else happens
    until: asyncio.Event | None = None  #: nothing else happens before it is set
    hang: bool = False  #: no reply ever, and no effect
    status: int | None = None  #: this reply, and no effect
    body: Any = ""  #: of that reply: text as it stands, anything else as JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None  #: of that reply; None: JSON, or plain text for a text
    drop: Literal["before", "after"] | None = None  #: the connection breaks, without effect or with

    async def apply(
        self, request: web.Request, handler: Handler, stopping: asyncio.Event
    ) -> web.StreamResponse:
        await asyncio.sleep(self.delay)
        if self.until is not None:
            await self.until.wait()
        if self.hang:
            await stopping.wait()
        if self.status is not None:
            return self._reply(self.status)
        if self.drop != "before":
            reply = await handler(request)
        if self.drop is None:
            return reply
        if request.transport is not None:  # else the client has closed the connection by itself
            request.transport.abort()
        return web.Response()

    def _reply(self, status: int) -> web.Response:
        is_text = isinstance(self.body, str)
        return web.Response(
            status=status,
            text=self.body if is_text else json.dumps(self.body),
            content_type=self.content_type or ("text/plain" if is_text else "application/json"),
            headers=dict(self.headers),
        )

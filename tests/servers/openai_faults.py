"""What can go wrong between a client and OpenAI, to be ordered from the server per endpoint."""

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
        if self.hang:
            await stopping.wait()
        if self.status is not None:
            return self._reply(self.status)
        if self.drop != "before":
            reply = await handler(request)
        if self.drop is None:
            return reply
        assert request.transport is not None
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


def error(status: int, message: str, code: str | None, kind: str, **headers: str) -> Fault:
    """A reply in OpenAI's error shape; `retry_after="2"` becomes the header Retry-After."""
    return Fault(
        status=status,
        body={"error": {"message": message, "type": kind, "param": None, "code": code}},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def rate_limited(**headers: str) -> Fault:
    message = "Rate limit reached for requests."
    return error(429, message, "rate_limit_exceeded", "requests", **headers)


def out_of_quota() -> Fault:
    message = "You exceeded your current quota, please check your plan and billing details."
    return error(429, message, "insufficient_quota", "insufficient_quota")


def server_error(status: int = 500) -> Fault:
    message = "The server had an error while processing your request. Sorry about that!"
    return error(status, message, None, "server_error")


def html_page() -> Fault:
    """A proxy's own page, with status 200: the SDK hands it out as text."""
    page = "<html><body>Checking your browser</body></html>"
    return Fault(status=200, body=page, content_type="text/html")


def broken_json() -> Fault:
    return Fault(status=200, body='{"id": "resp_', content_type="application/json")

"""Replies of OpenAI that say what went wrong, ready to be ordered, and some that come too late."""

import asyncio
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler

from servers.faults import Fault


@dataclass(frozen=True, kw_only=True)
class Late(Fault):
    """A request that takes effect, and then goes wrong in another way."""

    then: Fault

    async def apply(
        self, request: web.Request, handler: Handler, stopping: asyncio.Event
    ) -> web.StreamResponse:
        reply = await handler(request)

        async def without_effect(_: web.Request) -> web.StreamResponse:
            return reply

        return await self.then.apply(request, without_effect, stopping)


@dataclass(frozen=True, kw_only=True)
class Hold(Fault):
    """A request that is held, after its effect or before it, until somebody lets it go on."""

    effect: bool = True
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        self.released.set()

    async def apply(
        self, request: web.Request, handler: Handler, stopping: asyncio.Event
    ) -> web.StreamResponse:
        reply = await handler(request) if self.effect else None
        self.reached.set()
        await self.released.wait()
        return reply or await handler(request)


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


def too_long() -> Fault:
    message = "Your input exceeds the context window of this model. Please adjust your input."
    return error(400, message, "context_length_exceeded", "invalid_request_error")


def open_call(call: str = "call_lost") -> Fault:
    message = f"No tool output found for function call {call}."
    return error(400, message, None, "invalid_request_error")


def server_error(status: int = 500) -> Fault:
    message = "The server had an error while processing your request. Sorry about that!"
    return error(status, message, None, "server_error")


def html_page() -> Fault:
    """A proxy's own page, with status 200: the SDK hands it out as text."""
    page = "<html><body>Checking your browser</body></html>"
    return Fault(status=200, body=page, content_type="text/html")


def broken_json() -> Fault:
    return Fault(status=200, body='{"id": "resp_', content_type="application/json")

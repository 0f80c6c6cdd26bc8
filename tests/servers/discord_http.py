"""How the loopback Discord serves HTTP: authorisation, errors, rate limits, calls that go wrong.

What the calls do stands in `discord_rest`.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from aiohttp import web

from servers.discord_world import Json, Refusal

PREFIX: Final = "/api/v10"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """How one call goes wrong."""

    status: int = 0
    code: int = 0
    retry_after: float | None = None  #: seconds; makes it a 429
    for_all: bool = False  #: the rate limit is global
    drop: Literal["", "before", "after"] = ""  #: the connection, before or after the call's effect
    until: asyncio.Event | None = None  #: nothing happens before it is set
    body: str | None = None  #: instead of JSON


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request as it came."""

    method: str
    route: str  #: with names for ids, without the prefix
    path: str
    body: Json


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A reply of the API."""

    status: int = 200
    body: Any = None


Handler = Callable[[web.Request, Json], Awaitable[Answer]]


class Front:
    """Stands before the handlers. `changed` is called before and after each request."""

    def __init__(self, token: str, changed: Callable[[], None]) -> None:
        self._token = token
        self._changed = changed
        self._faults: dict[tuple[str, str], list[Fault]] = {}
        self.calls: list[Call] = []

    def fail(self, method: str, route: str, *faults: Fault) -> None:
        """Let the next calls of a route go wrong, one fault each."""
        self._faults.setdefault((method, route), []).extend(faults)

    def route(self, method: str, route: str, handler: Handler) -> web.RouteDef:
        """A route for an aiohttp application; names of ids stand in braces."""
        return web.route(method, PREFIX + route, self._serve(route, handler))

    def _serve(
        self, route: str, handler: Handler
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            try:
                body = await self._body(request)
                self.calls.append(
                    Call(method=request.method, route=route, path=request.path, body=body)
                )
                self._changed()
                faults = self._faults.get((request.method, route))
                fault = faults.pop(0) if faults else Fault()
                if fault.until:
                    await fault.until.wait()
                if (reply := _as_scripted(request, fault)) is not None:
                    return reply
                self._authorise(request, route)
                answer = await handler(request, body)
            except Refusal as refusal:
                answer = Answer(
                    status=refusal.status, body={"code": refusal.code, "message": refusal.message}
                )
            else:
                if fault.drop == "after":
                    return _dropped(request)
            finally:
                self._changed()
            return _reply(answer)

        return serve

    async def _body(self, request: web.Request) -> Json:
        if not request.can_read_body:
            return {}
        if request.headers.get("Content-Type") != "application/json":
            raise Refusal(400, 50109, "The request body contains invalid JSON.")
        body = json.loads(await request.text())
        return body if isinstance(body, dict) else {"commands": body}

    def _authorise(self, request: web.Request, route: str) -> None:
        if route.startswith(("/webhooks/", "/interactions/")):
            return  # the token is part of the address
        if request.headers.get("Authorization") != f"Bot {self._token}":
            raise Refusal(401, 0, "401: Unauthorized")


def _as_scripted(request: web.Request, fault: Fault) -> web.StreamResponse | None:
    if fault.drop == "before":
        return _dropped(request)
    if fault.body is not None:
        return web.Response(status=fault.status or 200, text=fault.body, content_type="text/html")
    if fault.retry_after is not None:
        body = {"message": "You are being rate limited.", "retry_after": fault.retry_after}
        return _reply(Answer(status=429, body=body | {"global": fault.for_all}), Via="1.1 google")
    if fault.status:
        body = {"code": fault.code, "message": "as the test wants it"}
        return _reply(Answer(status=fault.status, body=body))
    return None


def _dropped(request: web.Request) -> web.StreamResponse:
    if request.transport:
        request.transport.abort()
    return web.Response()


def _reply(answer: Answer, **headers: str) -> web.Response:
    limits = {
        "X-RateLimit-Limit": "1000",
        "X-RateLimit-Remaining": "999",
        "X-RateLimit-Reset": str(time.time() + 1),
        "X-RateLimit-Reset-After": "1.000",
    }
    if answer.body is None:
        return web.Response(status=answer.status, headers=limits | headers)
    return web.Response(
        status=answer.status,
        body=json.dumps(answer.body).encode(),
        content_type="application/json",  # exactly this, without a charset
        headers=limits | headers,
    )

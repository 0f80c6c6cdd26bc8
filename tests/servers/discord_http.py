"""How the loopback Discord serves HTTP: authorisation, errors, rate limits, calls that go wrong.

What the calls do stands in `discord_rest`.
"""

import asyncio
import hashlib
import json
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from aiohttp import web

from servers.discord_world import Json, Refusal

PREFIX: Final = "/api/v10"
_POST_THREAD: Final = ("POST", "/channels/{channel}/messages/{message}/threads")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """How one call goes wrong."""

    status: int = 0
    code: int = 0
    retry_after: float | None = None  #: seconds; makes it a 429
    for_all: bool = False  #: the rate limit is global
    drop: Literal["", "before", "after"] = ""  #: the connection, before or after the call's effect
    until: asyncio.Event | None = None  #: nothing happens before it is set
    body: str | None = None  #: instead of the right one
    content_type: str = "text/html"  #: of that body


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """How many calls a route takes in so many seconds, for each channel or webhook."""

    calls: int
    seconds: float


# Not what Discord allows, which it keeps to itself, but for the long window of threads.
_EASY: Final = Limit(calls=1_000, seconds=1.0)
_OF_THREADS: Final = Limit(calls=50, seconds=300.0)


class Window:
    """What is left of a limit; it is whole again some time after the first call."""

    def __init__(self, limit: Limit, bucket: str) -> None:
        self._limit = limit
        self._bucket = bucket
        self._left = limit.calls
        self._ends = 0.0

    def take(self) -> bool:
        """Count a call, and say whether it is still allowed."""
        now = time.monotonic()
        if now >= self._ends:
            self._left, self._ends = self._limit.calls, now + self._limit.seconds
        if self._left == 0:
            return False
        self._left -= 1
        return True

    def reset_after(self) -> float:
        """Seconds until it is whole again, in milliseconds and not too few."""
        return math.ceil(max(0.0, self._ends - time.monotonic()) * 1_000) / 1_000

    def headers(self) -> dict[str, str]:
        """As every reply of the API has them."""
        seconds = self.reset_after()
        return {
            "X-RateLimit-Limit": str(self._limit.calls),
            "X-RateLimit-Remaining": str(self._left),
            "X-RateLimit-Reset": f"{time.time() + seconds:.3f}",
            "X-RateLimit-Reset-After": f"{seconds:.3f}",
            "X-RateLimit-Bucket": self._bucket,
        }


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
        self._limits: dict[tuple[str, str], Limit] = {_POST_THREAD: _OF_THREADS}
        self._windows: dict[tuple[str, ...], Window] = {}
        self.calls: list[Call] = []
        self.too_many: list[Call] = []  #: those that were refused for the route's limit

    def fail(self, method: str, route: str, *faults: Fault) -> None:
        """Let the next calls of a route go wrong, one fault each."""
        self._faults.setdefault((method, route), []).extend(faults)

    def heal(self, method: str, route: str) -> None:
        """Take back what was ordered for a route."""
        self._faults.pop((method, route), None)

    def limit(self, method: str, route: str, limit: Limit) -> None:
        """Limit a route from its next call on, whatever was called before."""
        self._limits[method, route] = limit
        self._windows = {
            key: window for key, window in self._windows.items() if key[:2] != (method, route)
        }

    def route(self, method: str, route: str, handler: Handler) -> web.RouteDef:
        """A route for an aiohttp application; names of ids stand in braces."""
        return web.route(method, PREFIX + route, self._serve(route, handler))

    def _serve(
        self, route: str, handler: Handler
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            window = self._window(request, route)
            try:
                body = await self._body(request)
                call = Call(method=request.method, route=route, path=request.path, body=body)
                self.calls.append(call)
                self._changed()
                faults = self._faults.get((request.method, route))
                fault = faults.pop(0) if faults else Fault()
                if fault.until:
                    await fault.until.wait()
                if (reply := _as_scripted(request, fault, window)) is not None:
                    return reply
                if not window.take():
                    self.too_many.append(call)
                    return _limited(window, window.reset_after())
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
            return _reply(answer, window)

        return serve

    def _window(self, request: web.Request, route: str) -> Window:
        ids = request.match_info
        major = ids.get("channel") or ids.get("token") or ""
        key = (request.method, route, major)
        if key not in self._windows:
            limit = self._limits.get((request.method, route), _EASY)
            bucket = hashlib.sha256(f"{request.method} {route}".encode()).hexdigest()[:32]
            self._windows[key] = Window(limit, bucket)
        return self._windows[key]

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


def _as_scripted(request: web.Request, fault: Fault, window: Window) -> web.StreamResponse | None:
    if fault.drop == "before":
        return _dropped(request)
    if fault.body is not None:
        return web.Response(
            status=fault.status or 200, body=fault.body.encode(), content_type=fault.content_type
        )
    if fault.retry_after is not None:
        return _limited(window, fault.retry_after, for_all=fault.for_all)
    if fault.status:
        body = {"code": fault.code, "message": "as the test wants it"}
        return _reply(Answer(status=fault.status, body=body), window)
    return None


def _limited(window: Window, retry_after: float, *, for_all: bool = False) -> web.Response:
    body = {"message": "You are being rate limited.", "retry_after": retry_after, "global": for_all}
    headers = {
        "Via": "1.1 google",
        "Retry-After": str(math.ceil(retry_after)),
        "X-RateLimit-Scope": "global" if for_all else "user",
    }
    return _reply(Answer(status=429, body=body), window, headers)


def _dropped(request: web.Request) -> web.StreamResponse:
    if request.transport:
        request.transport.abort()
    return web.Response()


def _reply(
    answer: Answer, window: Window, headers: Mapping[str, str] = MappingProxyType({})
) -> web.Response:
    headers = {**window.headers(), **headers}
    if answer.body is None:
        return web.Response(status=answer.status, headers=headers)
    return web.Response(
        status=answer.status,
        body=json.dumps(answer.body).encode(),
        content_type="application/json",  # exactly this, without a charset
        headers=headers,
    )

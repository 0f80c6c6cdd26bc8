"""A documentation site on this machine, with conditional requests, a sitemap and faults to order.

    async with SiteServer() as site:
        site.put("/guide/setup", "<main><h1>Set up</h1>…</main>")
        site.fault("/guide/setup", Status(code=503))
        source = make_source(site.url, allow_private=True)

`/sitemap.xml` lists all HTML pages unless a page is put there; everything else is a 404.
"""

import asyncio
import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import sha256
from types import TracebackType
from typing import Self
from xml.sax.saxutils import escape

from aiohttp import web

HTML = "text/html; charset=utf-8"
XML = "application/xml"
_FIRST_DAY = 1_790_000_000.0  # the clock of the site: one second per change, from here


@dataclass(frozen=True, kw_only=True)
class Status:
    """Replies with this status and no page."""

    code: int
    retry_after: str | None = None


@dataclass(frozen=True, kw_only=True)
class Redirect:
    """Sends the client elsewhere."""

    to: str


class Drop:
    """Closes the connection in the middle of the body."""


class Stall:
    """Accepts the request and never replies."""


@dataclass(frozen=True, kw_only=True)
class GzipBomb:
    """A small body that unpacks to `size` bytes."""

    size: int


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A body that is said to be compressed in this way, whatever it is."""

    encoding: str
    body: bytes


Fault = Status | Redirect | Drop | Stall | GzipBomb | Encoded


@dataclass(frozen=True, kw_only=True)
class SitePage:
    """What the site has at one path."""

    body: bytes
    content_type: str
    changed_at: float
    validators: bool  #: whether it is sent with ETag and Last-Modified

    @property
    def etag(self) -> str:
        """A strong validator of the body."""
        return f'"{sha256(self.body).hexdigest()[:16]}"'

    @property
    def last_modified(self) -> str:
        """The time of the last change as HTTP writes it."""
        return formatdate(self.changed_at, usegmt=True)


@dataclass(frozen=True, kw_only=True)
class SiteRequest:
    """A request as it came in, and the status that it got (0: none)."""

    path: str
    headers: Mapping[str, str]
    status: int


@dataclass(kw_only=True)
class SiteServer:
    """A site on 127.0.0.1, from `async with` on."""

    pages: dict[str, SitePage] = field(default_factory=dict)
    requests: list[SiteRequest] = field(default_factory=list)
    validators: bool = True  #: for the pages that are put from now on
    _faults: dict[str, Fault] = field(default_factory=dict)
    _times: dict[str, int] = field(default_factory=dict)  #: how often a fault happens still
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _changes: int = 0
    _runner: web.AppRunner | None = None
    _address: str = ""

    @property
    def url(self) -> str:
        """The site's address, with a slash at the end."""
        return f"{self._address}/"

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._reply)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        listener = web.TCPSite(self._runner, "127.0.0.1", 0)
        await listener.start()
        host, port = self._runner.addresses[0][:2]
        self._address = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Leave the port: from now on connections are refused."""
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()

    # --- what a test orders -----------------------------------------------------------------------

    def put(self, path: str, body: str | bytes, content_type: str = HTML) -> None:
        """Write a page, or write it anew."""
        self._changes += 1
        self.pages[path] = SitePage(
            body=body.encode() if isinstance(body, str) else body,
            content_type=content_type,
            changed_at=_FIRST_DAY + self._changes,
            validators=self.validators,
        )

    def put_sitemap(self, path: str, *locations: str, index: bool = False) -> None:
        """Write a sitemap of these addresses (paths become addresses), or an index of sitemaps."""
        absolute = [self._address + one if one.startswith("/") else one for one in locations]
        self.put(path, sitemap(*absolute, index=index), XML)

    def remove(self, path: str) -> None:
        """Take a page off the site, and out of the sitemap."""
        del self.pages[path]

    def fault(self, path: str, fault: Fault | None, *, times: int = 1_000_000) -> None:
        """Let so many requests for the path go wrong like this; None: no more."""
        self._times[path] = times
        if fault is None:
            self._faults.pop(path, None)
        else:
            self._faults[path] = fault

    def requests_for(self, path: str) -> list[SiteRequest]:
        """The requests for one path, oldest first."""
        return [request for request in self.requests if request.path == path]

    # --- what a client sees -----------------------------------------------------------------------

    async def _reply(self, request: web.Request) -> web.StreamResponse:
        status = 0
        try:
            response = await self._response(request)
            status = response.status
        finally:
            self.requests.append(
                SiteRequest(path=request.path, headers=dict(request.headers), status=status)
            )
        return response

    async def _response(self, request: web.Request) -> web.StreamResponse:
        fault = self._faults.get(request.path)
        if fault is not None and self._times[request.path] > 0:
            self._times[request.path] -= 1
            return await self._go_wrong(fault, request)
        page = self.pages.get(request.path)
        if page is None and request.path == "/sitemap.xml":
            return web.Response(body=self._own_sitemap(), content_type=XML)
        if page is None:
            return web.Response(status=404, text="not found")
        headers = {"Content-Type": page.content_type}
        if page.validators:
            headers |= {"ETag": page.etag, "Last-Modified": page.last_modified}
            if _is_unchanged(page, request.headers):
                return web.Response(status=304, headers=headers)
        return web.Response(body=page.body, headers=headers)

    async def _go_wrong(self, fault: Fault, request: web.Request) -> web.StreamResponse:
        match fault:
            case Status(code=code, retry_after=seconds):
                wait = {} if seconds is None else {"Retry-After": seconds}
                return web.Response(status=code, text="fault", headers=wait)
            case Redirect(to=to):
                return web.Response(status=302, headers={"Location": to})
            case GzipBomb(size=size):
                headers = {"Content-Type": HTML, "Content-Encoding": "gzip"}
                return web.Response(body=gzip.compress(bytes(size)), headers=headers)
            case Encoded(encoding=encoding, body=body):
                headers = {"Content-Type": HTML, "Content-Encoding": encoding}
                return web.Response(body=body, headers=headers)
            case Stall():
                await self._stopping.wait()
                return web.Response(status=503)
            case Drop():
                response = web.StreamResponse(
                    headers={"Content-Type": HTML, "Content-Length": "1000"}
                )
                await response.prepare(request)
                await response.write(b"<main><h1>Half of")
                if request.transport is not None:
                    request.transport.abort()
                return response

    def _own_sitemap(self) -> bytes:
        paths = [path for path, page in self.pages.items() if page.content_type.startswith(HTML)]
        return sitemap(*(self._address + path for path in paths)).encode()


def sitemap(*locations: str, index: bool = False) -> str:
    """Write a sitemap, or a sitemap index, as sitemaps.org has it."""
    root, entry = ("sitemapindex", "sitemap") if index else ("urlset", "url")
    entries = "".join(f"<{entry}><loc>{escape(one)}</loc></{entry}>" for one in locations)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</{root}>'
    )


def _is_unchanged(page: SitePage, headers: Mapping[str, str]) -> bool:
    """RFC 9110, 13.2.2: where If-None-Match is sent, If-Modified-Since does not count."""
    if "If-None-Match" in headers:
        return page.etag in headers["If-None-Match"]
    return headers.get("If-Modified-Since") == page.last_modified

"""One GET at a time from a documentation site: bounded in time, size and redirects.

The only module of core that opens connections to sites.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version

import aiohttp
from yarl import URL

from core.errors import PageGone, PageUnreadable
from core.sources.reach import PublicResolver, check_literal
from core.sources.robots import Robots
from core.sources.unpacking import ASKED_FOR, check_encoding, unpack

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 30.0  #: for one page, redirects and pauses included
MAX_REDIRECTS = 5
MAX_CONNECTIONS = 8  #: to one source at the same time
SOURCE_SECONDS = 3_600.0  #: for all that a refresh reads of one source
SOURCE_BYTES = 2_000_000_000  #: the same, after decompression
FAILURES_IN_A_ROW = 20  #: without any reply: after so many, the others are not waited for

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({404, 410})
_PAUSES = frozenset({429, 503})
_LONGEST_PAUSE = 10.0  # seconds that a site may ask for and get
_CHUNK = 64 * 1024  # bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """What a site replied."""

    url: str  #: after redirects
    status: int
    content_type: str
    charset: str | None
    etag: str | None
    last_modified: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is wanted of one GET."""

    max_bytes: int
    headers: Mapping[str, str]
    accept: Collection[int]
    obeys: bool
    limit: asyncio.Timeout


class Fetcher:
    """A session with a site, opened at the first request."""

    def __init__(
        self,
        *,
        allow_private: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._allow_private = allow_private
        self._clock = clock
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None
        self._turn = asyncio.Lock()
        self._next_turn = 0.0
        self.begin()

    def begin(self) -> None:
        """Begin a refresh: its time, its bytes and its failures are counted anew."""
        self.robots = Robots()  #: what the site asks of us, as soon as that was read
        self._until = self._clock() + SOURCE_SECONDS
        self._bytes_left = SOURCE_BYTES
        self._failures = 0

    async def get(
        self,
        url: str,
        *,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        accept: Collection[int] = (200,),
        obeys: bool = False,
    ) -> Fetched:
        """Get an address, following redirects within its host.

        `obeys`: go nowhere where `robots` does not allow it; that counts as gone. Between two
        requests passes the time that `robots` asks for, which is no part of any limit of ours.
        Raises PageGone for 404 and 410, and PageUnreadable, with the reason, for any other status
        than those of `accept`, more than `max_bytes` (after decompression), no reply in time, or
        where this refresh has had its share of the site.
        """
        self._check_share()
        try:
            async with asyncio.timeout(TOTAL_SECONDS) as limit:
                asked = _Asked(max_bytes, headers or {}, accept, obeys, limit)
                fetched = await self._follow(URL(url), asked)
        except TimeoutError as problem:
            self._failures += 1
            raise PageUnreadable("no reply in time") from problem
        except (aiohttp.ClientError, ValueError, OSError) as problem:
            self._failures += 1
            # The name only: messages of these hold addresses and what the site wrote.
            raise PageUnreadable(f"no usable reply ({type(problem).__name__})") from problem
        except PageUnreadable:
            self._failures = 0  # a reply, if not the one that was hoped for
            raise
        self._failures = 0
        return fetched

    async def close(self) -> None:
        """Close the connections. A second call does nothing."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _check_share(self) -> None:
        if self._failures >= FAILURES_IN_A_ROW:
            raise PageUnreadable("the site does not reply any more: not tried in this refresh")
        if self._clock() > self._until:
            minutes = SOURCE_SECONDS / 60
            raise PageUnreadable(f"the site has taken more than {minutes:g} minutes already")
        if self._bytes_left <= 0:
            most = SOURCE_BYTES / 1_000_000_000
            raise PageUnreadable(f"the site has sent more than {most:g} GB already")

    async def _follow(self, url: URL, asked: _Asked) -> Fetched:
        paused = False
        hops = 0
        while hops <= MAX_REDIRECTS:
            if not self._allow_private:
                check_literal(url)
            if asked.obeys and not self.robots.allow(url):
                raise PageGone("robots.txt does not allow Docent to read it, or where it leads")
            await self._await_turn(asked.limit)
            get = self._open().get(url, headers=asked.headers, allow_redirects=False)
            async with get as response:
                if response.status in asked.accept:
                    return await self._fetched(url, response, asked.max_bytes)
                if response.status in _REDIRECTS and "Location" in response.headers:
                    url = _redirected(url, response.headers["Location"])
                    hops += 1
                    continue
                if response.status in _GONE:
                    raise PageGone(f"HTTP {response.status}")
                if paused or (pause := _pause(response)) is None:
                    raise PageUnreadable(f"HTTP {response.status}")
            paused = True
            await self._sleep(pause)
        raise PageUnreadable(f"more than {MAX_REDIRECTS} redirects")

    async def _await_turn(self, limit: asyncio.Timeout) -> None:
        """Let the time pass that the site asks for between two requests; `limit` waits, too."""
        delay = self.robots.crawl_delay
        if not delay:
            return
        now = asyncio.get_running_loop().time
        left = (limit.when() or now()) - now()
        limit.reschedule(None)
        async with self._turn:
            if (wait := self._next_turn - self._clock()) > 0:
                await self._sleep(wait)
                self._until += wait
            self._next_turn = self._clock() + delay
        limit.reschedule(now() + left)

    async def _fetched(self, url: URL, response: aiohttp.ClientResponse, max_bytes: int) -> Fetched:
        encoding = response.headers.get("Content-Encoding", "")
        check_encoding(encoding)
        sent = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            sent += chunk
            self._bytes_left -= len(chunk)
            if len(sent) > max_bytes:
                raise PageUnreadable(f"more than {max_bytes / 1_000_000:g} MB")
        body = bytes(sent)
        if encoding:
            body = await asyncio.to_thread(unpack, body, encoding, max_bytes)
            self._bytes_left -= len(body) - len(sent)
        return Fetched(
            url=str(url),
            status=response.status,
            content_type=response.content_type,
            charset=response.charset,
            etag=response.headers.get("ETag"),
            last_modified=response.headers.get("Last-Modified"),
            body=body,
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            resolver = None if self._allow_private else PublicResolver()
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, resolver=resolver),
                # Not `connect`, which also counts the wait for a free connection of the pool.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                headers={
                    "User-Agent": f"Docent/{version('docent')} (+documentation bot)",
                    "Accept": "text/html, text/markdown;q=0.9, text/plain;q=0.8, */*;q=0.1",
                    "Accept-Encoding": ASKED_FOR,
                },
                auto_decompress=False,  # `unpacking` does it
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def same_site(one: URL, other: URL) -> bool:
    """Whether two addresses are on one host and port; http and https count as the same."""
    if one.host != other.host or {one.scheme, other.scheme} - {"http", "https"}:
        return False
    return one.port == other.port or (one.is_default_port() and other.is_default_port())


def _redirected(url: URL, location: str) -> URL:
    target = url.join(URL(location))
    if not same_site(url, target):
        raise PageUnreadable(f"redirects to another site, {target.host}")
    return target


def _pause(response: aiohttp.ClientResponse) -> float | None:
    """The seconds after which a site that is busy wants to be asked again, if these are few."""
    seconds = response.headers.get("Retry-After", "")
    if response.status not in _PAUSES or not seconds.isdecimal():
        return None
    return float(seconds) if float(seconds) <= _LONGEST_PAUSE else None

"""One GET at a time from a documentation site: bounded in time, size and redirects.

The only module of core that opens connections to sites.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version

import aiohttp
from yarl import URL

from core.errors import PageUnreadable

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 30.0  #: for one page, redirects included
MAX_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
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


class Fetcher:
    """A session with a site, opened at the first request."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def get(
        self,
        url: str,
        *,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        accept: Collection[int] = (200,),
    ) -> Fetched:
        """Get an address, following redirects within its host.

        Raises PageUnreadable, with the reason, for any other status than those of `accept`, more
        than `max_bytes` (after decompression) or no reply in time.
        """
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await self._follow(URL(url), max_bytes, headers or {}, accept)
        except TimeoutError as problem:
            raise PageUnreadable("no reply in time") from problem
        except (aiohttp.ClientError, ValueError, OSError) as problem:
            # The name only: messages of these hold addresses and what the site wrote.
            raise PageUnreadable(f"no usable reply ({type(problem).__name__})") from problem

    async def close(self) -> None:
        """Close the connections. A second call does nothing."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _follow(
        self, url: URL, max_bytes: int, headers: Mapping[str, str], accept: Collection[int]
    ) -> Fetched:
        for _ in range(MAX_REDIRECTS + 1):
            async with self._open().get(url, headers=headers, allow_redirects=False) as response:
                if response.status in _REDIRECTS and "Location" in response.headers:
                    target = url.join(URL(response.headers["Location"]))
                    if not same_site(url, target):
                        raise PageUnreadable(f"redirects to another site, {target.host}")
                    url = target
                    continue
                if response.status not in accept:
                    raise PageUnreadable(f"HTTP {response.status}")
                return Fetched(
                    url=str(url),
                    status=response.status,
                    content_type=response.content_type,
                    charset=response.charset,
                    etag=response.headers.get("ETag"),
                    last_modified=response.headers.get("Last-Modified"),
                    body=await _body(response, max_bytes),
                )
        raise PageUnreadable(f"more than {MAX_REDIRECTS} redirects")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # Not `connect`, which also counts the wait for a free connection of the pool.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                headers={
                    "User-Agent": f"Docent/{version('docent')} (+documentation bot)",
                    "Accept": "text/html, text/markdown;q=0.9, text/plain;q=0.8, */*;q=0.1",
                },
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def same_site(one: URL, other: URL) -> bool:
    """Whether two addresses are on one host and port; http and https count as the same."""
    if one.host != other.host or {one.scheme, other.scheme} - {"http", "https"}:
        return False
    return one.port == other.port or (one.is_default_port() and other.is_default_port())


async def _body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > max_bytes:
            raise PageUnreadable(f"more than {max_bytes / 1_000_000:g} MB")
    return bytes(body)

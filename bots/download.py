"""Reading a file from a platform's own hosts, and not more of it than was agreed.

The address of a file comes with somebody's message. So it is read from hosts that are known to be
the platform's, redirects are followed by hand, and what is secret goes to no other host.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import aiohttp
from yarl import URL

from core.errors import FileUnreadable, PlatformBusy, PlatformUnreachable

TIMES: Final = aiohttp.ClientTimeout(total=60.0, sock_connect=10.0, sock_read=15.0)  # seconds
MOST_REDIRECTS: Final = 5
_CHUNK: Final = 64 * 1024  # bytes
_REDIRECTS: Final = (301, 302, 303, 307, 308)

GONE: Final = "it is no longer there"
ELSEWHERE: Final = "it is kept elsewhere"

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class NotGiven(FileUnreadable):
    """The server does not give the file."""

    def __init__(self, status: int) -> None:
        self.status = status  #: of HTTP: 401, 403, 404 or the like
        super().__init__(GONE if status in (404, 410) else None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hosts:
    """The hosts that files of a platform are read from, over HTTPS."""

    names: frozenset[str]
    domains: tuple[str, ...] = ()  #: and all hosts within these
    own: URL | None = None  #: a server of one's own in the platform's place: its files, too

    def have(self, url: URL) -> bool:
        """Whether a file may be read there."""
        if not url.absolute or url.user or not url.host:
            return False
        within = self.domains
        if self.own and self.own.host:
            if url.origin() == self.own.origin():
                return True
            within = (*within, self.own.host)
        named = url.host in self.names or any(url.host.endswith(f".{one}") for one in within)
        return named and url.scheme == "https" and url.explicit_port is None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a server gave."""

    data: bytes
    media_type: str  #: as the server says


async def download(
    session: aiohttp.ClientSession,
    address: str,
    hosts: Hosts,
    limit: int,
    *,
    headers: Mapping[str, str] = _NOTHING,
    proxy: str | None = None,
) -> Loaded:
    """Read a file of at most `limit` bytes; `headers` go to `hosts` and nowhere else.

    Raises FileUnreadable where the file or a redirect is elsewhere or the file is larger, NotGiven
    where the server refuses it, and PlatformBusy or PlatformUnreachable where another try may work.
    """
    url = _url(address)
    try:
        for _ in range(MOST_REDIRECTS + 1):
            if url is None or not hosts.have(url):
                raise FileUnreadable(ELSEWHERE)
            async with session.get(
                url,
                # What is packed on the way could be larger by far than it looks.
                headers={**headers, "Accept-Encoding": "identity"},
                allow_redirects=False,
                proxy=proxy,
                timeout=TIMES,
            ) as response:
                if response.status not in _REDIRECTS:
                    return await _loaded(response, limit)
                location = _url(response.headers.get("Location", ""))
            url = location and url.join(location)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        reason = type(error).__name__
        raise PlatformUnreachable(f"A file cannot be reached ({reason}).") from error
    raise FileUnreadable(ELSEWHERE)


def too_large(limit: int) -> FileUnreadable:
    """Say that a file has more bytes than may be read."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if limit >= size:
            return FileUnreadable(f"it is larger than {limit / size:.3g} {unit}")
    return FileUnreadable(f"it is larger than {limit} bytes")


async def _loaded(response: aiohttp.ClientResponse, limit: int) -> Loaded:
    _check(response)
    if response.content_length is not None and response.content_length > limit:
        raise too_large(limit)
    data = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        data += chunk
        if len(data) > limit:
            raise too_large(limit)
    return Loaded(bytes(data), response.content_type)


def _check(response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status == 429:
        raise PlatformBusy(_seconds(response.headers.get("Retry-After")))
    if status >= 500 or status == 408:
        raise PlatformUnreachable(f"A file cannot be reached (HTTP {status}).")
    if status != 200:
        raise NotGiven(status)


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isdecimal() else None


def _url(address: str) -> URL | None:
    try:
        return URL(address)
    except ValueError:
        return None

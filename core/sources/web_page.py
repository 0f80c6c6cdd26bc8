"""One page of the web: fetched where it may have changed, and turned into Markdown."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath

from yarl import URL

from core.documents import Listed, Page
from core.errors import PageUnreadable
from core.sources.canonical import Canonicals
from core.sources.encoding import decode
from core.sources.extract import BY_SUFFIX, EXTRACTION, Format, extract
from core.sources.fetch import Fetched, Fetcher
from core.sources.links import absolute

MAX_PAGE = 10_000_000  #: bytes

_FORMATS = {
    "text/html": Format.HTML,
    "application/xhtml+xml": Format.HTML,
    "text/markdown": Format.MARKDOWN,
    "text/x-markdown": Format.MARKDOWN,
}


class PageReader:
    """Reads the pages of one source from the web."""

    def __init__(self, source: str, fetcher: Fetcher, *, owns: Callable[[URL], bool]) -> None:
        """`owns` says whether an address is one of the source: only such are cited."""
        self._source = source
        self._fetcher = fetcher
        self._canonicals = Canonicals(owns, self._look)
        # One at a time: conversion is CPU work, and more threads only slow the event loop down.
        self._converting = asyncio.Lock()

    def begin(self) -> None:
        """Begin a refresh."""
        self._fetcher.begin()
        self._canonicals.begin()

    async def read(self, listed: Listed, known: str | None) -> Page | None:
        """Fetch one page; None where the site, or what it sends, says that it has not changed.

        It has the canonical address that it names, where the same text is there. Raises
        PageUnreadable.
        """
        stamp = _Stamp.parse(known)
        asked = stamp.headers() if stamp else {}
        fetched = await self._fetcher.get(
            listed.location,
            max_bytes=MAX_PAGE,
            headers=asked,
            accept=(200, 304) if asked else (200,),
            obeys=True,
        )
        digest = hashlib.sha256(fetched.body).hexdigest()
        if fetched.status == 304 or (stamp and stamp.sha256 == digest):
            return None
        page, named = await self._converted(listed.url, fetched, digest)
        url = await self._canonicals.of(page, fetched.url, named)
        # Without a stamp, it is read again the next time: its address could not be told.
        return replace(page, stamp=None) if url is None else replace(page, url=url)

    async def _look(self, url: str) -> tuple[Page, str, str | None]:
        fetched = await self._fetcher.get(url, max_bytes=MAX_PAGE, obeys=True)
        page, named = await self._converted(url, fetched, digest="")
        return page, fetched.url, named

    async def _converted(self, url: str, fetched: Fetched, digest: str) -> tuple[Page, str | None]:
        async with self._converting:
            return await asyncio.to_thread(self._page, url, fetched, digest)

    def _page(self, url: str, fetched: Fetched, digest: str) -> tuple[Page, str | None]:
        """Turn what was fetched into a page; with the canonical address that it names."""
        content = extract(
            decode(fetched.body, fetched.charset),
            _format(fetched),
            name=_fallback_title(URL(url)),
            resolve=lambda target: absolute(fetched.url, target),
        )
        stamp = _Stamp(etag=fetched.etag, last_modified=fetched.last_modified, sha256=digest)
        page = Page(
            source=self._source,
            url=url,
            title=content.title,
            markdown=content.markdown,
            stamp=json.dumps(asdict(stamp)),
        )
        return page, content.canonical


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stamp:
    """What tells whether a page has changed; kept as JSON."""

    etag: str | None
    last_modified: str | None
    sha256: str  #: of the body, for sites that send neither
    extraction: int = EXTRACTION

    @staticmethod
    def parse(text: str | None) -> "_Stamp | None":
        """Read a stamp; None for one that another version made."""
        try:
            stamp = _Stamp(**json.loads(text or ""))
        except (ValueError, TypeError):
            return None
        return stamp if stamp.extraction == EXTRACTION else None

    def headers(self) -> dict[str, str]:
        """Ask for the page only if it has changed."""
        conditions = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in conditions.items() if value}


def _format(fetched: Fetched) -> Format:
    if fetched.content_type == "text/plain":  # how many servers send Markdown
        suffix = PurePosixPath(URL(fetched.url).path).suffix.lower()
        return BY_SUFFIX.get(suffix, Format.TEXT)
    if fetched.content_type not in _FORMATS:
        raise PageUnreadable(f"{fetched.content_type} is not a format that can be read")
    return _FORMATS[fetched.content_type]


def _fallback_title(url: URL) -> str:
    return PurePosixPath(url.path).stem or url.host or str(url)

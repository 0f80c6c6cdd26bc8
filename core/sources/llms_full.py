"""A site's `llms-full.txt`, which holds the text of many pages, as a source."""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from yarl import URL

from core.documents import Listed, Page
from core.errors import PageGone, PageUnreadable, SourceUnreachable
from core.sources.extract import EXTRACTION, Format, extract
from core.sources.fetch import Fetcher
from core.sources.links import absolute
from core.sources.llms import text_of
from core.sources.llms_text import Part, page_address, split_pages
from core.sources.manners import check_file
from core.sources.sitemap_walk import MAX_PAGES

MAX_FULL = 50_000_000  #: bytes

_FIRST_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*$", re.MULTILINE)
_NOT_IN_SLUG = re.compile(r"[^\w\- ]")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reading:
    """The file as it was last read."""

    etag: str | None
    last_modified: str | None
    texts: dict[str, str]  #: of each page, by its address


class LlmsFullSource:
    """The pages in one file, each at the address that the file names for it.

    A page that names none is cited as a part of the file: `llms-full.txt#its-heading`. The file is
    fetched when pages are listed, and kept until then; reading a page fetches nothing.
    """

    def __init__(self, name: str, address: str, fetcher: Fetcher) -> None:
        self._name = name
        self._address = URL(address).with_fragment(None)
        self._fetcher = fetcher
        self._last: _Reading | None = None
        self._converting = asyncio.Lock()

    @property
    def name(self) -> str:
        """As written in DOCS_SOURCES."""
        return self._name

    async def list(self) -> Sequence[Listed]:
        """List the pages in the order of the file, each with a stamp. Raises SourceUnreachable."""
        self._fetcher.begin()
        await check_file(self._address, self._fetcher)
        self._last = await self._fetch()
        if len(self._last.texts) > MAX_PAGES:
            raise SourceUnreachable(f"{self._name} holds more than {MAX_PAGES:,} pages.")
        if not self._last.texts:
            raise SourceUnreachable(f"{self._name} holds no page. Name the site itself.")
        return [
            Listed(url=url, location=url, stamp=_stamp(text))
            for url, text in self._last.texts.items()
        ]

    async def read(self, listed: Listed, known: str | None) -> Page | None:
        """Give one page of the file as it was listed; None where it has not changed.

        Raises PageUnreadable.
        """
        text = self._last.texts.get(listed.location) if self._last else None
        if text is None:
            raise PageGone("the file no longer holds it")
        if _stamp(text) == known:
            return None
        async with self._converting:
            return await asyncio.to_thread(self._page, listed, text)

    async def close(self) -> None:
        """Close the connections, and forget the file. A second call does nothing."""
        self._last = None
        await self._fetcher.close()

    async def _fetch(self) -> _Reading:
        last = self._last
        conditions = (
            {"If-None-Match": last.etag, "If-Modified-Since": last.last_modified} if last else {}
        )
        headers = {name: value for name, value in conditions.items() if value}
        try:
            fetched = await self._fetcher.get(
                str(self._address),
                max_bytes=MAX_FULL,
                headers=headers,
                accept=(200, 304) if headers else (200,),
            )
        except PageUnreadable as problem:
            raise SourceUnreachable(f"{self._name} could not be read: {problem}.") from problem
        if last is not None and fetched.status == 304:
            return last
        return _Reading(
            etag=fetched.etag,
            last_modified=fetched.last_modified,
            texts=await asyncio.to_thread(lambda: self._texts(split_pages(text_of(fetched)))),
        )

    def _texts(self, parts: Sequence[Part]) -> dict[str, str]:
        texts: dict[str, str] = {}
        for part in parts:
            named = page_address(part.address, str(self._address)) if part.address else None
            url = named or self._address_of(part.text)
            # Some generators cut a page in two; both halves are the page.
            texts[url] = f"{texts[url]}\n\n{part.text}" if url in texts else part.text
        return texts

    def _address_of(self, text: str) -> str:
        heading = _FIRST_HEADING.search(text)
        slug = _NOT_IN_SLUG.sub("", heading[1].lower()).strip().replace(" ", "-") if heading else ""
        return str(self._address.with_fragment(slug or None))

    def _page(self, listed: Listed, text: str) -> Page:
        content = extract(
            text,
            Format.MARKDOWN,
            name=URL(listed.url).path.rstrip("/").rpartition("/")[2] or self._name,
            resolve=lambda target: absolute(listed.url, target),
        )
        return Page(
            source=self._name,
            url=listed.url,
            title=content.title,
            markdown=content.markdown,
            stamp=_stamp(text),
        )


def _stamp(text: str) -> str:
    return f"{EXTRACTION}-{hashlib.sha256(text.encode()).hexdigest()}"

"""A site's `llms.txt`, which lists its pages for programs, as a source."""

import logging
import mimetypes
from collections.abc import Sequence
from pathlib import PurePosixPath

from yarl import URL

from core.documents import Listed
from core.errors import PageUnreadable, SourceUnreachable
from core.sources.encoding import decode
from core.sources.fetch import Fetched
from core.sources.llms_text import links_in, page_address
from core.sources.manners import check_allowed, fetch_robots
from core.sources.sitemap_walk import MAX_PAGES, own_address
from core.sources.web_page import MAX_PAGE
from core.sources.web_source import WebSource

log = logging.getLogger(__name__)

MAX_LLMS = 5_000_000  #: bytes
MAX_LISTS = 50  #: an llms.txt, and those that it links to

_PAGE_TYPES = frozenset({None, "text/html", "application/xhtml+xml", "text/markdown", "text/plain"})


class LlmsSource(WebSource):
    """The pages of its own host to which an llms.txt links.

    By the convention of llms.txt a page `setup` is there as Markdown under `setup.md`, `setup.html`
    under `setup.html.md`, and `guide/` under `guide/index.html.md`. The Markdown is read, and the
    page is what answers cite; where the site has no such pages, the Markdown is.
    """

    async def list(self) -> Sequence[Listed]:
        """List the pages in the order of the file, without stamps. Raises SourceUnreachable."""
        self._reader.begin()
        robots = await fetch_robots(self._address, self._fetcher)
        found = await self._found()
        allowed = [url for url in found if robots.allow(url)]
        if passed_over := len(found) - len(allowed):
            log.info(
                "Addresses that robots.txt does not allow are passed over",
                extra={"source": self._name, "count": passed_over},
            )
        check_allowed(allowed, len(found), self._name)
        listed: dict[str, Listed] = {}
        beside = await self._has_pages_beside(
            [url for url in allowed if robots.allow(_page_of(url))]
        )
        for url in allowed:
            cited = str(_page_of(url)) if beside else str(url)
            listed.setdefault(cited, Listed(url=cited, location=str(url)))
        return list(listed.values())

    async def _found(self) -> Sequence[URL]:
        """Give the addresses of the pages in this llms.txt and in those to which it links."""
        pages: dict[URL, None] = {}
        lists = [self._address]
        for one in lists:  # which grows meanwhile
            for url in self._links(await self._text(one), one):
                name = PurePosixPath(url.path).name.lower()
                if name == "llms.txt":
                    lists += [] if url in lists or len(lists) == MAX_LISTS else [url]
                elif not (name.startswith("llms-") and name.endswith(".txt")):  # the same again
                    pages[url] = None
            if len(pages) > MAX_PAGES:
                raise SourceUnreachable(f"{self._name} lists more than {MAX_PAGES:,} pages.")
        if not pages:
            raise SourceUnreachable(
                f"{self._name} links to no page of its own host. Check that it is a list of links, "
                "or name the site itself in DOCS_SOURCES."
            )
        return list(pages)

    def _links(self, text: str, base: URL) -> Sequence[URL]:
        absolute = [page_address(target, str(base)) for target in links_in(text)]
        own = [own_address(one, self._address) for one in absolute if one]
        return [url for url in own if url and mimetypes.guess_type(url.path)[0] in _PAGE_TYPES]

    async def _text(self, address: URL) -> str:
        try:
            fetched = await self._fetcher.get(str(address), max_bytes=MAX_LLMS)
        except PageUnreadable as problem:
            raise SourceUnreachable(f"{address} could not be read: {problem}.") from problem
        return text_of(fetched)

    async def _has_pages_beside(self, urls: Sequence[URL]) -> bool:
        """Look at one page, whether it is there without the `.md`, too."""
        first = next((url for url in urls if _page_of(url) != url), None)
        if first is None:
            return False
        try:
            fetched = await self._fetcher.get(
                str(_page_of(first)), max_bytes=MAX_PAGE, accept=(200, 401, 403, 404, 410)
            )
        except PageUnreadable as problem:
            # Not a "no": with every other answer all pages would get another address.
            raise SourceUnreachable(f"{_page_of(first)} could not be read: {problem}.") from problem
        return fetched.status == 200


def text_of(fetched: Fetched) -> str:
    """Give the text of an llms.txt. Raises SourceUnreachable for the start page of an app."""
    if fetched.content_type in {"text/html", "application/xhtml+xml"}:
        raise SourceUnreachable(
            f"{fetched.url} is a web page, and no llms.txt. Name the site itself, or write as=page."
        )
    return decode(fetched.body, fetched.charset)


def _page_of(url: URL) -> URL:
    """Give the address of the page whose Markdown is at this one; the same where it is none."""
    path = url.raw_path
    if path.endswith("/index.html.md"):
        path = path.removesuffix("index.html.md")
    elif path.endswith(".md") and PurePosixPath(path).stem:
        path = path.removesuffix(".md")
    return url.with_path(path, encoded=True, keep_query=True)

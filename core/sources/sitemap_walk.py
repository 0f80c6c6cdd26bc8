"""From a site's address to the addresses of its pages: finds and reads all of its sitemaps."""

import asyncio
from collections.abc import Sequence

from yarl import URL

from core.errors import PageUnreadable, SourceUnreachable
from core.sources.fetch import Fetcher, same_site
from core.sources.manners import MISSING
from core.sources.sitemap import MAX_SITEMAP, PageList, SitemapIndex, parse_sitemap

MAX_PAGES = 50_000
MAX_SITEMAPS = 500
MAX_DEPTH = 3  #: a sitemap, those that it lists, and those that they list


class SitemapWalk:
    """One reading of a site's sitemaps: all of them or, with SourceUnreachable, none."""

    def __init__(self, site: URL, fetcher: Fetcher) -> None:
        self._site = site
        self._fetcher = fetcher
        self._read: dict[URL, PageList | SitemapIndex | None] = {}

    async def site(self, named: Sequence[str]) -> Sequence[str]:
        """Give the addresses of a site's pages; `named` are the sitemaps in its robots.txt."""
        return await self.below(await self._find(named))

    async def below(self, sitemaps: Sequence[URL]) -> Sequence[str]:
        """Give the addresses of the pages as the sitemaps have them, in their order."""
        addresses: list[str] = []
        level = sitemaps
        for _ in range(MAX_DEPTH):
            deeper: list[URL] = []
            for sitemap in level:
                match await self._sitemap(sitemap):
                    case PageList(addresses=found):
                        addresses.extend(found)
                    case SitemapIndex(addresses=found):
                        deeper.extend(self._own(found))
                    case None:
                        raise SourceUnreachable(f"The sitemap {sitemap} is not there.")
                if len(addresses) > MAX_PAGES:
                    raise SourceUnreachable(
                        f"{self._site} lists more than {MAX_PAGES:,} pages. "
                        "Name one of its sitemaps in DOCS_SOURCES instead."
                    )
            level = [sitemap for sitemap in dict.fromkeys(deeper) if sitemap not in self._read]
        if level:
            raise SourceUnreachable(f"The sitemaps of {self._site} are nested too deeply.")
        return addresses

    async def _find(self, named: Sequence[str]) -> Sequence[URL]:
        if own := self._own(named):
            return own
        root = self._site.origin()
        beside = self._site.with_query(None) / "sitemap.xml"
        for candidate in dict.fromkeys((beside, root / "sitemap.xml")):
            if await self._sitemap(candidate) is not None:
                return [candidate]
        raise SourceUnreachable(
            f"{self._site} has no sitemap: robots.txt names none, and there is no sitemap.xml. "
            "Name its sitemap, its llms.txt, or a folder with its files, in DOCS_SOURCES; write "
            "as=page behind the address of a single page."
        )

    async def _sitemap(self, address: URL) -> PageList | SitemapIndex | None:
        """Read one sitemap, once; None where the site has no such file."""
        if address not in self._read:
            if len(self._read) == MAX_SITEMAPS:
                raise SourceUnreachable(f"{self._site} has more than {MAX_SITEMAPS} sitemaps.")
            try:
                fetched = await self._fetcher.get(
                    str(address), max_bytes=MAX_SITEMAP, accept=(200, *MISSING)
                )
                self._read[address] = (
                    await asyncio.to_thread(parse_sitemap, fetched.body)
                    if fetched.status == 200
                    else None
                )
            except PageUnreadable as problem:
                raise SourceUnreachable(f"{address} could not be read: {problem}.") from problem
        return self._read[address]

    def _own(self, addresses: Sequence[str]) -> Sequence[URL]:
        """Keep those on the site's host: the sitemaps of other hosts list pages of other hosts."""
        return [url for one in addresses if (url := own_address(one, self._site)) is not None]


def own_address(address: str, site: URL) -> URL | None:
    """Read an address without its fragment; None where it is relative or on another host."""
    try:
        url = URL(address).with_fragment(None)
        return url if same_site(url, site) else None
    except ValueError:
        return None

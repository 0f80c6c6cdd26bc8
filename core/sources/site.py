"""A documentation site, listed by its sitemap, as a source of pages."""

import logging
from collections.abc import Sequence

from yarl import URL

from core.documents import Listed
from core.errors import SourceUnreachable
from core.sources.fetch import Fetcher
from core.sources.manners import check_allowed, fetch_robots
from core.sources.sitemap_walk import SitemapWalk, own_address
from core.sources.web_source import WebSource

log = logging.getLogger(__name__)


class SiteSource(WebSource):
    """The pages of one host that its sitemaps list and its robots.txt allows us.

    The address is a site's or, where `is_sitemap`, a sitemap's. The sitemaps of a site are those
    that robots.txt names, else `sitemap.xml` below the address or at the root of the host; and
    where the address has a path, only pages below it count.
    """

    def __init__(self, name: str, address: str, fetcher: Fetcher, *, is_sitemap: bool) -> None:
        super().__init__(name, address, fetcher)
        self._is_sitemap = is_sitemap
        self._below = "" if is_sitemap else self._address.path.rstrip("/")

    async def list(self) -> Sequence[Listed]:
        """List the pages in the order of the sitemap, without stamps.

        The dates that sitemaps give are not used: they are often those of the last deployment.
        Raises SourceUnreachable when any sitemap cannot be read, or the site has too many pages.
        """
        self._reader.begin()
        robots = await fetch_robots(self._address, self._fetcher)
        walk = SitemapWalk(self._address, self._fetcher)
        addresses = await (
            walk.below([self._address]) if self._is_sitemap else walk.site(robots.sitemaps)
        )
        if not addresses:
            raise SourceUnreachable(
                f"The sitemap of {self._name} lists no page. Name another one, the site's llms.txt "
                "or a folder with its files."
            )
        own = [url for one in addresses if (url := self._own(one)) is not None]
        self._log_passed_over("outside of the site", len(addresses) - len(own))
        if not own:
            raise SourceUnreachable(
                f"The sitemap of {self._name} lists {len(addresses)} addresses, but none on this "
                "site. Write the site in DOCS_SOURCES as its sitemap does (www or not, for one)."
            )
        allowed = [url for url in own if robots.allow(url)]
        self._log_passed_over("that robots.txt does not allow", len(own) - len(allowed))
        check_allowed(allowed, len(own), self._name)
        return [Listed(url=url, location=url) for url in dict.fromkeys(map(str, allowed))]

    def _own(self, address: str) -> URL | None:
        url = own_address(address, self._address)
        return url if url and self._is_own(url) else None

    def _is_own(self, url: URL) -> bool:
        is_below = f"{url.path}/".startswith(f"{self._below}/")
        return is_below and super()._is_own(url)

    def _log_passed_over(self, which: str, count: int) -> None:
        if count:
            log.info(
                "Addresses %s are passed over", which, extra={"source": self._name, "count": count}
            )

"""A single page of the web as a source."""

from collections.abc import Sequence

from yarl import URL

from core.documents import Listed, Page
from core.sources.fetch import Fetcher, same_site
from core.sources.manners import check_file
from core.sources.web_page import PageReader


class OnePageSource:
    """The page at one address, and none that it links to."""

    def __init__(self, name: str, address: str, fetcher: Fetcher) -> None:
        self._name = name
        self._address = URL(address).with_fragment(None)
        self._fetcher = fetcher
        self._reader = PageReader(name, fetcher, owns=self._is_own)

    @property
    def name(self) -> str:
        """As written in DOCS_SOURCES."""
        return self._name

    async def list(self) -> Sequence[Listed]:
        """List the page, without looking whether it is there. Raises SourceUnreachable."""
        self._reader.begin()
        await check_file(self._address, self._fetcher)
        return [Listed(url=str(self._address), location=str(self._address))]

    async def read(self, listed: Listed, known: str | None) -> Page | None:
        """Fetch the page; None where it has not changed. Raises PageUnreadable."""
        return await self._reader.read(listed, known)

    async def close(self) -> None:
        """Close the connections. A second call does nothing."""
        await self._fetcher.close()

    def _is_own(self, url: URL) -> bool:
        return same_site(url, self._address)

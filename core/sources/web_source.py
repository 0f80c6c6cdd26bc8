"""What the sources have in common whose pages are fetched from one site, one by one."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from yarl import URL

from core.documents import Listed, Page
from core.sources.fetch import Fetcher, same_site
from core.sources.web_page import PageReader


class WebSource(ABC):
    """Pages of the site that an address is of. How they are found, its heirs say."""

    def __init__(self, name: str, address: str, fetcher: Fetcher) -> None:
        self._name = name
        self._address = URL(address).with_fragment(None)
        self._fetcher = fetcher
        self._reader = PageReader(name, fetcher, owns=self._is_own)

    @property
    def name(self) -> str:
        """As written in DOCS_SOURCES."""
        return self._name

    @abstractmethod
    async def list(self) -> Sequence[Listed]:
        """List the pages, and begin a refresh. Raises SourceUnreachable."""

    async def read(self, listed: Listed, known: str | None) -> Page | None:
        """Fetch one page; None where the site, or what it sends, says that it has not changed.

        Raises PageUnreadable.
        """
        return await self._reader.read(listed, known)

    async def close(self) -> None:
        """Close the connections. A second call does nothing."""
        await self._fetcher.close()

    def _is_own(self, url: URL) -> bool:
        return same_site(url, self._address)

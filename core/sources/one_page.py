"""A single page of the web as a source."""

from collections.abc import Sequence

from core.documents import Listed
from core.sources.manners import check_file
from core.sources.web_source import WebSource


class OnePageSource(WebSource):
    """The page at one address, and none that it links to."""

    async def list(self) -> Sequence[Listed]:
        """List the page, without looking whether it is there. Raises SourceUnreachable."""
        self._reader.begin()
        await check_file(self._address, self._fetcher)
        return [Listed(url=str(self._address), location=str(self._address))]

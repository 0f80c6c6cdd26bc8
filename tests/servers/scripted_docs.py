"""A source and an index without a network, for tests of what lies between the two.

Each calls its `hook` at every point at which a process might be killed.
"""

from collections.abc import Awaitable, Callable, Sequence

from core.documents import Comparison, Document, Listed, Page
from core.errors import (
    EngineUnreachable,
    IndexRefused,
    PageEmpty,
    PageGone,
    PageUnreadable,
    SourceUnreachable,
)

Hook = Callable[[str], Awaitable[None]]


async def nothing_happens(point: str) -> None:
    """Go on."""


class ScriptedSource:
    """Pages from a dict; counts what is read, and fails where it is told to."""

    def __init__(
        self, pages: dict[str, str], name: str = "source", hook: Hook = nothing_happens
    ) -> None:
        self.name = name
        self.pages = pages
        self.read_urls: list[str] = []
        self.unreadable: set[str] = set()
        self.broken: set[str] = set()
        self.unreachable = False
        self.gone: set[str] = set()
        self.empty: set[str] = set()
        self.stamps = True
        self.hook = hook

    async def list(self) -> Sequence[Listed]:
        await self.hook("list")
        if self.unreachable:
            raise SourceUnreachable("the host is down")
        return [
            Listed(url=url, location=url, stamp=self._stamp(url) if self.stamps else None)
            for url in self.pages
        ]

    async def read(self, listed: Listed, known: str | None) -> Page | None:
        await self.hook(f"read {listed.url}")
        self.read_urls.append(listed.url)
        if listed.url in self.gone:
            raise PageGone("HTTP 404")
        if listed.url in self.empty:
            raise PageEmpty("no content")
        if listed.url in self.broken:
            raise RuntimeError("a bug")
        if listed.url in self.unreadable:
            raise PageUnreadable("HTTP 500")
        if known == self._stamp(listed.url):
            return None
        return self.page(listed.url)

    def page(self, url: str) -> Page:
        return Page(
            source=self.name,
            url=url,
            title=url,
            markdown=self.pages[url],
            stamp=self._stamp(url),
        )

    async def close(self) -> None:
        """Nothing is open."""

    def _stamp(self, url: str) -> str:
        return f"stamp of {self.pages[url]!a}"


class ScriptedIndex:
    """Keeps copies in a dict, and remembers which pages it had at each moment that one went."""

    def __init__(
        self, name: str = "index", hook: Hook = nothing_happens, batch_size: int = 2, lanes: int = 1
    ) -> None:
        self.name = name
        self.batch_size = batch_size
        self.lanes = lanes
        self.in_doubt = False
        self.keeps_labels = True
        self.place = "here"
        self.copies: dict[str, Page] = {}
        self.theirs: set[str] = set()  # refs of what others have put there
        self.puts = 0
        self.compared = 0
        self.tidied: list[int] = []
        self.refused: set[str] = set()
        self.fail_after: int | None = None
        self.urls_at_removal: list[set[str]] = []
        self.hook = hook

    async def prepare(self) -> str:
        await self.hook("prepare")
        return self.place

    async def put(self, pages: Sequence[Page]) -> Sequence[str | IndexRefused]:
        results: list[str | IndexRefused] = []
        for page in pages:
            await self.hook(f"put {page.url}")
            if self.fail_after is not None and self.puts >= self.fail_after:
                raise EngineUnreachable
            self.puts += 1
            if page.url in self.refused:
                results.append(IndexRefused("unsupported"))
                continue
            ref = f"{self.name}-{self.puts}"
            self.copies[ref] = page
            results.append(ref)
        await self.hook("was put")
        return results

    async def remove(self, documents: Sequence[Document]) -> None:
        for document in documents:
            await self.hook(f"remove {document.ref}")
            self.copies.pop(document.ref, None)
        self.urls_at_removal.append({page.url for page in self.copies.values()})
        await self.hook("was removed")

    async def relabel(self, copies: Sequence[Document]) -> Sequence[bool]:
        for copy in copies:
            await self.hook(f"relabel {copy.ref}")
        return [copy.ref in self.copies and self.keeps_labels for copy in copies]

    async def tidy(self, changes: int) -> None:
        await self.hook("tidy")
        self.tidied.append(changes)

    async def compare(self, documents: Sequence[Document]) -> Comparison:
        await self.hook("compare")
        self.compared += 1
        self.in_doubt = False
        known = {document.ref for document in documents}
        return Comparison(
            place=self.place,
            lost=[one for one in documents if one.ref not in self.copies],
            orphans=[
                Document(index=self.name, url="", title="", hash="", ref=ref)
                for ref in self.copies
                if ref not in known and ref not in self.theirs
            ],
            foreign=len(self.theirs),
        )

    async def close(self) -> None:
        """Nothing is open."""

    @property
    def content(self) -> dict[str, str]:
        ours = {ref: page for ref, page in self.copies.items() if ref not in self.theirs}
        assert len(ours) == len({page.url for page in ours.values()})
        return {page.url: page.markdown for page in ours.values()}

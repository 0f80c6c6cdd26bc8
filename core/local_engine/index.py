"""The local full-text index: copies of pages as passages in our own database."""

import asyncio
import hashlib
from collections.abc import Sequence

from core.domain import Document, Page
from core.errors import IndexRefused
from core.local_engine.errors import translated_errors
from core.local_engine.passages import cut
from core.local_engine.words import words_of
from core.store.passages import Entry, Passages


class LocalIndex:
    """A DocumentIndex over the passages of the store."""

    name = "local"
    batch_size = 25  # pages in one transaction: on SQLite, nothing else is written meanwhile

    def __init__(self, passages: Passages) -> None:
        self._passages = passages

    async def prepare(self) -> None:
        """Do nothing: the passages are in our own database."""

    async def put(self, pages: Sequence[Page]) -> Sequence[str | IndexRefused]:
        """Index pages, all of a call or, on an error, none; a page without text is refused.

        A repeat changes nothing: the ref of a copy follows from what is in it. Raises
        EngineUnreachable.
        """
        # In a thread, because a large page would keep the event loop from acknowledging mentions.
        copies = await asyncio.to_thread(lambda: {_ref(page): _entries(page) for page in pages})
        with translated_errors():
            await self._passages.put({ref: entries for ref, entries in copies.items() if entries})
        refs = [_ref(page) for page in pages]
        return [ref if copies[ref] else IndexRefused("The page has no text.") for ref in refs]

    async def remove(self, documents: Sequence[Document]) -> None:
        """Delete copies; one that is gone already is no error. Raises EngineUnreachable."""
        with translated_errors():
            await self._passages.remove([document.ref for document in documents])

    async def close(self) -> None:
        """Do nothing: the connections are the store's."""


def _ref(page: Page) -> str:
    return hashlib.sha256(f"{page.url}\n{page.hash}".encode()).hexdigest()[:32]


def _entries(page: Page) -> list[Entry]:
    title = words_of(page.title)
    return [
        Entry(
            passage=passage,
            title=title,
            headings=words_of("\n".join(h for h in passage.headings if h != page.title)),
            text=words_of(passage.text),
        )
        for passage in cut(page)
    ]

"""The local full-text index: copies of pages as passages in our own database."""

import asyncio
import hashlib
from collections.abc import Sequence

from core.documents import Comparison, Document, Page
from core.errors import IndexRefused
from core.local_engine.entries import entries_of
from core.local_engine.errors import translated_errors
from core.store.passages import Entry, Passages

FORMAT = "2"  # of the entries: to be raised when they are made otherwise, so that all are made anew
MANY = 100  # copies; what fewer change, Postgres finds out by itself in time
NOTHING = "nothing-"  # begins the ref of a copy without passages


class LocalIndex:
    """A DocumentIndex over the passages of the store."""

    name = "local"
    batch_size = 8  # pages that are cut and held in memory at the same time
    lanes = 1
    in_doubt = False  # a transaction leaves nothing behind

    def __init__(self, passages: Passages) -> None:
        self._passages = passages

    async def prepare(self) -> str:
        """Name the way in which entries are made as the place; the passages are always there."""
        return FORMAT

    async def put(self, pages: Sequence[Page]) -> Sequence[str | IndexRefused]:
        """Index pages, each as a whole or not at all; one without text is never found.

        A repeat changes nothing: the ref of a copy follows from what is in it. Raises
        EngineUnreachable; some of the pages may be found then.
        """
        # In a thread, because a large page would keep the event loop from acknowledging mentions.
        entries = await asyncio.to_thread(lambda: [entries_of(page) for page in pages])
        refs = [_ref(page, some) for page, some in zip(pages, entries, strict=True)]
        with translated_errors():
            await self._passages.put(
                {ref: some for ref, some in zip(refs, entries, strict=True) if some}
            )
        return refs

    async def relabel(self, copies: Sequence[Document]) -> Sequence[bool]:
        """Say yes: a search asks the pages themselves where they come from."""
        return [True] * len(copies)

    async def remove(self, documents: Sequence[Document]) -> None:
        """Delete copies; one that is gone already is no error. Raises EngineUnreachable."""
        with translated_errors():
            await self._passages.remove([document.ref for document in documents])

    async def tidy(self, changes: int) -> None:
        """Let the database look at its passages after many changes. Raises EngineUnreachable."""
        if changes >= MANY:
            with translated_errors():
                await self._passages.analyze()

    async def compare(self, documents: Sequence[Document]) -> Comparison:
        """Compare the passages with what is on record. Raises EngineUnreachable."""
        with translated_errors():
            there, hidden = await self._passages.refs(), await self._passages.hidden()
        held = there - hidden
        known = {document.ref for document in documents if document.ref in held}
        return Comparison(
            place=FORMAT,
            lost=[d for d in documents if d.ref not in held and not d.ref.startswith(NOTHING)],
            orphans=[
                Document(index=self.name, url="", title="", hash="", ref=ref, place=FORMAT)
                for ref in sorted((there | hidden) - known)
            ],
        )

    async def close(self) -> None:
        """Do nothing: the connections are the store's."""


def _ref(page: Page, entries: Sequence[Entry]) -> str:
    # With the format: a copy of a newer one is put beside the old copy, which is found meanwhile.
    ref = hashlib.sha256(f"{FORMAT}\n{page.url}\n{page.hash}".encode()).hexdigest()[:32]
    return ref if entries else f"{NOTHING}{ref}"

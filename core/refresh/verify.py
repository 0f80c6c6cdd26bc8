"""What an index holds, compared with what we have on record, and that with the pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.documents import Document
from core.ports import DocumentIndex
from core.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexCheck:
    """How far an index is in line with the pages, and the record with the index."""

    index: str
    copies: int  #: on record
    lost: Sequence[Document]  #: on record, but not in the index
    orphans: Sequence[Document]  #: ours and in the index, but not on record
    missing: Sequence[str]  #: urls of pages of which the index should have a copy, and has none
    stale: Sequence[Document]  #: copies whose page is gone or has a newer one
    foreign: int  #: what others have put there, which is left alone
    others: Mapping[str, int]  #: of it, that of each other Docent, by its mark
    failed: Sequence[tuple[str, str]] = ()  #: what could not be mended, with the reason

    @property
    def is_in_line(self) -> bool:
        """Whether what the index holds of ours is exactly the pages that we have."""
        return not (self.lost or self.orphans or self.missing or self.stale)


async def check(
    store: Store, index: DocumentIndex, failed: Sequence[tuple[str, str]] = ()
) -> IndexCheck:
    """Look how far an index is in line; changes nothing. Raises EngineError, StoreError."""
    copies = await store.documents.copies(index.name)
    held = await index.compare(copies)
    return IndexCheck(
        index=index.name,
        copies=len(copies),
        lost=held.lost,
        orphans=held.orphans,
        missing=await store.documents.missing_urls(index.name, held.place),
        stale=await store.documents.stale(index.name, held.place),
        foreign=held.foreign,
        others=held.others,
        failed=tuple(failed),
    )

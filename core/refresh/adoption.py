"""Copies that an index has of ours, although nothing in the database says so.

Some bear a mark of this Docent: those were put there by a refresh that was killed, or are on the
record of a newer database than this. Others bear the mark of another Docent, and may be that one's;
only a person can know that they are what this Docent has put there before its database was lost.
"""

import logging
from collections.abc import Iterable, Sequence

from core.documents import Document
from core.store import Store

log = logging.getLogger(__name__)

MARKS = "marker"  # the name under which the store keeps by which marks our copies are known


def unsettled(index: str) -> str:
    """The name under which the store notes that an index may differ from the record."""
    return f"unsettled_index:{index}"


async def own(store: Store, mark: str, indexes: Iterable[str]) -> None:
    """Take all copies with this mark for ours from now on. A repeat changes nothing.

    The next refresh compares them with the pages. Raises StoreError.
    """
    for index in indexes:  # before they are ours: a kill between the two must not hide it
        await store.values.put(unsettled(index), "1")
    marks = (await store.values.get(MARKS) or "").split()
    if mark not in marks:
        await store.values.put(MARKS, " ".join((*marks, mark)))


async def adopt(
    store: Store, index: str, place: str, orphans: Sequence[Document]
) -> Sequence[Document]:
    """Record those orphans that are copies of pages as they are now; return the others.

    Of a page that the index has on record already, and of several that are alike, no second copy
    is kept. Raises StoreError.
    """
    if not any(orphan.hash for orphan in orphans):
        return orphans
    missing = set(await store.documents.missing_urls(index, place))
    known = await store.documents.known()
    adopted: dict[str, Document] = {}
    for orphan in orphans:
        if orphan.url in missing and known[orphan.url].hash == orphan.hash:
            adopted.setdefault(orphan.url, orphan)
    if not adopted:
        return orphans
    await store.documents.add(list(adopted.values()))
    log.info("Copies were there already", extra={"index": index, "copies": len(adopted)})
    return [orphan for orphan in orphans if adopted.get(orphan.url) is not orphan]

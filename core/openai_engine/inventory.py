"""What of ours is at OpenAI: in the vector store, or uploaded and in none.

A file is ours if it is on record, or bears a mark of ours, in its attributes or (where a server
keeps no attributes, or the file never came into a vector store) in its name.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, TypeVar

import openai
from openai import AsyncOpenAI
from openai.pagination import AsyncCursorPage
from openai.types import FileObject
from openai.types.vector_stores import VectorStoreFile

from core.documents import Comparison, Document
from core.errors import EngineRefused
from core.openai_engine.client import UPLOAD_TIMEOUT
from core.openai_engine.documents import MARKER, is_named_so
from core.openai_engine.errors import is_missing, page_of, translate_errors
from core.openai_engine.patience import patiently
from core.parallel import each

log = logging.getLogger(__name__)

T = TypeVar("T")

IN_STORE_AT_ONCE, FILES_AT_ONCE = 100, 10_000  # most that one request lists
UNUSABLE = ("failed", "cancelled")


class Inventory:
    """Takes stock. Every method raises EngineError as engines do."""

    def __init__(self, client: AsyncOpenAI, pauses: Sequence[float]) -> None:
        self._client = client
        self._pauses = pauses

    async def compare(
        self, store: str | None, marks: Collection[str], index: str, documents: Sequence[Document]
    ) -> Comparison:
        """Compare what is there with what is on record; `store` is where it should be."""
        there = await self._in_store(store) if store else None
        held = {file.id: file for file in there or ()}
        marked = {ref: mark for ref, file in held.items() if (mark := _attribute(file, MARKER))}
        ours = {ref for ref, mark in marked.items() if mark in marks} | await self._named(marks)
        known = {document.ref for document in documents}
        usable = {ref for ref, file in held.items() if file.status not in UNUSABLE}
        lost: Sequence[Document] = [
            d for d in documents if d.place == (store or "") and d.ref not in usable
        ]
        if store and there is not None:
            lost = await self._really_lost(store, lost)
        # The file of a copy that is lost may be there all the same, detached or of no use.
        left = {document.ref for document in lost} & (ours | held.keys())
        return Comparison(
            place=store or "",
            lost=lost,
            orphans=[
                _orphan(index, ref, store or "", held.get(ref))
                for ref in sorted((ours - known) | left)
            ],
            foreign=len(held.keys() - ours - known),
            others=Counter(mark for ref, mark in marked.items() if ref not in ours | known),
        )

    async def _in_store(self, store: str) -> Sequence[VectorStoreFile] | None:
        """All files in the vector store; None where that does not exist."""

        async def first() -> AsyncCursorPage[VectorStoreFile]:
            return await self._client.vector_stores.files.list(
                store, limit=IN_STORE_AT_ONCE, order="asc", timeout=UPLOAD_TIMEOUT
            )

        try:
            return await self._all(first, VectorStoreFile)
        except EngineRefused as error:
            cause = error.__cause__
            if isinstance(cause, openai.APIStatusError) and is_missing(cause):
                return None
            raise

    async def _named(self, marks: Collection[str]) -> set[str]:
        """Ids of all uploaded files that bear one of our marks in their name, wherever they are."""
        if not marks:
            return set()

        async def first() -> AsyncCursorPage[FileObject]:
            return await self._client.files.list(
                purpose="assistants", limit=FILES_AT_ONCE, order="asc", timeout=UPLOAD_TIMEOUT
            )

        try:
            files = await self._all(first, FileObject)
        except EngineRefused as error:
            # What is in no vector store is found by nobody: a server that lists none keeps it.
            log.info("The uploaded files cannot be listed: %s", error)
            return set()
        return {
            file.id
            for file in files
            if any(is_named_so(str(file.filename), mark) for mark in marks)
        }

    async def _all(
        self, first: Callable[[], Awaitable[AsyncCursorPage[Any]]], kind: type[T]
    ) -> list[T]:
        """Everything that a list has, page by page."""

        async def read(request: Callable[[], Awaitable[AsyncCursorPage[Any]]]) -> Any:
            async def once() -> AsyncCursorPage[Any]:
                with translate_errors():
                    return await page_of(request())

            return await patiently(once, self._pauses)

        found: dict[str, T] = {}
        page = await read(first)
        while True:
            entries: Sequence[object] = page.data or ()
            new = {str(getattr(e, "id", "")): e for e in entries if isinstance(e, kind)}
            is_new = any(id_ not in found for id_ in new)
            found |= new
            if not is_new or not page.has_next_page():  # a server may not know how to go on
                return list(found.values())
            page = await read(page.get_next_page)

    async def _really_lost(self, store: str, documents: Sequence[Document]) -> Sequence[Document]:
        """Those of documents that the list does not show and that are not usable either.

        A list may be behind: what has just been put is not always in it.
        """

        async def is_lost(document: Document) -> bool:
            async def look() -> bool:
                with translate_errors():
                    try:
                        file = await self._client.vector_stores.files.retrieve(
                            document.ref, vector_store_id=store, timeout=UPLOAD_TIMEOUT
                        )
                    except openai.APIStatusError as error:
                        if is_missing(error):
                            return True
                        raise
                    return getattr(file, "status", "") in UNUSABLE

            return await patiently(look, self._pauses)

        lost = await each(documents, is_lost)
        return [one for one, is_gone in zip(documents, lost, strict=True) if is_gone]


def _attribute(file: VectorStoreFile, name: str) -> str:
    value = (file.attributes or {}).get(name)
    return value if isinstance(value, str) else ""


def _orphan(index: str, ref: str, store: str, file: VectorStoreFile | None) -> Document:
    """A file that is on no record; of a page where it can be found and says of which."""
    url, title, hash_ = (
        (_attribute(file, name) for name in ("url", "title", "hash"))
        if file and file.status == "completed"
        else ("", "", "")
    )
    return Document(index=index, url=url, title=title, hash=hash_, ref=ref, place=store)

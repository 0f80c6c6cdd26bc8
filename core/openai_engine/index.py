"""Documents in a vector store at OpenAI, where file_search finds them.

A document is known by the id of its file. Lives here: copying pages there and taking them away. Not
here: which pages, and what has been copied already; the refresh and the store know that.
"""

import logging
from collections.abc import Sequence

import openai
from openai import AsyncOpenAI
from openai.types import FileDeleted, FileObject
from openai.types.vector_stores import VectorStoreFile, VectorStoreFileDeleted

from core.domain import Document, Page
from core.errors import EngineBusy, EngineError, IndexRefused
from core.openai_engine.attachment import Attachment, States
from core.openai_engine.client import POLL_TIMEOUT, UPLOAD_TIMEOUT
from core.openai_engine.documents import file_content, file_name
from core.openai_engine.errors import (
    REFUSES_THE_FILE,
    is_missing,
    short_code,
    translate_errors,
    usable,
)
from core.openai_engine.parallel import each
from core.openai_engine.patience import Timing, patiently
from core.openai_engine.vector_store import VectorStore

log = logging.getLogger(__name__)


class OpenAIIndex:
    """Copies pages into the vector store."""

    name = "openai"
    batch_size = 100  # OpenAI takes 500 in a batch; smaller ones show progress and fail smaller

    def __init__(
        self, client: AsyncOpenAI, *, vector_store: VectorStore, timing: Timing | None = None
    ) -> None:
        """Use `client`, which `close` closes."""
        self._client = client
        self._vector_store = vector_store
        self._timing = timing or Timing()
        self._attachment = Attachment(client, self._timing)

    async def prepare(self) -> None:
        """Make sure that the vector store can be written to."""
        await self._vector_store.ensure()

    async def put(self, pages: Sequence[Page]) -> Sequence[str | IndexRefused]:
        """Upload the pages' files, attach them in one batch, and wait for that.

        What fails leaves nothing behind, as far as OpenAI can be reached.
        """
        if not pages:
            return []
        store = await self._vector_store.ensure()
        uploaded: list[str] = []
        attached_to: str | None = None
        states: States = {}
        try:
            outcomes = await each(pages, lambda page: self._upload(page, uploaded))
            taken = [
                (page, ref)
                for page, ref in zip(pages, outcomes, strict=True)
                if isinstance(ref, str)
            ]
            if taken:
                attached_to = store
                states = await self._attachment.attach(store, taken)
        except EngineError:
            await self._discard(attached_to, set(uploaded))
            raise
        results = [
            ref if isinstance(ref, IndexRefused) else _outcome(ref, states.get(ref))
            for ref in outcomes
        ]
        kept = {ref for ref in results if isinstance(ref, str)}
        await self._discard(attached_to, set(uploaded) - kept)
        return results

    async def remove(self, documents: Sequence[Document]) -> None:
        """Detach the documents' files and delete them; a file stays findable for a moment.

        One that cannot be removed keeps none of the others; its error is raised in the end.
        """
        store = await self._vector_store.id()
        refs = {document.ref for document in documents}
        await patiently(lambda: self._remove_all(store, refs), self._timing.pauses)

    async def close(self) -> None:
        """Close the client."""
        await self._client.close()

    async def _upload(self, page: Page, uploaded: list[str]) -> str | IndexRefused:
        async def upload() -> str | IndexRefused:
            with translate_errors():
                try:
                    reply = await self._client.files.create(
                        file=(file_name(page), file_content(page), "text/markdown"),
                        purpose="assistants",
                        timeout=UPLOAD_TIMEOUT,
                    )
                except openai.APIStatusError as error:
                    if error.status_code in REFUSES_THE_FILE:
                        code = short_code(error.code, str(error.status_code))
                        return IndexRefused(f"OpenAI did not take the file ({code}).")
                    raise
                return usable(FileObject, reply).id

        # An upload whose reply was lost is made again, and its first file is never heard of again:
        # a few kilobytes that nothing finds, as it is in no vector store.
        outcome = await patiently(upload, self._timing.pauses)
        if isinstance(outcome, str):
            uploaded.append(outcome)
        return outcome

    async def _discard(self, store: str | None, refs: set[str]) -> None:
        """Remove files that are not to be kept, without trying hard: they do no harm."""
        try:
            await self._remove_all(store, refs)
        except EngineError as error:
            kind = type(error).__name__
            log.warning("Files were left behind", extra={"files": len(refs), "because": kind})

    async def _remove_all(self, store: str | None, refs: set[str]) -> None:
        """Remove files, and take each that is gone out of `refs`.

        Raises the first error after all have been tried, but EngineBusy at once.
        """

        async def remove(ref: str) -> EngineError | None:
            try:
                await self._remove(store, ref)
            except EngineBusy:
                raise
            except EngineError as error:
                return error
            refs.discard(ref)
            return None

        outcomes = await each(sorted(refs), remove)
        for error in filter(None, outcomes):
            raise error

    async def _remove(self, store: str | None, ref: str) -> None:
        """Take a file out of the vector store, if it may be in one, and delete it."""
        with translate_errors():
            if store is not None:
                try:
                    detached = await self._client.vector_stores.files.delete(
                        ref, vector_store_id=store, timeout=POLL_TIMEOUT
                    )
                    usable(VectorStoreFileDeleted, detached)
                except (openai.NotFoundError, openai.BadRequestError):
                    log.debug("A document was not in the vector store", extra={"document": ref})
            try:
                deleted = await self._client.files.delete(ref, timeout=POLL_TIMEOUT)
                usable(FileDeleted, deleted)
            except openai.APIStatusError as error:
                if not is_missing(error):
                    raise
                log.debug("A document's file was gone", extra={"document": ref})


def _outcome(ref: str, file: VectorStoreFile | None) -> str | IndexRefused:
    match file and file.status:
        case "completed":
            return ref
        case "in_progress":
            return IndexRefused(
                "It is still being indexed by OpenAI; the next refresh tries again."
            )
        case None:
            return IndexRefused("OpenAI did not take it into the vector store.")
        case status:
            code = file.last_error.code if file and file.last_error else status
            return IndexRefused(f"OpenAI could not index it ({short_code(code, 'unknown')}).")

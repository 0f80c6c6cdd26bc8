"""Documents in a vector store at OpenAI, where file_search finds them.

A document is known by the id of its file. Lives here: copying pages there and taking them away. Not
here: which pages, and what has been copied already; the refresh and the store know that.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import openai
from openai import AsyncOpenAI
from openai.pagination import AsyncCursorPage
from openai.types import FileDeleted, FileObject
from openai.types.vector_stores import (
    VectorStoreFile,
    VectorStoreFileBatch,
    VectorStoreFileDeleted,
)
from openai.types.vector_stores.file_batch_create_params import File

from core.domain import Document, Page
from core.errors import EngineBusy, EngineError, EngineUnreachable, IndexRefused
from core.openai_engine.client import POLL_TIMEOUT, UPLOAD_TIMEOUT
from core.openai_engine.documents import CHUNKING, file_attributes, file_content, file_name
from core.openai_engine.errors import short_code, translate_errors, usable
from core.openai_engine.patience import PAUSES, patiently
from core.openai_engine.vector_store import VectorStore

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

FilesPage = AsyncCursorPage[VectorStoreFile]

PARALLEL = 8  # requests at once: some 1,000 uploads a minute, which is what OpenAI allows
LIST_AT_ONCE = 100  # most files that one request lists
REFUSES_THE_FILE = {400, 413, 415, 422}  # statuses that are about one file, not about all of them


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """How long the index waits, in seconds."""

    pauses: Sequence[float] = PAUSES  #: between tries of a request
    first_look: float = 0.5  #: from one look at a batch to the next, growing by half each time
    longest_look: float = 5.0
    patience: float = 120.0  #: for a batch to be indexed, and as much more for each file as:
    patience_per_file: float = 2.0


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
        try:
            outcomes = await _each(pages, lambda page: self._upload(page, uploaded))
            taken = [
                (page, ref)
                for page, ref in zip(pages, outcomes, strict=True)
                if isinstance(ref, str)
            ]
            states = await self._attach(store, taken) if taken else {}
        except EngineError:
            await self._discard(store, uploaded)
            raise
        results = [
            ref if isinstance(ref, IndexRefused) else _outcome(ref, states.get(ref))
            for ref in outcomes
        ]
        kept = {ref for ref in results if isinstance(ref, str)}
        await self._discard(store, set(uploaded) - kept)
        return results

    async def remove(self, documents: Sequence[Document]) -> None:
        """Detach the documents' files and delete them; a file stays findable for a moment."""
        store = await self._vector_store.id()
        await _each(
            [document.ref for document in documents],
            lambda ref: patiently(lambda: self._remove(store, ref), self._timing.pauses),
        )

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

    async def _attach(
        self, store: str, taken: Sequence[tuple[Page, str]]
    ) -> dict[str, VectorStoreFile]:
        """Attach the files and say what became of each."""
        files: list[File] = [
            {
                "file_id": ref,
                "attributes": dict(file_attributes(page)),
                "chunking_strategy": CHUNKING,
            }
            for page, ref in taken
        ]

        async def attach() -> str:
            with translate_errors():
                reply = await self._client.vector_stores.file_batches.create(store, files=files)
                return usable(VectorStoreFileBatch, reply).id

        # Later replies are not asked for the id: some servers put that of the vector store there.
        batch = await patiently(attach, self._timing.pauses)
        return await self._settled(store, batch, len(files))

    async def _settled(self, store: str, batch: str, count: int) -> dict[str, VectorStoreFile]:
        """Wait until no file of the batch is in progress, or until patience ends."""
        timing = self._timing
        clock = asyncio.get_running_loop()
        deadline = clock.time() + timing.patience + count * timing.patience_per_file
        pause = timing.first_look
        while (left := deadline - clock.time()) > 0:
            wait = pause
            try:
                done, hint = await self._look(store, batch)
                states = await self._states(store, batch) if done else {}
                if done and not any(file.status == "in_progress" for file in states.values()):
                    return states
                wait = hint or pause
            except EngineBusy as busy:
                wait = max(busy.retry_after or 0.0, pause)
            except EngineUnreachable:
                log.debug("A look at a batch failed", extra={"batch": batch})
            await asyncio.sleep(min(wait, left))
            pause = min(pause * 1.5, timing.longest_look)
        return await patiently(lambda: self._states(store, batch), timing.pauses)

    async def _look(self, store: str, batch: str) -> tuple[bool, float | None]:
        """Say whether the batch has ended, and how many seconds the server says to wait if not."""
        with translate_errors():
            raw = await self._client.vector_stores.file_batches.with_raw_response.retrieve(
                batch, vector_store_id=store, timeout=POLL_TIMEOUT
            )
            status = usable(VectorStoreFileBatch, raw.parse()).status
        hint = raw.headers.get("openai-poll-after-ms", "")
        seconds = int(hint) / 1000 if hint.isdecimal() else None
        return status != "in_progress", seconds and min(seconds, self._timing.longest_look)

    async def _states(self, store: str, batch: str) -> dict[str, VectorStoreFile]:
        """List the files of the batch. Its counts are no help: they do not say which file."""
        states: dict[str, VectorStoreFile] = {}
        with translate_errors():
            page = await _page(
                self._client.vector_stores.file_batches.list_files(
                    batch, vector_store_id=store, limit=LIST_AT_ONCE, timeout=POLL_TIMEOUT
                )
            )
            while True:
                entries: Sequence[object] = page.data or ()
                files = [entry for entry in entries if isinstance(entry, VectorStoreFile)]
                is_new = any(file.id not in states for file in files)
                states |= {file.id: file for file in files}
                if not is_new or not page.has_next_page():  # a server may not know how to go on
                    return states
                page = await _page(page.get_next_page())

    async def _discard(self, store: str, refs: Iterable[str]) -> None:
        """Remove files that are not to be kept, without trying hard: they do no harm."""
        files = list(refs)
        try:
            await _each(files, lambda ref: self._remove(store, ref))
        except EngineError as error:
            kind = type(error).__name__
            log.warning("Files were left behind", extra={"files": len(files), "because": kind})

    async def _remove(self, store: str | None, ref: str) -> None:
        with translate_errors():
            if store is not None:
                try:
                    detached = await self._client.vector_stores.files.delete(
                        ref, vector_store_id=store, timeout=POLL_TIMEOUT
                    )
                    usable(VectorStoreFileDeleted, detached)
                except openai.NotFoundError:
                    log.debug("A document was not in the vector store", extra={"document": ref})
            try:
                deleted = await self._client.files.delete(ref, timeout=POLL_TIMEOUT)
                usable(FileDeleted, deleted)
            except openai.NotFoundError:
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


async def _page(request: Awaitable[FilesPage]) -> FilesPage:
    try:
        return await request
    except AttributeError as error:  # the SDK takes any body for a list, and stumbles over others
        raise EngineUnreachable from error


async def _each(items: Sequence[T], work: Callable[[T], Awaitable[R]]) -> list[R]:
    """Do `work` on each item, some at once, and return the results in order.

    The first error ends it all and is raised as it is.
    """
    gate = asyncio.Semaphore(PARALLEL)

    async def one(item: T) -> R:
        async with gate:
            return await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
    except ExceptionGroup as errors:
        first = errors.exceptions[0]
        raise first from first.__cause__
    return [task.result() for task in tasks]

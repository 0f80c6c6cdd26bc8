"""Documents in a vector store at OpenAI, where file_search finds them.

A document is known by the id of its file. Lives here: copying pages there and taking them away. Not
here: which pages, and what has been copied already; the refresh and the store know that.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import openai
from openai import AsyncOpenAI
from openai.types import FileDeleted, FileObject
from openai.types.vector_stores import VectorStoreFile, VectorStoreFileDeleted

from core.documents import Comparison, Document, Page
from core.errors import EngineBusy, EngineError, EngineRefused, EngineUnreachable, IndexRefused
from core.openai_engine.attachment import Attachment, States
from core.openai_engine.client import POLL_TIMEOUT, UPLOAD_TIMEOUT
from core.openai_engine.documents import SOURCE, file_attributes, file_content, file_name
from core.openai_engine.errors import (
    REFUSES_THE_FILE,
    is_missing,
    short_code,
    translate_errors,
    usable,
)
from core.openai_engine.inventory import Inventory
from core.openai_engine.patience import LONGEST_PAUSE, Timing, patiently
from core.openai_engine.vector_store import VectorStore
from core.pacing import RequestBudget
from core.parallel import PARALLEL, each

log = logging.getLogger(__name__)


CANNOT_LABEL = (400, 404, 405, 422, 501)  # it is gone, or the server has no such thing
FIRST_PAUSE = 1.0  # seconds, where OpenAI asks for a pause and does not say how long
SAVED_UP = 100.0  # uploads that may be made at once after a while without any


async def _no_marker() -> str:
    return ""


class OpenAIIndex:
    """Copies pages into the vector store."""

    name = "openai"
    batch_size = 100  # OpenAI takes 500 in a batch; smaller ones show progress and fail smaller
    lanes = 3  # one batch is uploaded while others are indexed

    def __init__(
        self,
        client: AsyncOpenAI,
        *,
        vector_store: VectorStore,
        marker: Callable[[], Awaitable[str]] = _no_marker,
        timing: Timing | None = None,
    ) -> None:
        """Use `client`, which `close` closes.

        `marker` says by which mark our files are known: letters and digits, and the same for ever.
        Files with any further marks that it gives, after a space, are ours as well. Without a mark,
        files that are not on record are taken for those of others.
        """
        self._client = client
        self._vector_store = vector_store
        self._marker = marker
        self._timing = timing or Timing()
        self._attachment = Attachment(client, self._timing)
        self._inventory = Inventory(client, self._timing.pauses)
        self._gate = asyncio.Semaphore(PARALLEL)
        self._budget = RequestBudget(self._timing.uploads_per_second, SAVED_UP)
        self._not_before = 0.0  # by the clock of the event loop
        self.in_doubt = False

    async def prepare(self) -> str:
        """Make sure that the vector store can be written to; its id."""
        return await self._vector_store.ensure()

    async def put(self, pages: Sequence[Page]) -> Sequence[str | IndexRefused]:
        """Upload the pages' files, attach them in one batch, and wait for that.

        What fails leaves nothing behind, as far as OpenAI can be reached.
        """
        if not pages:
            return []
        store, marks = await self._vector_store.ensure(), await self._marks()
        marker = marks[0] if marks else ""
        uploaded: list[str] = []
        attached_to: str | None = None
        states: States = {}
        try:
            outcomes = await each(pages, lambda page: self._upload(page, marker, uploaded))
            taken = [
                (page, ref)
                for page, ref in zip(pages, outcomes, strict=True)
                if isinstance(ref, str)
            ]
            if taken:
                attached_to = store
                states = await self._attachment.attach(store, taken, marker)
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
        present = await self._vector_store.id()
        places: dict[str | None, set[str]] = {}
        for document in documents:
            places.setdefault(document.place or present, set()).add(document.ref)
        for store, refs in places.items():
            await patiently(partial(self._remove_all, store, refs), self._timing.pauses)

    async def relabel(self, copies: Sequence[Document]) -> Sequence[bool]:
        """Change the attributes of files that are there: none is uploaded for that."""
        store, marks = await self._vector_store.id(), await self._marks()
        marker = marks[0] if marks else ""

        async def label(copy: Document) -> bool:
            attributes = file_attributes(copy, marker)
            return store is not None and await patiently(
                partial(self._label, store, copy.ref, attributes), self._timing.pauses
            )

        return await each(copies, label)

    async def tidy(self, changes: int) -> None:
        """Do nothing: OpenAI does what there is to do."""

    async def compare(self, documents: Sequence[Document]) -> Comparison:
        """Compare the files at OpenAI with what is on record; a hundred of them in a request."""
        store, marks = await self._vector_store.id(), await self._marks()
        compared = await self._inventory.compare(store, marks, self.name, documents)
        self.in_doubt = False
        return compared

    async def close(self) -> None:
        """Close the client."""
        await self._client.close()

    async def _label(self, store: str, ref: str, attributes: dict[str, str | float | bool]) -> bool:
        await self._turn()
        try:
            with translate_errors():
                reply = await self._client.vector_stores.files.update(
                    ref, vector_store_id=store, attributes=dict(attributes), timeout=POLL_TIMEOUT
                )
                file = usable(VectorStoreFile, reply)
        except EngineBusy as busy:
            self._spare(busy.retry_after)
            raise
        except (EngineRefused, EngineUnreachable) as error:
            cause = error.__cause__
            if isinstance(cause, openai.APIStatusError) and cause.status_code in CANNOT_LABEL:
                return False
            raise
        return (file.attributes or {}).get(SOURCE) == attributes.get(SOURCE)

    async def _marks(self) -> Sequence[str]:
        return (await self._marker()).split()

    async def _upload(self, page: Page, marker: str, uploaded: list[str]) -> str | IndexRefused:
        async def upload() -> str | IndexRefused:
            await self._turn()
            try:
                async with self._gate:
                    return await self._upload_once(page, marker)
            except EngineBusy as busy:
                self._spare(busy.retry_after)
                raise
            except EngineUnreachable:
                self.in_doubt = True  # it may be there all the same, and its id is never heard of
                raise

        outcome = await patiently(upload, self._timing.pauses)
        if isinstance(outcome, str):
            uploaded.append(outcome)
        return outcome

    async def _upload_once(self, page: Page, marker: str) -> str | IndexRefused:
        with translate_errors():
            try:
                reply = await self._client.files.create(
                    file=(file_name(page, marker), file_content(page), "text/markdown"),
                    purpose="assistants",
                    timeout=UPLOAD_TIMEOUT,
                )
            except openai.APIStatusError as error:
                if error.status_code in REFUSES_THE_FILE:
                    code = short_code(error.code, str(error.status_code))
                    return IndexRefused(f"OpenAI did not take the file ({code}).")
                raise
            return usable(FileObject, reply).id

    def _spare(self, seconds: float | None) -> None:
        """Begin no further upload for so long: those under way would only be refused, too."""
        wait = min(FIRST_PAUSE if seconds is None else seconds, LONGEST_PAUSE)
        self._not_before = max(self._not_before, asyncio.get_running_loop().time() + wait)

    async def _turn(self) -> None:
        """Wait until an upload is within what OpenAI allows in a minute."""
        clock = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._not_before - clock.time()))
        while not self._budget.take(clock.time()):  # noqa: ASYNC110 (only time makes it true)
            await asyncio.sleep(self._budget.wait)

    async def _discard(self, store: str | None, refs: set[str]) -> None:
        """Remove files that are not to be kept, without trying hard: `compare` finds them, too."""
        try:
            await self._remove_all(store, refs)
        except EngineError as error:
            self.in_doubt = True
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

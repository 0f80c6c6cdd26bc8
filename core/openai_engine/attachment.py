"""Uploaded files on their way into a vector store, until they can be found or will not be."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import openai
from openai import AsyncOpenAI
from openai.types.vector_stores import VectorStoreFile, VectorStoreFileBatch
from openai.types.vector_stores.file_batch_create_params import File

from core.documents import Page
from core.errors import EngineBusy, EngineUnreachable
from core.openai_engine.client import POLL_TIMEOUT, UPLOAD_TIMEOUT
from core.openai_engine.documents import CHUNKING, file_attributes
from core.openai_engine.errors import REFUSES_THE_FILE, page_of, translate_errors, usable
from core.openai_engine.patience import Timing, patiently
from core.parallel import each

log = logging.getLogger(__name__)

T = TypeVar("T")

States = Mapping[str, VectorStoreFile]  # by the ids of the files; those that are not there are not

LIST_AT_ONCE = 100  # most files that one request lists


class Attachment:
    """Attaches files to vector stores and waits for that."""

    def __init__(self, client: AsyncOpenAI, timing: Timing) -> None:
        self._client = client
        self._timing = timing

    async def attach(
        self, store: str, uploaded: Sequence[tuple[Page, str]], marker: str = ""
    ) -> States:
        """Attach the files of pages and say what became of each, within a bounded time.

        They go in one batch, and those that the batch has lost go again, one by one: some servers
        take the batch and pass over its files. Raises EngineError where a request fails for good.
        """
        files: list[File] = [
            {
                "file_id": ref,
                "attributes": dict(file_attributes(page, marker)),
                "chunking_strategy": CHUNKING,
            }
            for page, ref in uploaded
        ]
        states = await self._attach_batch(store, files)
        lost = [file for file in files if file["file_id"] not in states]
        if not lost:
            return states
        log.info("A batch lost files, which go one by one", extra={"files": len(lost)})
        deadline = self._deadline(len(lost))
        found = await each(lost, lambda file: self._attach_file(store, file, deadline))
        return dict(states) | {ref: file for one in found for ref, file in one.items()}

    # --- in a batch -----------------------------------------------------------------------------

    async def _attach_batch(self, store: str, files: Sequence[File]) -> States:
        async def attach() -> str:
            with translate_errors():
                reply = await self._client.vector_stores.file_batches.create(store, files=files)
                return usable(VectorStoreFileBatch, reply).id

        async def look() -> tuple[States | None, float | None]:
            done, hint = await self._look(store, batch)
            states = await self._states(store, batch) if done else {}
            if done and not any(file.status == "in_progress" for file in states.values()):
                return states, None
            return None, hint

        # Later replies are not asked for the id: some servers put that of the vector store there.
        batch = await patiently(attach, self._timing.pauses)
        states = await self._wait(look, self._deadline(len(files)))
        if states is None:
            return await patiently(lambda: self._states(store, batch), self._timing.pauses)
        return states

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

    async def _states(self, store: str, batch: str) -> States:
        """List the files of the batch. Its counts are no help: they do not say which file."""
        states: dict[str, VectorStoreFile] = {}
        with translate_errors():
            page = await page_of(
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
                page = await page_of(page.get_next_page())

    # --- one by one -----------------------------------------------------------------------------

    async def _attach_file(self, store: str, file: File, deadline: float) -> States:
        ref = file["file_id"]

        async def attach() -> States:
            request = self._client.vector_stores.files.create(
                store,
                file_id=ref,
                attributes=file["attributes"],
                chunking_strategy=file["chunking_strategy"],
                timeout=UPLOAD_TIMEOUT,  # some servers index the file before they reply
            )
            return await _state(ref, request)

        async def look() -> tuple[States | None, float | None]:
            request = self._client.vector_stores.files.retrieve(
                ref, vector_store_id=store, timeout=POLL_TIMEOUT
            )
            state = await _state(ref, request)
            return (None if _is_at_work(state) else state), None

        state = await patiently(attach, self._timing.pauses)
        if not _is_at_work(state):
            return state
        ended = await self._wait(look, deadline)
        return state if ended is None else ended

    # --- waiting --------------------------------------------------------------------------------

    def _deadline(self, count: int) -> float:
        patience = self._timing.patience + count * self._timing.patience_per_file
        return asyncio.get_running_loop().time() + patience

    async def _wait(
        self, look: Callable[[], Awaitable[tuple[T | None, float | None]]], deadline: float
    ) -> T | None:
        """Look until there is something to return; None where there is nothing at the deadline.

        A look says also how many seconds to wait for the next one, or None. One that fails, as
        happens to a server at work, is followed by another.
        """
        clock = asyncio.get_running_loop()
        pause = self._timing.first_look
        while (left := deadline - clock.time()) > 0:
            wait = pause
            try:
                seen, hint = await look()
                if seen is not None:
                    return seen
                wait = hint or pause
            except EngineBusy as busy:
                wait = max(busy.retry_after or 0.0, pause)
            except EngineUnreachable as error:
                log.debug("A look at files on their way failed", extra={"because": str(error)})
            await asyncio.sleep(min(wait, left))
            pause = min(pause * 1.5, self._timing.longest_look)
        return None


def _is_at_work(state: States) -> bool:
    return any(file.status == "in_progress" for file in state.values())


async def _state(ref: str, request: Awaitable[VectorStoreFile]) -> States:
    """Return what a reply says of a file, by our id of it; nothing where the file is refused."""
    with translate_errors():
        try:
            return {ref: usable(VectorStoreFile, await request)}
        except openai.APIStatusError as error:
            if error.status_code in (*REFUSES_THE_FILE, 404):
                return {}
            raise

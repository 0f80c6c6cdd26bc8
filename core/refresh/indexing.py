"""An index is brought in line with the pages: new copies in first, old ones out afterwards.

What is put into an index and what is on record of it are two things, and a process can be killed
between them. So before the first change the store notes that the index is unsettled; where that
note is found, what the index holds is compared with the record, and the rest is removed.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from core.documents import Document, OnProgress, Page, RefreshPhase, RefreshProgress
from core.errors import EngineError, IndexRefused
from core.ports import DocumentIndex
from core.refresh.adoption import adopt, unsettled
from core.refresh.plan import Plan, batches
from core.store import Store

log = logging.getLogger(__name__)

LABELS_AT_ONCE = 100  # copies
OTHERS = (
    "%d files in %s bear the mark %s of another Docent. If that was this one, before its database "
    "was lost, run: docent refresh --adopt %s"
)


class Indexer:
    """Brings one index in line."""

    def __init__(
        self, store: Store, index: DocumentIndex, plan: Plan, on_progress: OnProgress
    ) -> None:
        """What fails is noted in `plan`."""
        self._store = store
        self._documents = store.documents
        self._index = index
        self._plan = plan
        self._on_progress = on_progress
        self._unsettled = unsettled(index.name)
        self._is_noted = False
        self._changes = 0
        self._place = ""

    async def bring_in_line(self, *, compares: bool = False) -> None:
        """Put in what is missing, then take out what is stale. Raises StoreError.

        `compares`: find out what the index really holds, also where nothing tells that it differs.
        Where the index cannot be used, that is noted, and what was not done is left for later.
        """
        try:
            self._place = await self._index.prepare()
            self._is_noted = await self._store.values.get(self._unsettled) is not None
            orphans = await self._settle() if compares or self._is_noted else []
            await self._warn_of_others()
            replaced = await self._relabel()
            await self._put_missing()
            await self._remove([*await self._stale(), *await self._still([*orphans, *replaced])])
            if self._index.in_doubt:
                # What went wrong may have left something: that is known only after another look.
                await self._remove(await self._settle())
            if self._changes:
                await self._index.tidy(self._changes)
        except EngineError as error:
            self._plan.failed.append((f"index {self._index.name}", str(error)))
            return
        if self._is_noted:
            await self._store.values.forget(self._unsettled)

    async def _settle(self) -> Sequence[Document]:
        """Bring the record in line with the index; return the copies that are to go.

        Copies that the index has lost are forgotten, and those that are as good as new recorded.
        """
        await self._tell("comparing", 0, 0)
        held = await self._index.compare(await self._documents.copies(self._index.name))
        if held.lost or held.orphans:
            differs = {"lost": len(held.lost), "orphans": len(held.orphans)}
            log.info("An index differs from the record", extra={"index": held.place, **differs})
        await self._documents.forget(held.lost)
        return await adopt(self._store, self._index.name, self._place, held.orphans)

    async def _warn_of_others(self) -> None:
        """Tell whoever fills an index for the first time that there may be copies in it."""
        missing = await self._documents.missing_urls(self._index.name, self._place)
        if not missing or len(missing) < await self._documents.count():
            return
        held = await self._index.compare(await self._documents.copies(self._index.name))
        for mark, copies in held.others.items():
            log.warning(OTHERS, copies, held.place, mark, mark)

    async def _still(self, orphans: Sequence[Document]) -> Sequence[Document]:
        """Those orphans that are still on no record: an index may give a copy its old ref again."""
        if not orphans:
            return ()
        recorded = {copy.ref for copy in await self._documents.copies(self._index.name)}
        return [orphan for orphan in orphans if orphan.ref not in recorded]

    async def _stale(self) -> Sequence[Document]:
        return await self._documents.stale(self._index.name, self._place)

    async def _note(self) -> None:
        """Write down that the index is about to change, before the first change."""
        if not self._is_noted:
            await self._store.values.put(self._unsettled, "1")
            self._is_noted = True

    # --- in ---------------------------------------------------------------------------------------

    async def _relabel(self) -> Sequence[Document]:
        """Let copies say from which source their pages come; return those that are replaced.

        Where the index cannot change a copy, a new one takes its place, as for a changed page.
        """
        replaced: list[Document] = []
        copies = await self._documents.mislabelled(self._index.name, self._place)
        for batch in batches(copies, LABELS_AT_ONCE):
            labelled = await self._index.relabel(batch)
            done = [copy for copy, says_so in zip(batch, labelled, strict=True) if says_so]
            await self._documents.add(done)
            replaced += [copy for copy in batch if copy not in done]
        if replaced:
            await self._note()
            await self._documents.forget(replaced)
        return replaced

    async def _put_missing(self) -> None:
        """Put in the pages that have no copy as they are now, several batches at the same time.

        After an error no further batch is begun; it is raised when those under way have ended.
        """
        urls = await self._documents.missing_urls(self._index.name, self._place)
        if not urls:
            return
        await self._note()
        await self._tell("indexing", 0, len(urls))
        waiting = list(batches(urls, self._index.batch_size))
        waiting.reverse()
        errors: list[EngineError] = []
        done = 0

        async def lane() -> None:
            nonlocal done
            while waiting and not errors:
                batch = waiting.pop()
                try:
                    await self._put(await self._documents.get_pages(batch))
                except EngineError as error:
                    errors.append(error)
                    return
                done += len(batch)
                await self._tell("indexing", done, len(urls))

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(self._index.lanes, len(waiting))):
                    tasks.create_task(lane())
        except ExceptionGroup as group:  # of the database, or not foreseen
            raise group.exceptions[0] from None
        for error in errors:
            raise error

    async def _put(self, pages: Sequence[Page]) -> None:
        copies: list[Document] = []
        for page, result in zip(pages, await self._index.put(pages), strict=True):
            match result:
                case IndexRefused():
                    self._plan.failed.append((page.url, f"index {self._index.name}: {result}"))
                case ref:
                    copies.append(self._copy(page, ref))
        await self._documents.add(copies)
        self._changes += len(copies)

    def _copy(self, page: Page, ref: str) -> Document:
        copy = Document(
            index=self._index.name, url=page.url, title=page.title, hash=page.hash, ref=ref
        )
        return replace(copy, place=self._place, source=page.source)

    # --- out --------------------------------------------------------------------------------------

    async def _remove(self, copies: Sequence[Document]) -> None:
        """Take copies out of the index, then off the record: never the other way round."""
        if not copies:
            return
        await self._note()
        done = 0
        for batch in batches(copies, self._index.batch_size):
            await self._tell("removing", done, len(copies))
            await self._index.remove(batch)
            await self._documents.forget(batch)
            self._changes += len(batch)
            done += len(batch)
        await self._tell("removing", done, len(copies))

    async def _tell(self, phase: RefreshPhase, done: int, total: int) -> None:
        await self._on_progress(
            RefreshProgress(phase=phase, done=done, total=total, what=self._index.name)
        )

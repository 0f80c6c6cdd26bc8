"""The refresh: pages are brought in line with their sources, then each index with the pages.

Both halves compare before they act, and record each thing done: a refresh that is killed leaves
work for the next one and nothing else.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from core.domain import Document, Listed, Page, RefreshProgress, RefreshReport
from core.errors import (
    EngineError,
    IndexRefused,
    NoSources,
    PageUnreadable,
    RefreshBusy,
    SourceUnreachable,
)
from core.mishaps import log_mishap
from core.ports import DocumentIndex, OnProgress, PageSource
from core.store import Store
from core.store.documents import KnownPage

log = logging.getLogger(__name__)

READERS = 8  # pages that are read at the same time
PAGES_PER_WRITE = 50
LAST_ENDED = "refresh_ended_at"  # the name under which the store keeps it

T = TypeVar("T")


@dataclass(kw_only=True, slots=True)
class _Findings:
    """What a refresh has found so far."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


class Refresher:
    """Keeps the documents in line with their sources; one refresh at a time, of all processes."""

    def __init__(
        self, *, store: Store, sources: Sequence[PageSource], indexes: Sequence[DocumentIndex]
    ) -> None:
        self._store = store
        self._sources = sources
        self._indexes = indexes
        self.idle = asyncio.Event()  #: set while no refresh is under way
        self.idle.set()

    @property
    def has_sources(self) -> bool:
        """Whether there is any documentation to read."""
        return bool(self._sources)

    async def refresh(self, on_progress: OnProgress) -> RefreshReport:
        """Bring pages and indexes in line, and say what was done.

        A page, source or index that fails is named in the report, and its old copies stay. Raises
        NoSources where there is nothing to read, RefreshBusy where a refresh is under way, of
        whatever process, StoreError where the database fails.
        """
        if not self._sources:
            raise NoSources
        if not self.idle.is_set():
            raise RefreshBusy
        self.idle.clear()
        try:
            async with self._store.exclusive("refresh") as held:
                if not held:
                    raise RefreshBusy
                report = await self._bring_in_line(on_progress)
            if report.added or report.changed or report.unchanged:  # else nothing was achieved
                await self._store.values.put(LAST_ENDED, str(time.time()))
        finally:
            self.idle.set()
        _log(report)
        return report

    async def last_ended(self) -> float | None:
        """When the last refresh that achieved something ended, of whatever process; or None."""
        ended = await self._store.values.get(LAST_ENDED)
        return float(ended) if ended else None

    async def _bring_in_line(self, on_progress: OnProgress) -> RefreshReport:
        began = time.monotonic()
        findings = _Findings()
        await self._refresh_pages(findings, on_progress)
        for index in self._indexes:
            await self._refresh_index(index, findings, on_progress)
        return RefreshReport(
            added=tuple(findings.added),
            changed=tuple(findings.changed),
            removed=tuple(findings.removed),
            unchanged=findings.unchanged,
            failed=tuple(findings.failed),
            seconds=time.monotonic() - began,
        )

    # --- pages ------------------------------------------------------------------------------------

    async def _refresh_pages(self, findings: _Findings, on_progress: OnProgress) -> None:
        known = await self._store.documents.known()
        kept: set[str] = set()
        unreachable: set[str] = set()
        for source in self._sources:
            await on_progress(RefreshProgress(phase="listing", done=0, total=0, what=source.name))
            try:
                listed = await source.list()
                if not listed and any(page.source == source.name for page in known.values()):
                    # A site that answers with an empty list is broken, not emptied.
                    raise SourceUnreachable("lists no page, and had some before")
            except SourceUnreachable as error:
                findings.failed.append((source.name, str(error)))
                unreachable.add(source.name)
                continue
            # A page that two sources list belongs to the first.
            mine = [entry for entry in listed if entry.url not in kept]
            kept.update(entry.url for entry in mine)
            await self._read_pages(source, mine, known, findings, on_progress)
        # The pages of a source that is no longer named go too; but not while a named one cannot be
        # read, which may be the one that took its place: that would leave nothing.
        safe = {source.name for source in self._sources} - unreachable if unreachable else None
        gone = [
            url
            for url, page in known.items()
            if url not in kept and (safe is None or page.source in safe)
        ]
        await self._store.documents.remove_pages(gone)
        findings.removed += gone

    async def _read_pages(
        self,
        source: PageSource,
        listed: Sequence[Listed],
        known: dict[str, KnownPage],
        findings: _Findings,
        on_progress: OnProgress,
    ) -> None:
        """Read what may have changed, a few pages at a time, and keep what did."""
        done = 0
        for batch in _batches(listed, PAGES_PER_WRITE):
            await on_progress(_progress("reading", done, len(listed), source.name))
            pages = await self._read_batch(source, batch, known, findings)
            await self._store.documents.put_pages(pages)
            done += len(batch)
        await on_progress(_progress("reading", done, len(listed), source.name))

    async def _read_batch(
        self,
        source: PageSource,
        batch: Sequence[Listed],
        known: dict[str, KnownPage],
        findings: _Findings,
    ) -> list[Page]:
        places = asyncio.Semaphore(READERS)
        pages: list[Page] = []

        async def read(listed: Listed) -> None:
            before = known.get(listed.url)
            if before and before.source != source.name:
                before = None  # another source's stamp means nothing to this one
            stamp = before.stamp if before else None
            if listed.stamp is not None and listed.stamp == stamp:
                findings.unchanged += 1
                return
            async with places:
                try:
                    page = await source.read(listed, stamp)
                except PageUnreadable as error:
                    findings.failed.append((listed.url, str(error)))
                    return
                except Exception as error:  # noqa: BLE001 (one odd page must not end it all)
                    log_mishap(log, "Unforeseen error in a page", error, url=listed.url)
                    kind = type(error).__name__
                    findings.failed.append((listed.url, f"cannot be read ({kind})"))
                    return
            if page is None or (before and before.hash == page.hash):
                findings.unchanged += 1
            elif listed.url in known:
                findings.changed.append(listed.url)
            else:
                findings.added.append(listed.url)
            if page is not None:
                pages.append(page)

        async with asyncio.TaskGroup() as tasks:
            for listed in batch:
                tasks.create_task(read(listed))
        return pages

    # --- indexes ----------------------------------------------------------------------------------

    async def _refresh_index(
        self, index: DocumentIndex, findings: _Findings, on_progress: OnProgress
    ) -> None:
        """Put in what is missing, then take out what is stale: never the other way round."""
        documents = self._store.documents
        try:
            await index.prepare()
            if missing := await documents.missing_urls(index.name):
                await self._put_all(index, missing, findings, on_progress)
            for stale in _batches(await documents.stale(index.name), index.batch_size):
                await index.remove(stale)
                await documents.forget(stale)
        except EngineError as error:
            findings.failed.append((f"index {index.name}", str(error)))

    async def _put_all(
        self,
        index: DocumentIndex,
        urls: Sequence[str],
        findings: _Findings,
        on_progress: OnProgress,
    ) -> None:
        done = 0
        for batch in _batches(urls, index.batch_size):
            await on_progress(_progress("indexing", done, len(urls), index.name))
            await self._put(index, await self._store.documents.get_pages(batch), findings)
            done += len(batch)
        await on_progress(_progress("indexing", done, len(urls), index.name))

    async def _put(self, index: DocumentIndex, pages: Sequence[Page], findings: _Findings) -> None:
        copies: list[Document] = []
        for page, result in zip(pages, await index.put(pages), strict=True):
            match result:
                case IndexRefused():
                    findings.failed.append((page.url, f"index {index.name}: {result}"))
                case ref:
                    copies.append(
                        Document(
                            index=index.name,
                            url=page.url,
                            title=page.title,
                            hash=page.hash,
                            ref=ref,
                        )
                    )
        await self._store.documents.add(copies)


def _batches(things: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(things), size):
        yield things[start : start + size]


def _progress(
    phase: Literal["reading", "indexing"], done: int, total: int, what: str
) -> RefreshProgress:
    return RefreshProgress(phase=phase, done=done, total=total, what=what)


def _log(report: RefreshReport) -> None:
    log.info(
        "Refresh ended",
        extra={
            "added": len(report.added),
            "changed": len(report.changed),
            "removed": len(report.removed),
            "unchanged": report.unchanged,
            "failed": len(report.failed),
            "seconds": round(report.seconds, 3),
        },
    )
    for what, reason in report.failed:
        log.warning("Refresh failed for %s: %s", what, reason)

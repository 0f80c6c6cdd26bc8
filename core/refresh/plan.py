"""What the sources have now, compared with the pages that we have: what a refresh is to do."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from core.domain import Listed, Page, RefreshProgress
from core.errors import PageEmpty, PageGone, PageUnreadable, SourceUnreachable
from core.mishaps import log_mishap
from core.ports import OnProgress, PageSource
from core.store.documents import Documents, KnownPage

log = logging.getLogger(__name__)

READERS = 8  # pages that are read at the same time
PAGES_PER_WRITE = 50
MOST_REMOVED, FEW = 0.3, 5  # a larger share of the pages, and more than so many, needs a yes

T = TypeVar("T")


@dataclass(kw_only=True, slots=True)
class Plan:
    """What a refresh has found, by page address."""

    known: int = 0  #: pages that we had, of the sources in question
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)  #: with the reason
    failed: list[tuple[str, str]] = field(default_factory=list)  #: with the reason

    @property
    def removes_much(self) -> bool:
        """Whether so much would go that a broken source is likelier than a smaller documentation.

        What is added does not count against it: pages that moved are gone for whoever links them.
        """
        return len(self.removed) > max(FEW, self.known * MOST_REMOVED)


class Planner:
    """Lists and reads sources. What has changed is put into `pages`, unless nothing may be."""

    def __init__(
        self,
        documents: Documents,
        sources: Sequence[PageSource],
        chosen: Sequence[PageSource],
        *,
        keeps: bool,
    ) -> None:
        """Plan for those of all `sources` that are `chosen`; `keeps`: store what was read."""
        self._documents = documents
        self._sources = sources
        self._chosen = chosen
        self._keeps = keeps
        self._rank = {source.name: rank for rank, source in enumerate(sources)}
        self._known: dict[str, KnownPage] = {}
        self._plan = Plan()

    async def plan(self, on_progress: OnProgress) -> Plan:
        """List the sources, then read what may have changed. Raises StoreError."""
        self._known = await self._documents.known()
        chosen = {source.name for source in self._chosen}
        everything = len(chosen) == len(self._sources)
        in_question = [p for p in self._known.values() if everything or p.source in chosen]
        self._plan.known = len(in_question)
        listed = await self._list_all(on_progress)
        mine = self._share_out(listed)
        for source in self._chosen:
            if source.name in mine:
                await self._read_all(source, mine[source.name], on_progress)
        self._plan.removed += await self._missing(listed, everything)
        return self._plan

    # --- listing ----------------------------------------------------------------------------------

    async def _list_all(self, on_progress: OnProgress) -> dict[str, Sequence[Listed]]:
        """What each source that can be reached lists, by its name; the others have failed."""
        listed: dict[str, Sequence[Listed]] = {}
        for source in self._chosen:
            await on_progress(RefreshProgress(phase="listing", done=0, total=0, what=source.name))
            try:
                entries = await self._list(source)
            except SourceUnreachable as error:
                self._plan.failed.append((source.name, str(error)))
                continue
            listed[source.name] = entries
        return listed

    async def _list(self, source: PageSource) -> Sequence[Listed]:
        try:
            entries = await source.list()
        except SourceUnreachable:
            raise
        except Exception as error:  # one odd source must not end it all
            log_mishap(log, "Unforeseen error in a source", error, source=source.name)
            kind = type(error).__name__
            raise SourceUnreachable(f"cannot be listed ({kind})") from error
        if not entries and any(page.source == source.name for page in self._known.values()):
            # A site that answers with an empty list is broken, not emptied.
            raise SourceUnreachable("lists no page, and had some before")
        return entries

    def _share_out(self, listed: dict[str, Sequence[Listed]]) -> dict[str, list[Listed]]:
        """Give each page that several sources list to the first of them, as DOCS_SOURCES goes."""
        taken: set[str] = set()
        mine: dict[str, list[Listed]] = {}
        for source in self._sources:
            if source.name not in listed:
                continue
            mine[source.name] = [
                entry
                for entry in listed[source.name]
                if entry.url not in taken and not self._belongs_before(entry.url, source, listed)
            ]
            taken.update(entry.url for entry in mine[source.name])
        return mine

    def _belongs_before(
        self, url: str, source: PageSource, listed: dict[str, Sequence[Listed]]
    ) -> bool:
        """Whether we have the page from an earlier source, which was not listed this time."""
        known = self._known.get(url)
        if known is None or known.source in listed:
            return False
        return self._rank.get(known.source, len(self._rank)) < self._rank[source.name]

    async def _missing(self, listed: dict[str, Sequence[Listed]], everything: bool) -> list[str]:
        """The pages that we have and no source lists any more."""
        there = {entry.url for entries in listed.values() for entry in entries}
        # The pages of a source that is no longer named go too; but not while a named one cannot be
        # read, which may be the one that took its place: that would leave nothing.
        all_count = everything and len(listed) == len(self._sources)
        dead = set(self._plan.removed)
        gone = [
            url
            for url, page in self._known.items()
            if url not in there and url not in dead and (all_count or page.source in listed)
        ]
        others = [source for source in self._sources if source not in self._chosen]
        for source in others if gone else ():  # one of them may list it, too
            try:
                elsewhere = {entry.url for entry in await self._list(source)}
            except SourceUnreachable as error:
                log.info("A source that may have pages, too: %s", error)
                return []
            gone = [url for url in gone if url not in elsewhere]
        return gone

    # --- reading ----------------------------------------------------------------------------------

    async def _read_all(
        self, source: PageSource, entries: Sequence[Listed], on_progress: OnProgress
    ) -> None:
        """Read what may have changed, a few pages at a time, and keep what did."""
        done, total = 0, len(entries)
        for batch in batches(entries, PAGES_PER_WRITE):
            await on_progress(_reading(done, total, source))
            pages = await self._read_batch(source, batch)
            if self._keeps and pages:
                await self._documents.put_pages(pages)
            done += len(batch)
        await on_progress(_reading(done, total, source))

    async def _read_batch(self, source: PageSource, batch: Sequence[Listed]) -> list[Page]:
        """Read some pages; those to keep."""
        places = asyncio.Semaphore(READERS)
        pages: list[Page] = []

        async def read(entry: Listed) -> None:
            before = self._known.get(entry.url)
            if before and before.source != source.name:
                before = None  # another source's stamp means nothing to this one
            stamp = before.stamp if before else None
            if entry.stamp is not None and entry.stamp == stamp:
                self._plan.unchanged += 1
                return
            async with places:
                page = await self._read(source, entry, stamp)
            if page is not None and not _is_kept(page, self._known.get(entry.url)):
                pages.append(page)

        async with asyncio.TaskGroup() as tasks:
            for entry in batch:
                tasks.create_task(read(entry))
        return pages

    async def _read(self, source: PageSource, entry: Listed, stamp: str | None) -> Page | None:
        """Read one page, and note what has become of it."""
        url = entry.url
        try:
            page = await source.read(entry, stamp)
        except PageGone as error:
            if url in self._known:
                self._plan.removed.append(url)
            else:
                self._plan.skipped.append((url, str(error)))
        except PageEmpty as error:
            self._plan.skipped.append((url, str(error)))
        except PageUnreadable as error:
            self._plan.failed.append((url, str(error)))
        except Exception as error:  # noqa: BLE001 (one odd page must not end it all)
            log_mishap(log, "Unforeseen error in a page", error, url=url)
            self._plan.failed.append((url, f"cannot be read ({type(error).__name__})"))
        else:
            if page is not None and not page.markdown.strip():
                self._plan.skipped.append((url, "no content"))
                return None
            self._note(url, page)
            return page
        return None

    def _note(self, url: str, page: Page | None) -> None:
        known = self._known.get(url)
        if page is None or (known and known.hash == page.hash):
            self._plan.unchanged += 1
        elif known:
            self._plan.changed.append(url)
        else:
            self._plan.added.append(url)


def batches(things: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut a sequence into parts of a size."""
    for start in range(0, len(things), size):
        yield things[start : start + size]


def _is_kept(page: Page, known: KnownPage | None) -> bool:
    """Whether the store has the page just so, stamp and source included: no need to write it."""
    return known is not None and known == KnownPage(
        source=page.source, hash=page.hash, stamp=page.stamp
    )


def _reading(done: int, total: int, source: PageSource) -> RefreshProgress:
    return RefreshProgress(phase="reading", done=done, total=total, what=source.name)

"""What the sources have now, compared with the pages that we have: what a refresh is to do."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from core.documents import Listed, OnProgress, Page, RefreshProgress
from core.errors import PageEmpty, PageGone, PageUnreadable, SourceUnreachable
from core.mishaps import log_mishap
from core.ports import PageSource
from core.store.documents import Alias, Documents, KnownPage

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
    moved: list[str] = field(default_factory=list)  #: the same page is there under another address
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
        self._aliases: dict[str, Alias] = {}
        self._listed: dict[str, Sequence[Listed]] = {}
        self._there: set[str] = set()  # addresses that are listed
        self._read_now: dict[str, str] = {}  # the hashes of pages that were read in this refresh
        self._under_alias: set[str] = set()  # pages that are not listed, of which an alias is
        self._plan = Plan()

    async def plan(self, on_progress: OnProgress) -> Plan:
        """List the sources, then read what may have changed. Raises StoreError."""
        self._known = await self._documents.known()
        chosen = {source.name for source in self._chosen}
        everything = len(chosen) == len(self._sources)
        in_question = [p for p in self._known.values() if everything or p.source in chosen]
        self._plan.known = len(in_question)
        aliases_before = await self._documents.aliases()
        self._aliases = dict(aliases_before)
        self._listed = listed = await self._list_all(on_progress)
        self._there = {entry.url for entries in listed.values() for entry in entries}
        mine = self._share_out(listed)
        for source in self._chosen:
            if source.name in mine:
                await self._read_all(source, mine[source.name], on_progress)
        for url in await self._missing(listed, everything):
            (self._plan.moved if url in self._aliases else self._plan.removed).append(url)
        self._forget_aliases(everything)
        if self._keeps and self._aliases != aliases_before:
            await self._documents.put_aliases(self._aliases)
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
        there = self._recorded(self._there)
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
                elsewhere = self._recorded({entry.url for entry in await self._list(source)})
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
        # Aliases last: whether they still are some depends on what has become of the pages.
        pages = [entry for entry in entries if entry.url not in self._aliases]
        aliases = [entry for entry in entries if entry.url in self._aliases]
        both = (*batches(pages, PAGES_PER_WRITE), *batches(aliases, PAGES_PER_WRITE))
        for batch in both:
            await on_progress(_reading(done, total, source))
            read = await self._read_batch(source, batch)
            if self._keeps and read:
                await self._documents.put_pages(read)
            done += len(batch)
        await on_progress(_reading(done, total, source))

    async def _read_batch(self, source: PageSource, batch: Sequence[Listed]) -> list[Page]:
        """Read some pages; those to keep."""
        places = asyncio.Semaphore(READERS)
        pages: list[Page] = []

        async def read(entry: Listed) -> None:
            stamp = self._stamp(entry.url, source)
            if entry.stamp is not None and entry.stamp == stamp:
                self._plan.unchanged += 1
                return
            async with places:
                page = await self._read(source, entry, stamp)
            if page is not None and not _is_kept(page, self._known.get(page.url)):
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
            if self._aliases.pop(url, None) is None and url in self._known:
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
            return self._settle(source, entry, page)
        return None

    # --- canonical addresses ----------------------------------------------------------------------

    def _stamp(self, url: str, source: PageSource) -> str | None:
        """The stamp with which to ask for an address: that of its page, or its own as an alias."""
        before: KnownPage | Alias | None = self._known.get(url)
        if (alias := self._aliases.get(url)) is not None:
            known = self._known.get(alias.page)
            now = self._read_now.get(alias.page, known.hash if known else None)
            is_ours = known is None or known.source in self._rank  # else it is to be ours now
            is_still = is_ours and now == alias.hash and alias.page not in self._plan.removed
            before = alias if is_still else None
        if before is None or before.source != source.name:
            return None  # another source's stamp means nothing to this one
        return before.stamp

    def _settle(self, source: PageSource, entry: Listed, page: Page | None) -> Page | None:
        """Note a page that was read, under the address that it has; the page, if it is to stay."""
        if page is None and (alias := self._aliases.get(entry.url)) is not None:
            if self._is_first(alias.page, source):
                self._plan.unchanged += 1
            return None
        if page is not None and page.url != entry.url:
            self._aliases[entry.url] = Alias(
                page=page.url, source=source.name, stamp=page.stamp, hash=page.hash
            )
            if not self._is_first(page.url, source):
                return None
            page = replace(page, stamp=None)  # which was that of the other address
        elif page is not None:
            self._aliases.pop(entry.url, None)
        if page is not None:
            self._read_now[page.url] = page.hash
        self._note(page.url if page else entry.url, page)
        return page

    def _is_first(self, url: str, source: PageSource) -> bool:
        """Whether nothing but an alias, and this one first, brings the page of an address."""
        if url in self._there or url in self._under_alias:
            return False
        self._under_alias.add(url)
        return not self._belongs_before(url, source, self._listed)

    def _recorded(self, listed: set[str]) -> set[str]:
        """The addresses under which we have the pages of those that are listed."""
        return {
            alias.page if (alias := self._aliases.get(url)) and self._has(alias.page) else url
            for url in listed
        }

    def _has(self, url: str) -> bool:
        """Whether we have a page, from before or from now."""
        had = url in self._known and url not in self._plan.removed
        return had or url in self._read_now

    def _forget_aliases(self, everything: bool) -> None:
        """Forget those that are not listed any more, by sources that were."""
        names = {source.name for source in self._sources}
        for url, alias in list(self._aliases.items()):
            is_stray = everything and alias.source not in names
            if is_stray or (alias.source in self._listed and url not in self._there):
                del self._aliases[url]

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

"""Keeps the documents in line with their sources: plan, then act."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final

from core.documents import OnProgress, RefreshProgress, RefreshReport, removals_key
from core.errors import NoSources, RefreshBusy
from core.ports import DocumentIndex, PageSource
from core.refresh.adoption import own
from core.refresh.indexing import Indexer
from core.refresh.names import chosen, names_of
from core.refresh.plan import Plan, Planner
from core.refresh.under_way import alone, look
from core.refresh.verify import IndexCheck, check
from core.store import Store

log = logging.getLogger(__name__)

# The names under which the store keeps when a refresh ended: one that achieved something, or else.
LAST_ENDED, LAST_TRIED = "refresh_ended_at", "refresh_tried_at"
SOMEBODY = "somebody"
ANY_REMOVALS: Final = "any"  # confirms whatever is gone, unseen

NOT_ADOPTED: Final = (
    "left as they are, and nothing was indexed: that has to wait until every page can be read. "
    "Mend what failed, or leave it out of DOCS_SOURCES, and run it again."
)

Confirmation = str | None  # a `removals_key`, or ANY_REMOVALS


class Refresher:
    """Keeps the documents in line with their sources; one refresh at a time, of all processes."""

    def __init__(
        self, *, store: Store, sources: Sequence[PageSource], indexes: Sequence[DocumentIndex]
    ) -> None:
        self._store = store
        self._sources = sources
        self._indexes = indexes
        self.idle = asyncio.Event()  #: set while no refresh of this process is under way
        self.idle.set()

    @property
    def has_sources(self) -> bool:
        """Whether there is any documentation to read."""
        return bool(self._sources)

    @property
    def source_names(self) -> Sequence[str]:
        """What people call the sources."""
        return names_of(self._sources)

    @property
    def index_names(self) -> Sequence[str]:
        """The indexes that are kept in line."""
        return [index.name for index in self._indexes]

    async def refresh(
        self,
        on_progress: OnProgress,
        *,
        by: str = SOMEBODY,
        only: Sequence[str] = (),
        confirm: Confirmation = None,
        adopt: str | None = None,
    ) -> RefreshReport:
        """Bring pages and indexes in line, and say what was done.

        `by` is shown to whoever asks meanwhile; `only` names the sources to refresh, without it
        all. A page, source or index that fails is named in the report, and its old copies stay.
        Where a large part of the pages would be removed, they are `withheld`, unless `confirm` is
        the `removals_key` of just these, or ANY_REMOVALS. `adopt` is the mark of copies that were
        put into the indexes by this Docent before its database was lost: those that are as the
        pages are now are kept, the others removed; nothing is, while not every page can be read.
        Raises NoSources where there is nothing to read, UnknownSource, RefreshBusy where a refresh
        is under way, of whatever process, StoreError where the database fails.
        """
        sources = self._chosen(only)
        await self._must_be_idle()
        self.idle.clear()
        try:
            async with alone(self._store, by, on_progress) as tell:
                report = await self._bring_in_line(sources, confirm, adopt, tell)
                # Of a part of the sources it says nothing about when the others were read; and
                # where nothing was read, nothing was achieved.
                achieved = not only and (report.added or report.changed or report.unchanged)
                ended = LAST_ENDED if achieved else LAST_TRIED
                await self._store.values.put(ended, str(time.time()))
        finally:
            self.idle.set()
        _log(report)
        return report

    async def dry_run(
        self, on_progress: OnProgress, *, only: Sequence[str] = (), confirm: Confirmation = None
    ) -> RefreshReport:
        """Say what a refresh would do to the pages, and change nothing. Raises as `refresh`."""
        began = time.monotonic()
        plan = await self._plan(self._chosen(only), on_progress, keeps=False)
        return _report(plan, began, withheld=_withholds(plan, confirm), dry_run=True)

    async def last_ended(self) -> float | None:
        """When the last refresh that achieved something ended, of whatever process; or None."""
        ended = await self._store.values.get(LAST_ENDED)
        return float(ended) if ended else None

    async def was_tried(self) -> bool:
        """Whether a refresh ever ended, of whatever process, even if it achieved nothing."""
        return await was_tried(self._store)

    async def verify(
        self, on_progress: OnProgress, *, by: str = SOMEBODY, repair: bool = False
    ) -> Sequence[IndexCheck]:
        """Compare each index with what we have on record; with `repair`, mend what differs first.

        Raises RefreshBusy, EngineError, StoreError.
        """
        await self._must_be_idle()
        self.idle.clear()
        try:
            async with alone(self._store, by, on_progress) as tell:
                return [await self._verify(index, tell, repair) for index in self._indexes]
        finally:
            self.idle.set()

    async def _verify(
        self, index: DocumentIndex, on_progress: OnProgress, repair: bool
    ) -> IndexCheck:
        plan = Plan()
        if repair:
            await Indexer(self._store, index, plan, on_progress).bring_in_line(compares=True)
        return await check(self._store, index, plan.failed)

    def _chosen(self, only: Sequence[str]) -> Sequence[PageSource]:
        if not self._sources:
            raise NoSources
        return chosen(self._sources, only)

    async def _must_be_idle(self) -> None:
        # Asked in this process first: on some databases a process may take its own lock twice.
        if not self.idle.is_set():
            raise RefreshBusy(await look(self._store))

    async def _plan(
        self, sources: Sequence[PageSource], on_progress: OnProgress, *, keeps: bool
    ) -> Plan:
        planner = Planner(self._store.documents, self._sources, sources, keeps=keeps)
        return await planner.plan(on_progress)

    async def _bring_in_line(
        self,
        sources: Sequence[PageSource],
        confirm: Confirmation,
        adopt: str | None,
        on_progress: OnProgress,
    ) -> RefreshReport:
        began = time.monotonic()
        plan = await self._plan(sources, on_progress, keeps=True)
        if adopt and plan.failed:  # what it has of a page that is not known would be removed
            plan.failed.append((f"files with the mark {adopt}", NOT_ADOPTED))
            return _report(plan, began, withheld=True)
        withheld = _withholds(plan, confirm)
        if plan.moved:
            await self._store.documents.remove_pages(plan.moved)
        if plan.removed and not withheld:
            await self._store.documents.remove_pages(plan.removed)
        if adopt:
            await own(self._store, adopt, self.index_names)
        for index in self._indexes:
            await Indexer(self._store, index, plan, on_progress).bring_in_line()
        return _report(plan, began, withheld=withheld)


async def was_tried(store: Store) -> bool:
    """Whether a refresh into this store ever ended, even if it achieved nothing."""
    return any([await store.values.get(name) for name in (LAST_TRIED, LAST_ENDED)])


async def unseen(progress: RefreshProgress) -> None:
    """Nobody looks at how far it is."""


def _withholds(plan: Plan, confirm: Confirmation) -> bool:
    return plan.removes_much and confirm not in (ANY_REMOVALS, removals_key(plan.removed))


def _report(plan: Plan, began: float, *, withheld: bool, dry_run: bool = False) -> RefreshReport:
    return RefreshReport(
        added=tuple(plan.added),
        changed=tuple(plan.changed),
        removed=(*plan.moved, *(() if withheld else plan.removed)),
        unchanged=plan.unchanged,
        failed=tuple(plan.failed),
        seconds=time.monotonic() - began,
        skipped=tuple(plan.skipped),
        withheld=tuple(plan.removed) if withheld else (),
        known=plan.known,
        dry_run=dry_run,
    )


def _log(report: RefreshReport) -> None:
    log.info(
        "Refresh ended",
        extra={
            "added": len(report.added),
            "changed": len(report.changed),
            "removed": len(report.removed),
            "unchanged": report.unchanged,
            "skipped": len(report.skipped),
            "withheld": len(report.withheld),
            "failed": len(report.failed),
            "seconds": round(report.seconds, 3),
        },
    )
    if report.withheld:
        log.warning(
            "%d of %d pages are gone from their sources, and stay until `docent refresh --yes`",
            len(report.withheld),
            report.known,
        )
    for what, reason in report.failed:
        log.warning("Refresh failed for %s: %s", what, reason)

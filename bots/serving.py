"""A Docent that serves its platforms until it is told to stop."""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Collection, Iterator
from functools import partial

from bots import webhook
from bots.app import Docent
from bots.hangup import at_each
from bots.refresh_text import gone
from bots.waiting import work_until
from core.documents import RefreshProgress
from core.errors import DocumentsError, RefreshBusy, StoreError
from core.forgetting import ROUND, Forgetting
from core.mishaps import log_mishap
from core.schedule import Cron, due_after
from core.settings import Settings
from core.waiting import first_of

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 60.0, 3_600.0  # seconds after a refresh that achieved nothing


async def serve(
    docent: Docent,
    settings: Settings,
    stop: asyncio.Event,
    listens: Collection[str] | None = None,
    hung_up: asyncio.Event | None = None,
) -> None:
    """Run every platform, the loop and the housekeeping until `stop` is set.

    Only those platforms are listened to that `listens` names, where it is given; the others are
    for replies alone. Whenever `hung_up` is set, what holds in channels is read again. Raises, as
    an exception group, what a platform raises that is not let in, or StoreError. A task that dies
    ends the whole, so that a supervisor starts it again.
    """
    async with asyncio.TaskGroup() as tasks:
        for platform in docent.platforms.values():
            if listens is not None and platform.name not in listens:
                tasks.create_task(work_until(stop, platform.open()), name=platform.name)
                continue
            ready = asyncio.Event()
            tasks.create_task(platform.run(docent.desk, stop, ready), name=platform.name)
            tasks.create_task(_announce(platform.name, ready, stop))
        tasks.create_task(docent.loop.run(stop), name="loop")
        tasks.create_task(docent.alerts.run(stop))
        tasks.create_task(work_until(stop, docent.calling.run()))
        tasks.create_task(work_until(stop, docent.sharing.run()))
        if hung_up is not None:
            read_again = partial(docent.channels.reload, docent.alerts.report)
            tasks.create_task(work_until(stop, at_each(hung_up, read_again)))
        if docent.hook is not None:
            tasks.create_task(work_until(stop, docent.hook.deployed.run()))
            if docent.hook.port is not None:
                tasks.create_task(webhook.serve(docent.hook.deployed, docent.hook.port, stop))
        if docent.digest is not None:
            tasks.create_task(work_until(stop, docent.digest.run()))
        # Cancelled at the stop: what a refresh has not done, the next one does.
        tasks.create_task(work_until(stop, _keep_fresh(docent, settings.refresh_every)))
        forgetting = Forgetting(store=docent.store, engine=docent.engine)
        tasks.create_task(work_until(stop, _tidy(forgetting, settings.retention_days)))


@contextlib.contextmanager
def stop_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` on SIGTERM or SIGINT; a second signal kills as it would without us."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)

    def on_signal(number: int) -> None:
        log.info("Stopping", extra={"signal": signal.Signals(number).name})
        stop.set()
        for each in signals:
            loop.remove_signal_handler(each)

    for number in signals:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def _announce(name: str, ready: asyncio.Event, stop: asyncio.Event) -> None:
    await first_of(ready, stop)
    if ready.is_set():
        log.info("Connected", extra={"platform": name})


async def _keep_fresh(docent: Docent, every: float | Cron | None) -> None:
    """Refresh once where there is no documentation yet, then at the chosen interval or times."""
    if not docent.refresher.has_sources:
        log.warning("DOCS_SOURCES is not set: there is no documentation to answer from")
        return
    if await _is_unread(docent):
        log.warning("The engine has none of the documentation: it is refreshed now")
        await _refresh(docent)  # once: where that does not help, its report says why
    pause = FIRST_PAUSE
    while (wait := await _until_refresh(docent, every)) is not None:
        await asyncio.sleep(max(wait, 0.0))
        if wait > 0:
            continue  # meanwhile another process, or somebody, may have refreshed it
        if not await _refresh(docent):
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


async def _is_unread(docent: Docent) -> bool:
    """Whether there are pages, and none in the engine: as where a key of OpenAI was set since."""
    try:
        pages = await docent.store.documents.count()
        return pages > 0 and not await docent.store.documents.copies(docent.engine.name)
    except StoreError as error:
        log.error("The state of the documentation cannot be read: %s", error)
        return False


async def _until_refresh(docent: Docent, every: float | Cron | None) -> float | None:
    """Seconds until the next refresh is due; None where none will be."""
    try:
        if await docent.store.documents.count() == 0:
            return 0.0
        if every is None:
            return None
        # Counted from the last refresh, not from the start: a process that is restarted daily
        # would else never come to a weekly refresh.
        now = time.time()
        last = min(await docent.refresher.last_ended() or 0.0, now)  # a clock may have been wrong
        return due_after(every, last) - now
    except StoreError as error:
        log.error("The state of the documentation cannot be read: %s", error)
        return FIRST_PAUSE


async def _refresh(docent: Docent) -> bool:
    """Refresh, have an operator hear of pages that wait for a yes; whether anything was read."""

    async def unseen(progress: RefreshProgress) -> None:
        log.debug("Refresh goes on", extra={"phase": progress.phase, "done": progress.done})

    try:
        report = await docent.refresher.refresh(unseen, by="the schedule")
    except RefreshBusy as busy:
        log.info("The documentation is being refreshed: %s", busy)
        return False
    except (DocumentsError, StoreError) as error:
        log.error("Refresh failed: %s", error)
        return False
    except Exception as error:  # noqa: BLE001 (old documentation is better than no bot)
        log_mishap(log, "Unforeseen error in a refresh", error)
        return False
    mending = "Look at them, then run `docent refresh --yes` or use /refresh-docs."
    docent.alerts.report("withheld", f"{gone(report)} {mending}" if report.withheld else None)
    return bool(report.added or report.changed or report.unchanged)


async def _tidy(forgetting: Forgetting, retention_days: int | None) -> None:
    while True:
        await forgetting.tidy(time.time(), retention_days)
        await asyncio.sleep(ROUND)

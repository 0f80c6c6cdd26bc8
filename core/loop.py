"""The polling loop: decides when each open turn of this process takes its next step.

One turn per thread is in hand, the oldest open one. What a step does is in `answering.py` and
`delivery.py`; which threads are this process's, in `lease.py`. The store is the truth: after a
restart the loop begins from its open turns.
"""

import asyncio
import logging
from collections.abc import Mapping

from core.abandoned import AbandonedRuns
from core.agenda import Agenda
from core.answering import NOW, Answering
from core.clock import now as clock_now
from core.delivery import Delivery
from core.domain import OPEN_STATES, ThreadId, Turn, TurnState
from core.drafts import LISTENING_LOOK, Drafts
from core.ending import done_before, end
from core.errors import NotOurs, StoreError
from core.lease import Lease
from core.mishaps import log_mishap
from core.pacing import Pace, RequestBudget
from core.ports import Platform
from core.store import Store
from core.store.turns import STOPPED
from core.waiting import happens
from core.work import Work, clear_signs, log_end

log = logging.getLogger(__name__)

GRACE = 8.0  # seconds that running steps get to end after a stop
MISHAPS = 5  # unforeseen errors after which a turn is given up
AT_WORK = (TurnState.QUEUED, TurnState.RUNNING)  # the engine is at work, or will be
IDLE = 60.0  # seconds of sleep when nothing is due, and between two scans for unnoticed turns
GIVES_WAY = 0.5  # seconds, at most, in which questions that come are written down first
INTAKE_LOOK = 0.01  # seconds between two looks whether they are
PASSED_OVER = 0.2  # seconds until what a scan passed over is looked at again
RESCAN = 5.0  # seconds after a scan that failed


class Loop:
    """Brings every open turn of its platforms to its end."""

    def __init__(
        self,
        *,
        store: Store,
        answering: Answering,
        delivery: Delivery,
        drafts: Drafts,
        lease: Lease,
        abandoned: AbandonedRuns,
        platforms: Mapping[str, Platform],
        budget: RequestBudget | None = None,
    ) -> None:
        self._store = store
        self._answering = answering
        self._delivery = delivery
        self._drafts = drafts
        self._lease = lease
        self._abandoned = abandoned
        self._platforms = platforms
        self._agenda = Agenda(budget or RequestBudget(), self._is_mere_look)
        self._pace = Pace()
        self._heads: dict[ThreadId, Work] = {}
        self._steps: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._scan_wanted = asyncio.Event()
        self.idle = asyncio.Event()  #: set while every turn that is known has come to its end
        self.idle.set()

    def notice(self, turn: Turn) -> None:
        """Hear of a turn that was just taken. One whose thread is not ours is left alone."""
        platform = self._platforms.get(turn.thread.platform)
        if platform is None or not self._store.leases.holds(turn):
            return
        head = self._heads.get(turn.thread_id)
        if head is not None:
            head.more = True
        elif turn.waits:  # for a head that is not in hand yet: it comes first
            self.scan_soon()
        else:
            self._take_up(turn, platform, unfamiliar=False)

    def changed(self, thread: ThreadId) -> None:
        """Hear that a question of the thread was edited or deleted: its head is read again."""
        self.cancel_soon()  # the run for what was asked before
        work = self._heads.get(thread)
        if work is None:
            return
        work.stale = True
        self._hurry(work)

    def scan_soon(self) -> None:
        """Look for turns in the store that were not noticed: taken elsewhere, or half way here."""
        self._scan_wanted.set()

    def cancel_soon(self) -> None:
        """Hear that there may be runs to cancel."""
        self._abandoned.cancel_soon()

    def let_go(self) -> None:
        """Do nothing more about what is in hand: other processes may have it."""
        for step in self._steps:
            step.cancel()
        self._drafts.drop()
        self._heads.clear()
        self._agenda.clear()
        self.idle.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then end what is being done, within `GRACE` seconds.

        What was not begun is handed over to other processes at once. Raises StoreError where the
        open turns cannot be read at the start.
        """
        if not await done_before(stop, self._begin()):
            return  # the database hangs
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._wake_at(stop))
            beside = [
                tasks.create_task(self._keep_scanning()),
                tasks.create_task(self._lease.hear(self)),
                tasks.create_task(self._abandoned.keep_cancelling()),
            ]
            keeping = tasks.create_task(self._lease.keep(self))
            while not stop.is_set():
                for work in [] if self._store.intake.busy(GIVES_WAY) else self._agenda.take_due():
                    # Not in the task: before it begins, `changed` would schedule another one.
                    work.stepping = True
                    step = tasks.create_task(self._step(work, tasks))
                    self._steps.add(step)
                    step.add_done_callback(self._steps.discard)
                await self._sleep()
            self._lease.stop_taking()
            for task in beside:
                task.cancel()
            await self._end()
            keeping.cancel()

    async def _begin(self) -> None:
        await self._lease.join()
        log.info("Answering", extra={"platforms": ", ".join(sorted(self._lease.wanted)) or "none"})
        if await self._scan():
            self.scan_soon()

    async def _end(self) -> None:
        """End the running steps, and hand over what is left."""
        await self._drafts.close()  # whoever goes on goes on in the same messages
        for thread, work in list(self._heads.items()):
            if not work.stepping and not self._lease.alone:
                del self._heads[thread]
        await self._lease.hand_over(kept=list(self._heads))
        if self._steps:
            await asyncio.wait(self._steps, timeout=GRACE)
        await end(list(self._steps))
        if self._lease.alone:  # else another process takes over at once, and has shown them again
            await clear_signs(self._heads.values())
        await self._lease.leave()

    async def _keep_scanning(self) -> None:
        failed = False
        while True:
            await happens(self._scan_wanted, within=IDLE)
            self._scan_wanted.clear()
            try:
                if await self._scan():
                    await asyncio.sleep(PASSED_OVER)
                    self._scan_wanted.set()
                failed = False
            except StoreError as error:
                level = logging.DEBUG if failed else logging.ERROR  # once for each absence
                log.log(level, "Open turns cannot be read: %s", error)
                failed = True
                await asyncio.sleep(RESCAN)
                self._scan_wanted.set()

    async def _scan(self) -> bool:
        """Take up the heads in the store that are ours, or nobody's, and not in hand.

        Returns whether some were passed over, because somebody was writing to them.
        """
        found, wanted = True, self._lease.wanted
        while found and wanted:
            found = False
            for turn in await self._store.leases.claim(wanted):
                work = self._heads.get(turn.thread_id)
                if work is not None and work.turn.id != turn.id:
                    work.more = True  # it ends just now, and the thread is ours again for this one
                elif work is not None and work.turn.revision != turn.revision:
                    self.changed(turn.thread_id)  # by a process that could not wake us
                elif work is None:
                    # Since it was read, it may have come to its end: a step reads it again first.
                    self._take_up(turn, self._platforms[turn.thread.platform], unfamiliar=True)
                    found = True
        return bool(wanted) and await self._store.leases.leaves_some(wanted)

    # --- which turn is due when -------------------------------------------------------------------

    def _take_up(self, turn: Turn, platform: Platform, *, unfamiliar: bool) -> None:
        """Take a turn in hand; an unfamiliar one may have been in other hands before."""
        now = clock_now()
        work = Work(
            turn=turn,
            platform=platform,
            since=now,
            doubtful=unfamiliar,
            stale=unfamiliar,
            run_in_doubt=unfamiliar,
            drafted=None if unfamiliar else {},
            looking_since=now,
        )
        self._heads[turn.thread_id] = work
        self.idle.clear()
        self._schedule(work, NOW)

    def _hurry(self, work: Work) -> None:
        """Do the next step of a turn at once, or as soon as the present one is done."""
        if work.stepping:
            work.hurried = True
        elif self._heads.get(work.turn.thread_id) is work:
            self._schedule(work, NOW)

    def _schedule(self, work: Work, wait: float) -> None:
        self._agenda.put(work, wait)
        self._woken.set()

    def _is_mere_look(self, work: Work) -> bool:
        """Whether the next step asks how far a run is, and may as well do so a little later."""
        at_work = work.turn.state is TurnState.RUNNING and not self._answering.is_overdue(work)
        return at_work and not self._drafts.is_heard(work)

    async def _sleep(self) -> None:
        """Wait for the next due step or for news, whichever is first."""
        gives_way = self._agenda and self._store.intake.busy(GIVES_WAY)
        wait = INTAKE_LOOK if gives_way else self._agenda.wait
        await happens(self._woken, within=min(wait, IDLE))
        self._woken.clear()

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._woken.set()

    # --- one step of one turn ---------------------------------------------------------------------

    async def _step(self, work: Work, tasks: asyncio.TaskGroup) -> None:
        try:
            wait = await self._try_step(work, tasks)
        finally:
            work.stepping = False
        if wait is None or self._heads.get(work.turn.thread_id) is not work:
            return  # it is over, or somebody else's
        if work.hurried:
            work.hurried, wait = False, NOW
        self._schedule(work, wait)

    async def _try_step(self, work: Work, tasks: asyncio.TaskGroup) -> float | None:
        try:
            wait = await self._progress(work, tasks)
            if wait is None:
                await work.sign.clear()
                await self._go_on_after(work)
            elif work.turn.state in AT_WORK:
                wait = self._listen(work, tasks, wait)
                if not work.drafted:
                    work.sign.keep(tasks, clock_now(), wait)
            return wait
        except NotOurs:
            log.info("Another process has the thread", extra={"turn": work.turn.id})
            self._drop(work)
            if work.more:  # it may be ours again, by a question that was taken meanwhile
                self.scan_soon()
            return None
        except StoreError as error:
            log.error("Turn waits for the database: %s", error, extra={"turn": work.turn.id})
            work.stale = True  # what went wrong may have taken effect
            return work.set_back()
        except Exception as error:  # noqa: BLE001 (one turn must never end the loop)
            log_mishap(log, "Unforeseen error in a turn", error, turn=work.turn.id)
            return await self._give_up(work)

    def _listen(self, work: Work, tasks: asyncio.TaskGroup, wait: float) -> float:
        """Hear of the turn's run beside; one that is heard is not looked at."""
        if work.turn.state is not TurnState.RUNNING:
            return wait
        if not work.setbacks:
            wait = self._answering.within_deadline(work, self._pace.wait(work.seen_at_work()))
        self._drafts.follow(work, tasks, self._hurry)
        least = LISTENING_LOOK if self._drafts.is_heard(work) else NOW
        return self._answering.within_deadline(work, max(wait, least))

    async def _progress(self, work: Work, tasks: asyncio.TaskGroup) -> float | None:
        now = clock_now()
        if work.stale:
            await self._read_again(work)
        if work.turn.outcome == STOPPED and work.turn.state in AT_WORK and work.created is None:
            return await self._answering.stop(work, self._drafts.written(work))
        if work.turn.state is not TurnState.RUNNING:
            await self._drafts.end(work)
        match work.turn.state:
            case TurnState.QUEUED:
                work.sign.keep(tasks, now)
                return await self._answering.start(work, now)
            case TurnState.RUNNING:
                return await self._look(work, now)
            case TurnState.ANSWERED | TurnState.FAILED:
                return await self._delivery.deliver(work, now)
            case TurnState.WITHDRAWN:
                await work.sign.clear()  # first: what ends without it leaves it hanging
                return await self._delivery.take_back(work, now)
            case TurnState.DELIVERED | TurnState.CANCELLED:
                return None

    async def _look(self, work: Work, now: float) -> float:
        """Ask how far a run is. One whose words come is left alone: its end will be heard, too."""
        is_overdue = self._answering.is_overdue(work, now)
        if self._drafts.is_heard(work) and not is_overdue:
            return LISTENING_LOOK
        wait = await self._answering.look(work, now)
        # One that was given up tells nothing of how long others take.
        if work.turn.state is not TurnState.RUNNING and not is_overdue:
            self._pace.ended(now - work.looking_since, work.age_at_work)
        return wait

    async def _read_again(self, work: Work) -> None:
        work.stale, work.unposted = False, None  # first: it may become stale again while we read
        turn = await self._store.turns.get(work.turn.id)
        # Whoever ends the last turn of a thread lets go of it, and may not have heard that.
        is_over = turn and turn.holder is None and turn.state not in OPEN_STATES
        if turn is None or not (is_over or self._store.leases.holds(turn)):
            raise NotOurs
        work.turn = turn
        if turn.run == work.created:
            work.created = None  # the store has it after all
        elif work.created is not None and turn.revision != work.created_for:
            await self._answering.forsake(work)

    async def _give_up(self, work: Work) -> float:
        """Apologise for an unforeseen error; where even that fails on and on, end the turn."""
        work.mishaps += 1
        try:
            if work.mishaps > MISHAPS:
                await self._delivery.abandon(work, "internal")
            elif work.turn.state in AT_WORK:
                return await self._answering.fall_back(work, "internal")
        except Exception as error:  # noqa: BLE001 (nor must its apology)
            log_mishap(log, "Unforeseen error in an apology", error, turn=work.turn.id)
        return work.set_back()

    async def _go_on_after(self, work: Work) -> None:
        """Log the turn that ended, and take up the next one of its thread."""
        thread = work.turn.thread_id
        # A question that was taken while we asked the store set `more`: it is not forgotten.
        while work.more or not work.released:
            work.more = False
            turn = await self._store.leases.next_or_release(thread)
            if turn is not None:
                self._take_up(turn, work.platform, unfamiliar=turn.id < work.turn.id)
                break
            work.released = True
        else:
            self._drop(work)
        log_end(work)

    def _drop(self, work: Work) -> None:
        self._drafts.forget(work)
        if self._heads.get(work.turn.thread_id) is work:
            del self._heads[work.turn.thread_id]
        if not self._heads:
            self.idle.set()

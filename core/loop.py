"""The polling loop: decides when each open turn of this process takes its next step.

One turn per thread is in hand, the oldest open one. What a step does is in `answering.py` and
`delivery.py`. The store is the truth: after a restart the loop begins from its open turns.
"""

import asyncio
import contextlib
import heapq
import itertools
import logging
import time
from collections.abc import Mapping

from core.answering import NOW, Answering
from core.delivery import Delivery
from core.domain import ThreadId, Turn, TurnState
from core.errors import StoreError
from core.mishaps import log_mishap
from core.pacing import RequestBudget
from core.ports import Platform
from core.store import Store
from core.work import Work

log = logging.getLogger(__name__)

GRACE = 10.0  # seconds that running steps get to end after a stop
MISHAPS = 5  # unforeseen errors after which a turn is given up
AT_WORK = (TurnState.QUEUED, TurnState.RUNNING)  # the engine is at work, or will be
IDLE = 60.0  # seconds of sleep when nothing is due, and between two scans for unnoticed turns
HELD_BACK = 0.25  # seconds, at most, that the loop sleeps while looks wait for the budget
RESCAN = 5.0  # seconds after a scan that failed
FAREWELL = 3.0  # seconds to take the working signs away at the end


class Loop:
    """Brings every open turn of its platforms to its end."""

    def __init__(
        self,
        *,
        store: Store,
        answering: Answering,
        delivery: Delivery,
        platforms: Mapping[str, Platform],
        budget: RequestBudget | None = None,
    ) -> None:
        self._store = store
        self._answering = answering
        self._delivery = delivery
        self._platforms = platforms
        self._budget = budget or RequestBudget()
        self._heads: dict[ThreadId, Work] = {}
        self._due: list[tuple[float, int, Work]] = []  # a heap; the number settles ties
        self._numbers = itertools.count()
        self._woken = asyncio.Event()
        self._scan_wanted = asyncio.Event()
        self.idle = asyncio.Event()  #: set while every turn that is known has come to its end
        self.idle.set()

    def notice(self, turn: Turn) -> None:
        """Hear of a turn that was just taken. Ones of other processes' platforms are left alone."""
        platform = self._platforms.get(turn.thread.platform)
        if platform is None:
            return
        head = self._heads.get(turn.thread_id)
        if head is not None:
            head.more = True
            return
        self._take_up(turn, platform, unfamiliar=False)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then end what is being done, within `GRACE` seconds.

        Raises StoreError where the open turns cannot be read at the start.
        """
        await self._scan()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._wake_at(stop))
            scanning = tasks.create_task(self._keep_scanning())
            steps: set[asyncio.Task[None]] = set()
            while not stop.is_set():
                for work in self._take_due():
                    step = tasks.create_task(self._step(work, tasks))
                    steps.add(step)
                    step.add_done_callback(steps.discard)
                await self._sleep()
            scanning.cancel()
            if steps:
                await asyncio.wait(steps, timeout=GRACE)
            for step in steps:
                step.cancel()
        await self._clear_signs()

    def scan_soon(self) -> None:
        """Look for turns in the store that were not noticed: their taking went wrong half way."""
        self._scan_wanted.set()

    async def _keep_scanning(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE):
                    await self._scan_wanted.wait()
            self._scan_wanted.clear()
            try:
                await self._scan()
            except StoreError as error:
                log.error("Open turns cannot be read: %s", error)
                await asyncio.sleep(RESCAN)
                self._scan_wanted.set()

    async def _scan(self) -> None:
        """Take up the heads in the store that are not in hand."""
        for turn in await self._store.turns.heads():
            platform = self._platforms.get(turn.thread.platform)
            if platform is not None and turn.thread_id not in self._heads:
                # Since it was read, it may have come to its end: the first step reads it again.
                self._take_up(turn, platform, unfamiliar=True)

    async def _clear_signs(self) -> None:
        """Take the signs of what is left open away; the next process shows them again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL), asyncio.TaskGroup() as tasks:
                for work in self._heads.values():
                    tasks.create_task(work.sign.clear())

    # --- which turn is due when -------------------------------------------------------------------

    def _take_up(self, turn: Turn, platform: Platform, *, unfamiliar: bool) -> None:
        """Take a turn in hand; an unfamiliar one may have been in other hands before."""
        now = time.time()
        work = Work(
            turn=turn,
            platform=platform,
            since=now,
            doubtful=unfamiliar,
            stale=unfamiliar,
            looking_since=now,
        )
        self._heads[turn.thread_id] = work
        self.idle.clear()
        self._schedule(work, NOW)

    def _schedule(self, work: Work, wait: float) -> None:
        # The monotonic clock: a step is not lost for hours because somebody set the time.
        heapq.heappush(self._due, (time.monotonic() + wait, next(self._numbers), work))
        self._woken.set()

    def _take_due(self) -> list[Work]:
        """The turns whose step is due. Looks at runs are held back to the budget, oldest first."""
        now = time.monotonic()
        ready: list[Work] = []
        held_back: list[tuple[float, int, Work]] = []
        while self._due and self._due[0][0] <= now:
            entry = heapq.heappop(self._due)
            work = entry[2]
            is_look = work.turn.state is TurnState.RUNNING and not self._answering.is_overdue(work)
            if is_look and (held_back or not self._budget.take(now)):
                held_back.append(entry)
            else:
                ready.append(work)
        for entry in held_back:
            heapq.heappush(self._due, entry)
        return ready

    async def _sleep(self) -> None:
        """Wait for the next due step or for news, whichever is first."""
        wait = IDLE
        if self._due:
            overdue = self._due[0][0] <= time.monotonic()
            held_back = min(self._budget.wait, HELD_BACK)  # a deadline may come meanwhile
            wait = held_back if overdue else self._due[0][0] - time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(wait, IDLE)):
                await self._woken.wait()
        self._woken.clear()

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._woken.set()

    # --- one step of one turn ---------------------------------------------------------------------

    async def _step(self, work: Work, tasks: asyncio.TaskGroup) -> None:
        try:
            wait = await self._progress(work, tasks)
            if wait is None:
                await work.sign.clear()
                await self._go_on_after(work)
                return
            if work.turn.state in AT_WORK:
                work.sign.keep(tasks, time.time(), wait)
        except StoreError as error:
            log.error("Turn waits for the database: %s", error, extra={"turn": work.turn.id})
            work.stale = True  # what went wrong may have taken effect
            wait = work.set_back()
        except Exception as error:  # noqa: BLE001 (one turn must never end the loop)
            log_mishap(log, "Unforeseen error in a turn", error, turn=work.turn.id)
            wait = await self._give_up(work)
        self._schedule(work, wait)

    async def _progress(self, work: Work, tasks: asyncio.TaskGroup) -> float | None:
        now = time.time()
        if work.stale:
            await self._read_again(work)
        match work.turn.state:
            case TurnState.QUEUED:
                work.sign.keep(tasks, now)
                return await self._answering.start(work, now)
            case TurnState.RUNNING:
                return await self._answering.look(work, now)
            case TurnState.ANSWERED | TurnState.FAILED:
                return await self._delivery.deliver(work, now)
            case TurnState.DELIVERED | TurnState.CANCELLED:
                return None

    async def _read_again(self, work: Work) -> None:
        turn = await self._store.turns.get(work.turn.id)
        if turn is not None:
            work.turn = turn
            if turn.run == work.created:
                work.created = None  # the store has it after all
        work.stale = False

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
        while True:
            work.more = False
            turn = await self._store.turns.next_open(thread)
            if turn is not None:
                self._take_up(turn, work.platform, unfamiliar=False)
                break
            # A question that was taken while we asked the store set `more`: it is not forgotten.
            if not work.more:
                del self._heads[thread]
                break
        _log_end(work)
        if not self._heads:
            self.idle.set()


def _log_end(work: Work) -> None:
    turn = work.turn
    log.info(
        "Turn ended",
        extra={
            "turn": turn.id,
            "platform": turn.thread.platform,
            "engine": turn.engine,
            "run": turn.run,
            "outcome": turn.outcome,
            "attempt": turn.attempt,
            "seconds": round(time.time() - turn.asked_at, 3),
        },
    )

"""Which turn needs a step when. Looks at runs are made as far as their budget goes, in the order in
which they are due, and hold up nothing else.

Thousands may wait for the budget: each time costs what it takes, and not what waits.
"""

import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from core.pacing import RequestBudget

NEVER = 3_600.0  # seconds; somebody looks again before, whatever happens
HELD_BACK = 0.5  # seconds, at most, that one which is no mere look any more waits like one

_TAKEN = -1  # the number of an entry that there is none of


class Noted(Protocol):
    """What can stand in an agenda; it is no matter to anybody else where."""

    entry: int  #: the number of its entry; any other one is out of date


W = TypeVar("W", bound=Noted)


class Agenda(Generic[W]):
    """The next step of each turn in hand."""

    def __init__(self, budget: RequestBudget, is_mere_look: Callable[[W], bool]) -> None:
        """`is_mere_look`: whether a step takes of the budget, and may as well come later."""
        self._budget = budget
        self._is_mere_look = is_mere_look
        self._due: list[tuple[float, int, W]] = []  # a heap; the number settles ties
        self._looks: deque[tuple[int, W]] = deque()  # due, and waiting for the budget
        self._sifted_at = float("-inf")
        self._numbers = itertools.count()

    def put(self, work: W, wait: float) -> None:
        """Let the next step of a turn be due after these seconds, and not when it was before."""
        # The monotonic clock: a step is not lost for hours because somebody set the time.
        work.entry = next(self._numbers)
        heapq.heappush(self._due, (time.monotonic() + wait, work.entry, work))

    def take_due(self) -> list[W]:
        """The turns whose step is to be done now; each is given out once for each `put`."""
        now = time.monotonic()
        return [*self._steps(now), *self._overdue(now), *self._affordable(now)]

    @property
    def wait(self) -> float:
        """Seconds until there may be something to take."""
        wait = self._due[0][0] - time.monotonic() if self._due else NEVER
        return min(wait, self._budget.wait, HELD_BACK) if self._looks else wait

    def clear(self) -> None:
        """Forget everything."""
        self._due.clear()
        self._looks.clear()

    def __bool__(self) -> bool:
        return bool(self._due or self._looks)

    def _steps(self, now: float) -> Iterator[W]:
        """What is due, but for looks: they queue."""
        while self._due and self._due[0][0] <= now:
            _, number, work = heapq.heappop(self._due)
            if number != work.entry:
                continue  # it was put down anew
            if self._is_mere_look(work):
                self._looks.append((number, work))
            else:
                work.entry = _TAKEN
                yield work

    def _overdue(self, now: float) -> Iterator[W]:
        """Those that wait like looks, and are none any more: the deadline may come meanwhile."""
        if now < self._sifted_at + HELD_BACK:
            return
        self._sifted_at = now
        for number, work in self._looks:
            if number == work.entry and not self._is_mere_look(work):
                work.entry = _TAKEN
                yield work

    def _affordable(self, now: float) -> Iterator[W]:
        """As many looks as the budget allows."""
        while self._looks:
            number, work = self._looks[0]
            is_current = number == work.entry
            if is_current and self._is_mere_look(work) and not self._budget.take(now):
                return
            self._looks.popleft()
            if is_current:
                work.entry = _TAKEN
                yield work

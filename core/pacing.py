"""When to look at a run again, and how many looks a second there may be.

Durations are in seconds. Time comes from the caller, so that nothing here waits.
"""

import random
from collections import deque

FIRST_LOOK = 0.25  # after this a run is looked at for the first time
LONGEST_LOOK = 5.0  # however old a run is, it is looked at after this where it may end any time
GROWTH = 1 / 40  # of a run's age: a run of 20 s is looked at every 0.75 s
JITTER = 0.15  # of the interval, up or down: runs that began together drift apart

FIRST_SETBACK = 0.5  # the wait after one failed try; it doubles with each further one
LONGEST_SETBACK = 15.0

LOOKS_PER_SECOND = 200.0  # of the whole process: a look takes it a fifth of a millisecond
BURST = 100.0  # looks that may be saved up

EAGER_LOOK = 0.165  # between two looks at a run that may end now
REMEMBERED = 64  # runs, of which is known how long they took
ENOUGH = 8  # of them to tell anything
AHEAD = 0.9  # of the time until the quickest ended is waited at once: this run may be quicker


def look_interval(age: float) -> float:
    """The wait before the next look at a run of this age."""
    return _jittered(min(FIRST_LOOK + age * GROWTH, LONGEST_LOOK))


class Pace:
    """When to look at runs, from how long they took of late: most cannot have ended before that."""

    def __init__(self) -> None:
        self._took: deque[float] = deque(maxlen=REMEMBERED)
        self._quickest = 0.0

    def ended(self, age: float, at_work: float) -> None:
        """Hear that a run had ended when it was this old, and was still at work `at_work` before.

        It counts as having ended half way between: so runs that become quicker are found out.
        """
        self._took.append((age + at_work) / 2)
        if len(self._took) >= ENOUGH:
            self._quickest = sorted(self._took)[len(self._took) // 20]

    def wait(self, age: float) -> float:
        """Say how long to wait before the next look at a run of this age.

        Before most of them end, that is no longer than a run has taken already, or `LONGEST_LOOK`:
        one that is done much sooner than the others waits no longer for us than for its answer.
        """
        if not self._quickest:
            return look_interval(age)
        ahead = max(0.0, self._quickest - age) * AHEAD
        ahead = min(ahead, _jittered(max(age, LONGEST_LOOK)))
        grown = EAGER_LOOK + max(0.0, age - self._quickest) * GROWTH
        return max(_jittered(min(grown, LONGEST_LOOK)), ahead)


def setback_interval(setbacks: int, asked: float | None = None) -> float:
    """The wait after `setbacks` failed tries in a row; at least what the other side `asked` for."""
    own = _jittered(min(FIRST_SETBACK * 2 ** (setbacks - 1), LONGEST_SETBACK))
    return max(own, asked or 0.0)


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 (no secret hangs on it)


class RequestBudget:
    """A bucket of requests that fills evenly up to a bound; a look at a run takes one."""

    def __init__(self, per_second: float = LOOKS_PER_SECOND, burst: float = BURST) -> None:
        self._per_second = per_second
        self._burst = burst
        self._saved = burst
        self._filled_at: float | None = None

    def take(self, now: float) -> bool:
        """Take one request, if there is one."""
        if self._filled_at is not None:
            earned = max(0.0, now - self._filled_at) * self._per_second
            self._saved = min(self._burst, self._saved + earned)
        self._filled_at = now
        if self._saved < 1:
            return False
        self._saved -= 1
        return True

    @property
    def wait(self) -> float:
        """Seconds from the last `take` until there is one again."""
        return max(0.0, 1 - self._saved) / self._per_second

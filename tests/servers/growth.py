"""How the processor time of a piece of work grows with what it is given.

An absolute time says as much about the machine as about the code. How it grows says something
about the code alone, on every machine and under every load.
"""

import gc
import time
from collections.abc import Callable
from typing import Final

FACTOR: Final = 8  #: how much larger the large one is
LINEAR: Final = 3 * FACTOR  #: what grows linearly stays below, and what grows by the square not
_REPEATS: Final = 3
_LEAST: Final = 0.003  # seconds; below, what is measured would be the noise


def growth(work: Callable[[int], object], size: int, factor: int = FACTOR) -> float:
    """How many times as long ``work(size * factor)`` takes the processor as ``work(size)``.

    Linear work gives about ``factor``, quadratic work about ``factor**2``, so a test asserts what
    lies between: ``growth(work, size) < LINEAR``. The least time of a few counts: whatever else
    the machine does only ever adds to one. What takes next to no time is done often enough to
    take some milliseconds.

    Args:
        work: Does the work for an input of the given size, which it makes itself. It is done
            many times, and must do the same each time: what it keeps would count, too.
        size: The smaller size. It must be so large that what could be quadratic would already
            take most of the time, and so small that all of it stays below some megabytes: to get
            memory from the system takes more than linear time.
        factor: How many times the smaller size the larger one is.
    """
    times = 1
    while (small := _seconds(work, size, times)) < _LEAST:
        times *= 2
    small = min(small, *(_seconds(work, size, times) for _ in range(1, _REPEATS)))
    large = _seconds(work, size * factor, times)
    for _ in range(1, _REPEATS):
        if large > 1.5 * factor * small:  # more than linear: perhaps somebody else's doing
            large = min(large, _seconds(work, size * factor, times))
    return large / small


def _seconds(work: Callable[[int], object], size: int, times: int) -> float:
    """The processor time of so many goes, without the collector's: the whole heap decides that."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        began = time.process_time()
        for _ in range(times):
            work(size)
        return time.process_time() - began
    finally:
        if was_enabled:
            gc.enable()

"""The time of day, as this process counts it.

Deadlines and ages are stored, so they are times of day. But a clock that somebody sets, or that
jumps when the network comes, must neither fail every question in hand nor make askers wait for an
hour: within one process, time goes on as evenly as the monotonic clock does.
"""

import time

_STARTED_AT = time.time() - time.monotonic()


def now() -> float:
    """Seconds since the epoch: the system's time when the process began, and what passed since."""
    return _STARTED_AT + time.monotonic()

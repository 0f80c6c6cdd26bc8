"""SIGHUP: what channels say is read again. A terminal that is closed sends it, too."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def hear_hangups(stop: asyncio.Event) -> Iterator[asyncio.Event]:
    """Give an event that each SIGHUP sets, which would else end the process.

    Where the terminal is gone that it was started in, it sets `stop` instead, as nobody can see it
    any more; unless that was provided for, as `nohup` does.
    """
    loop = asyncio.get_running_loop()
    hung_up = asyncio.Event()
    ends = _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN

    def on_hangup() -> None:
        (stop if ends and not _has_terminal() else hung_up).set()

    loop.add_signal_handler(signal.SIGHUP, on_hangup)
    try:
        yield hung_up
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


async def at_each(hung_up: asyncio.Event, act: Callable[[], object]) -> None:
    """Do something each time, and once for several that come meanwhile. Never returns."""
    while True:
        await hung_up.wait()
        hung_up.clear()
        act()


def _has_terminal() -> bool:
    """Whether there is a terminal that this process belongs to."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True

"""Threads for functions that block: bounded, and none that the process waits for at its end."""

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

MOST_THREADS = 32

T = TypeVar("T")


class Threads:
    """Runs functions in threads of their own.

    The default executor of asyncio is no place for what others wrote: the interpreter waits at its
    end for each of its threads, even for one that hangs.
    """

    def __init__(self, most: int = MOST_THREADS) -> None:
        self._free = asyncio.Semaphore(most)

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, which must not raise anything.

        Waits while all threads are busy. Who is cancelled does not wait any more; the thread goes
        on, and is busy until it ends. Raises RuntimeError where the system has no thread left.
        """
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[T] = loop.create_future()

        def finish(result: T) -> None:
            self._free.release()
            if not ended.done():
                ended.set_result(result)

        def body() -> None:
            result = work()
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(finish, result)

        run = contextvars.copy_context().run
        try:
            threading.Thread(target=run, args=(body,), name="docent-tool", daemon=True).start()
        except RuntimeError:
            self._free.release()
            raise
        return await ended

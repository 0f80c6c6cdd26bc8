"""A lock that some may have before others: first come, first served among their like."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turnstile:
    """Lets one through at a time."""

    def __init__(self) -> None:
        self._is_taken = False
        self._before: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def through(self, *, first: bool = False) -> AsyncIterator[None]:
        """Wait for one's turn, and hold it while the block lasts. `first`: before all others."""
        await self._enter(self._before if first else self._others)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, queue: deque[asyncio.Future[None]]) -> None:
        if not self._is_taken:
            self._is_taken = True
            return
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                queue.remove(turn)
            else:
                self._leave()  # it was ours by then
            raise

    def _leave(self) -> None:
        for queue in (self._before, self._others):
            for turn in queue:
                if not turn.done():
                    queue.remove(turn)
                    turn.set_result(None)
                    return
        self._is_taken = False

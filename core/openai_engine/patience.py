"""Trying again, for requests that may be made twice. Creating a response is none of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from core.errors import EngineBusy, EngineUnreachable

T = TypeVar("T")

PAUSES = (1.0, 2.0, 4.0)  # seconds between tries
LONGEST_PAUSE = 60.0  # seconds that a server may ask for before we give up


async def patiently(call: Callable[[], Awaitable[T]], pauses: Sequence[float]) -> T:
    """Make a call that may be made twice, again after each pause while OpenAI cannot take it.

    Raises what the last try raised, and at once what asking again would not change.
    """
    for pause in pauses:
        try:
            return await call()
        except EngineBusy as busy:
            wait = pause if busy.retry_after is None else busy.retry_after
            if wait > LONGEST_PAUSE:
                raise
        except EngineUnreachable:
            wait = pause
        await asyncio.sleep(wait)
    return await call()

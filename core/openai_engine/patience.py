"""Trying again, for requests that may be made twice. Creating a response is none of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from core.errors import EngineBusy, EngineUnreachable

T = TypeVar("T")

PAUSES = (1.0, 2.0, 4.0)  # seconds between tries
LONGEST_PAUSE = 60.0  # seconds that a server may ask for before we give up


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """How long the index waits, in seconds."""

    pauses: Sequence[float] = PAUSES  #: between tries of a request
    first_look: float = 0.5  #: from one look at files on their way to the next, growing by half
    longest_look: float = 5.0
    patience: float = 120.0  #: for files to be indexed, and as much more for each of them as:
    patience_per_file: float = 2.0
    uploads_per_second: float = 15.0  #: OpenAI allows 1,000 a minute, with those saved up


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

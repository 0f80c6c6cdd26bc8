"""Waiting for something to become so, within a bound."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

LOOK_SECONDS = 0.1  #: between two looks where nothing happens at the server that is watched

T = TypeVar("T")


async def until(found: Callable[[], T], changed: Callable[[], asyncio.Event], seconds: float) -> T:
    """Look whenever something happens at a server, and now and then: it may be so elsewhere.

    `changed` gives the event that is set when something happens next; each is set once.
    Raises TimeoutError after so many seconds.
    """
    async with asyncio.timeout(seconds):
        while not (result := found()):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await changed().wait()
    return result

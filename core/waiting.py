"""Waiting for events, within a bound."""

import asyncio
import contextlib


async def happens(event: asyncio.Event, within: float | None) -> bool:
    """Wait until an event is set, for so many seconds at most (None: for ever); whether it is."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            await event.wait()
    return event.is_set()


async def first_of(*events: asyncio.Event, within: float | None = None) -> None:
    """Wait until one of the events is set, for so many seconds at most (None: for ever)."""
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(event.wait()) for event in events]
        await asyncio.wait(waiting, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

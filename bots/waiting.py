"""Work that ends with an event."""

import asyncio
from collections.abc import Coroutine


async def work_until(stop: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Do the work until it is done, or cancel it when `stop` is set. Raises what it raises."""
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(work)
        stopping = tasks.create_task(stop.wait())
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        working.cancel()
        stopping.cancel()

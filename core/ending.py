"""Work that has to end in time, whatever it waits for."""

import asyncio
from collections.abc import Collection, Coroutine

INSIST = 0.2  # seconds between two cancellations of the same


async def end(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks until they end.

    At the first cancellation the driver asks a Postgres that does not reply to end the query, for
    10 s; at the second one it closes the connection.
    """
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=INSIST)


async def done_before(stop: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Do the work, unless `stop` is set before it is done; whether it is. Raises what it raises."""
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(work)
        stopping = tasks.create_task(stop.wait())
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        done = working.done()
        stopping.cancel()
        await end([working])
    return done

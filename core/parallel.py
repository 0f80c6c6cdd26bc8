"""Doing the same to many things, some at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

PARALLEL = 8  # at once: of requests to OpenAI, some 1,000 uploads a minute, which it allows


async def each(items: Sequence[T], work: Callable[[T], Awaitable[R]]) -> list[R]:
    """Do `work` on each item, some at once, and return the results in order.

    The first error ends it all and is raised as it is.
    """
    gate = asyncio.Semaphore(PARALLEL)

    async def one(item: T) -> R:
        async with gate:
            return await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
    except ExceptionGroup as errors:
        first = errors.exceptions[0]
        raise first from first.__cause__
    return [task.result() for task in tasks]

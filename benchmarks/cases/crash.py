"""Crash: kill -9 with 50 runs in flight, and half-way through the replies; then started again.

The time until all is answered stands beside what nobody could do without: the start of the process,
the runs that are yet to end, and on Postgres the lease of the process that died.
"""

import asyncio
import contextlib
import itertools
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from benchmarks.asking import answered, ask, seen
from benchmarks.frame import Options, Result
from benchmarks.ledger import Question, Seen
from benchmarks.load import questions
from benchmarks.outcome import disconnected, replies, requested, streaming, whole, working
from benchmarks.postgres import KINDS, Kind, fresh_database
from benchmarks.processes import docent
from benchmarks.servers import Servers
from core.store.leases import LEASE

COUNT: Final = 50
SHORTEST, LONGEST = 2.0, 5.0  # seconds that a run takes
WITHIN: Final = 90.0  # seconds for all answers after the restart
SETTLED: Final = 1.0  # seconds: a second answer would come as soon as the first

Moment = Callable[[Servers, int], Awaitable[None]]


async def measure(options: Options) -> list[Result]:
    """Each moment, in each way in which answers are shown, on each kind of database."""
    count = 8 if options.quick else COUNT
    ways = list(itertools.product(KINDS, ("polling", "streaming"), MOMENTS))
    results = []
    for kind, way, name in ways[1::5] if options.quick else ways:
        found = await _crash(kind, count, MOMENTS[name], streamed=way == "streaming")
        results += _results(f"{kind}, {way}, {name}", count, *found)
    return results


async def _in_flight(servers: Servers, count: int) -> None:
    await servers.run(requested, count)


async def _half_replied(servers: Servers, count: int) -> None:
    await servers.run(whole, count // 2)


MOMENTS: Final[dict[str, Moment]] = {"in flight": _in_flight, "half replied": _half_replied}


async def _crash(
    kind: Kind, count: int, moment: Moment, *, streamed: bool
) -> tuple[list[Seen], dict[str, float]]:
    """What became of the questions, and of everything else."""
    asked: list[Question] = questions(count, SHORTEST, LONGEST, streamed=streamed)
    settings = {"STREAMING": "true" if streamed else "false"}
    async with contextlib.AsyncExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="docent-bench-"))
        settings["DATABASE_URL"] = await stack.enter_async_context(fresh_database(kind))
        servers = await stack.enter_async_context(Servers.start())
        async with docent(servers, folder=Path(scratch), **settings) as process:
            await servers.run(ask, asked)
            await moment(servers, count)
            process.kill()
            await servers.run(disconnected)
        left = await servers.run(streaming)
        began = time.monotonic()
        async with docent(servers, folder=Path(scratch), **settings):
            started = time.monotonic() - began
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WITHIN):
                    await servers.run(answered, range(count), True)
            seconds = time.monotonic() - began
            await asyncio.sleep(SETTLED)
            rows = await servers.run(seen)
            ended = max((row.done_at or began for row in rows), default=began) - began
            found = {
                "left": left,
                "seconds": seconds,
                "needed": max(started, ended, LEASE if kind == "postgres" else 0.0),
                "streaming": await servers.run(streaming),
                "working": await servers.run(working),
                "replies": await servers.run(replies),
            }
            return rows, found


def _results(name: str, count: int, rows: list[Seen], found: dict[str, float]) -> list[Result]:
    return [
        Result(name=f"{name}: answered once", value=sum(row.answers == 1 for row in rows),
               unit="", better="higher", goal=count),
        Result(name=f"{name}: messages too many", value=found["replies"] - count, unit="", goal=0),
        Result(name=f"{name}: runs too many", value=sum(row.runs for row in rows) - count,
               unit="", goal=0),
        Result(name=f"{name}: streaming when it was killed", value=found["left"], unit="",
               better="neither"),
        Result(name=f"{name}: left streaming", value=found["streaming"], unit="", goal=0),
        Result(name=f"{name}: left as if at work", value=found["working"], unit="", goal=0),
        Result(name=f"{name}: start to last answer", value=found["seconds"], unit="s",
               reference=found["needed"]),
    ]  # fmt: skip

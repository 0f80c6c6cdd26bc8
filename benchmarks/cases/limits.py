"""Slack's published limits: 60 mentions at once, where whatever is too much is refused for a while.

`chat.startStream` and `chat.stopStream` 20 a minute, `appendStream` 100, `update` 50: each call
more is a 429 with Retry-After. One process keeps below that by its own count; two in one workspace,
each with a count of its own, do not.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.asking import answered, ask, calls, seen
from benchmarks.frame import Options, Result, percentile, yardstick
from benchmarks.ledger import Question, Seen
from benchmarks.load import questions, run_seconds
from benchmarks.outcome import deal_at_random, limit, refusals, streaming, working
from benchmarks.postgres import fresh_database
from benchmarks.processes import Process, docent, fleet
from benchmarks.servers import Servers

COUNT: Final = 60
SHORTEST, LONGEST = 4.0, 8.0  # seconds that a run takes
WITHIN: Final = 400.0  # seconds
PER_MINUTE: Final = {
    "chat.startStream": 20,
    "chat.appendStream": 100,
    "chat.stopStream": 20,
    "chat.update": 50,
}
QUICK: Final = dict.fromkeys(PER_MINUTE, 4)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the questions."""

    rows: Sequence[Seen]
    cpu: float  #: seconds that all processes used
    whole: float  #: seconds from the first question to the last whole text
    finished: float  #: … to the last finished message
    calls: Counter[str]  #: that Slack took
    refused: Counter[str]  #: calls that it did not
    streaming: int  #: messages that are left so
    working: int  #: threads that are left as if somebody was at work


async def measure(options: Options) -> list[Result]:
    """Ask all at once, streamed as far as that goes: one process, then two on one Postgres."""
    asked = questions(8 if options.quick else COUNT, SHORTEST, LONGEST, streamed=True)
    per_minute = QUICK if options.quick else PER_MINUTE
    async with Servers.start() as servers, docent(servers, STREAMING="true") as process:
        alone = await _answer(servers, [process], asked, per_minute)
    async with (
        fresh_database("postgres") as url,
        Servers.start() as servers,
        fleet(servers, 2, url, STREAMING="true") as members,
    ):
        await servers.run(deal_at_random)
        together = await _answer(servers, members, asked, per_minute)
    count = len(asked)
    return [
        *_results(f"{count} at once, one process", alone),
        *_results(f"{count} at once, two processes", together),
    ]


async def _answer(
    servers: Servers,
    members: Sequence[Process],
    asked: Sequence[Question],
    per_minute: Mapping[str, int],
) -> Outcome:
    numbers = [question.number for question in asked]
    await servers.run(limit, per_minute)
    before = sum(process.usage().cpu for process in members)
    began = time.monotonic()
    with contextlib.suppress(TimeoutError):  # what is not answered is counted
        async with asyncio.timeout(WITHIN):
            await servers.run(ask, asked)
            await servers.run(answered, numbers)
    whole = time.monotonic() - began
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WITHIN - whole):
            await servers.run(answered, numbers, True)
    return Outcome(
        rows=await servers.run(seen),
        cpu=sum(process.usage().cpu for process in members) - before,
        whole=whole,
        finished=time.monotonic() - began,
        calls=await servers.run(calls),
        refused=await servers.run(refusals),
        streaming=await servers.run(streaming),
        working=await servers.run(working),
    )


def _results(name: str, found: Outcome) -> list[Result]:
    rows, count, yard = found.rows, len(found.rows), yardstick() * 1000
    lags = [
        max(0.0, row.seen_at - row.done_at) * 1000
        for row in rows
        if row.seen_at is not None and row.done_at is not None
    ]
    return [
        Result(name=f"{name}: answered once", value=sum(row.answers == 1 for row in rows), unit="",
               better="higher", goal=count),
        Result(name=f"{name}: left streaming", value=found.streaming, unit="", goal=0),
        Result(name=f"{name}: left as if at work", value=found.working, unit="", goal=0),
        Result(name=f"{name}: answers that were streamed", value=found.calls["chat.startStream"],
               unit="", better="higher"),
        Result(name=f"{name}: calls that Slack refused", value=found.refused.total(), unit=""),
        Result(name=f"{name}: run done to whole text, median", value=percentile(lags, 0.5),
               unit="ms", reference=yard),
        Result(name=f"{name}: run done to whole text, p99", value=percentile(lags, 0.99),
               unit="ms", reference=yard),
        Result(name=f"{name}: first question to the last whole text, beside the runs",
               value=found.whole, unit="s", reference=run_seconds(rows)),
        Result(name=f"{name}: first question to the last finished message, beside the runs",
               value=found.finished, unit="s", reference=run_seconds(rows)),
        Result(name=f"{name}: CPU per answer", value=found.cpu / count * 1000, unit="ms",
               reference=yard),
    ]  # fmt: skip

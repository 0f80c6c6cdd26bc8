"""Slack's published limits: 60 mentions at once, where whatever is too much is refused for a while.

`chat.startStream` and `chat.stopStream` 20 a minute, `appendStream` 100, `update` 50: each call
more is a 429 with Retry-After.
"""

import asyncio
import contextlib
import time
from typing import Final

from benchmarks.asking import answered, ask, seen
from benchmarks.frame import Options, Result, percentile
from benchmarks.load import questions
from benchmarks.outcome import limit, refusals, streaming, working
from benchmarks.processes import docent
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


async def measure(options: Options) -> list[Result]:
    """Ask all at once, streamed as far as that goes."""
    count = 8 if options.quick else COUNT
    asked = questions(count, SHORTEST, LONGEST, streamed=True)
    async with Servers.start() as servers, docent(servers, STREAMING="true") as process:
        await servers.run(limit, QUICK if options.quick else PER_MINUTE)
        before = process.usage().cpu
        began = time.monotonic()
        with contextlib.suppress(TimeoutError):  # what is not answered is counted
            async with asyncio.timeout(WITHIN):
                await servers.run(ask, asked)
                await servers.run(answered, range(count))
        whole = time.monotonic() - began
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WITHIN - whole):
                await servers.run(answered, range(count), True)
        finished = time.monotonic() - began
        rows = await servers.run(seen)
        lags = [
            max(0.0, row.seen_at - row.done_at)
            for row in rows
            if row.seen_at is not None and row.done_at is not None
        ]
        return [
            Result(name=f"{count} at once: answered once",
                   value=sum(row.answers == 1 for row in rows), unit="", better="higher",
                   goal=count),
            Result(name="left streaming", value=await servers.run(streaming), unit="", goal=0),
            Result(name="left as if at work", value=await servers.run(working), unit="", goal=0),
            Result(name="calls that Slack refused", value=(await servers.run(refusals)).total(),
                   unit=""),
            Result(name="run done to whole text, median", value=percentile(lags, 0.5) * 1000,
                   unit="ms"),
            Result(name="run done to whole text, p99", value=percentile(lags, 0.99) * 1000,
                   unit="ms"),
            Result(name="first question to the last whole text", value=whole, unit="s"),
            Result(name="first question to the last finished message", value=finished, unit="s"),
            Result(name="CPU per answer", value=(process.usage().cpu - before) / count * 1000,
                   unit="ms"),
        ]  # fmt: skip

"""Redelivery: every event three times, and all of them once more after a restart."""

import tempfile
from pathlib import Path
from typing import Final

from benchmarks.asking import answered, ask, seen
from benchmarks.frame import Options, Result
from benchmarks.ledger import PEOPLE, Question
from benchmarks.outcome import acknowledged, deliver_again, deliver_each, disconnected, replies
from benchmarks.processes import docent
from benchmarks.servers import Servers

COUNT: Final = 30
TIMES: Final = 3
RUN_SECONDS: Final = 1.0


async def measure(options: Options) -> list[Result]:
    """Ask, hear everything again, restart, and hear everything again."""
    count = 6 if options.quick else COUNT
    asked = [
        Question(number=number, seconds=RUN_SECONDS, words=10, author=PEOPLE[number])
        for number in range(count)
    ]
    with tempfile.TemporaryDirectory(prefix="docent-bench-") as scratch:
        folder = Path(scratch)
        async with Servers.start() as servers:
            await servers.run(deliver_each, TIMES)
            async with docent(servers, folder=folder):
                await servers.run(ask, asked)
                await servers.run(answered, range(count), True)
                await servers.run(acknowledged)
            await servers.run(disconnected)
            before = await servers.run(seen)
            runs = sum(row.runs for row in before)
            posted = await servers.run(replies)
            async with docent(servers, folder=folder):
                again = await servers.run(deliver_again)
                # Asked after all of them: what they bring about has begun by the time it ends.
                await servers.run(ask, [Question(number=count, seconds=RUN_SECONDS, words=10)])
                await servers.run(answered, [count], True)
            after = await servers.run(seen)
            more = await servers.run(replies)
    return [
        Result(name=f"{count} questions, each event {TIMES} times: answered once",
               value=sum(row.answers == 1 for row in before), unit="", better="higher",
               goal=count),
        Result(name="second runs", value=runs - count, unit="", goal=0),
        Result(name="second answers", value=posted - count, unit="", goal=0),
        Result(name="after a restart: events once more", value=again, unit="", better="neither"),
        Result(name="after a restart: second runs",
               value=sum(row.runs for row in after) - runs - 1, unit="", goal=0),
        Result(name="after a restart: second answers", value=more - posted - 1, unit="", goal=0),
    ]  # fmt: skip

"""Many questions at a bot: what that costs the bot, and what becomes of the questions."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.asking import answered, ask, calls, redelivered, seen
from benchmarks.ledger import PEOPLE, Question, Seen
from benchmarks.processes import Process
from benchmarks.servers import Servers

WORD_SECONDS = 0.05
POLLED_WORDS = 120  # of an answer that is not streamed
CHANNELS = 20
SETTLE_SECONDS = 1.0  # after the last answer, for what is done behind it
MEMORY_EVERY = 0.5  # seconds


@dataclass(frozen=True, kw_only=True)
class Load:
    """What became of many questions."""

    rows: Sequence[Seen]
    cpu: float  #: seconds of a processor that the bot used
    seconds: float  #: from the first question to the last answer
    peak: float  #: MB
    redelivered: int
    calls: Counter[str]
    servers_cpu: float  #: seconds that the servers used
    most_open: int  #: questions that were open at the same time, at most

    @property
    def answered_once(self) -> int:
        """Questions with exactly one answer, from one run."""
        return sum(row.answers == 1 and row.runs == 1 for row in self.rows)

    @property
    def run_seconds(self) -> float:
        """From the first question to the end of the last run: what the runs alone take."""
        return run_seconds(self.rows)

    @property
    def cpu_per_answer(self) -> float:
        """Milliseconds."""
        return self.cpu / len(self.rows) * 1000

    @property
    def of_a_core(self) -> float:
        """Percent of a processor that the bot used."""
        return self.cpu / self.seconds * 100

    @property
    def servers_of_a_core(self) -> float:
        """The same of the servers."""
        return self.servers_cpu / self.seconds * 100

    def yards_of_a_core(self, yard: float) -> float:
        """The same, if each answer took one `yardstick()` of so many seconds."""
        return len(self.rows) * yard / self.seconds * 100

    @property
    def acknowledgements(self) -> list[float]:
        """Milliseconds from sending an event to its acknowledgement: each mention has two."""
        return [one * 1000 for row in self.rows for one in row.acknowledged]

    @property
    def lags(self) -> list[float]:
        """Milliseconds from the end of a run to its whole text, of what was answered."""
        return [
            max(0.0, row.seen_at - row.done_at) * 1000
            for row in self.rows
            if row.seen_at is not None and row.done_at is not None
        ]


def run_seconds(rows: Sequence[Seen]) -> float:
    """Seconds from the first question to the end of the last run."""
    ended = max(row.done_at or row.asked_at for row in rows)
    return ended - min(row.asked_at for row in rows)


def questions(count: int, shortest: float, longest: float, *, streamed: bool) -> list[Question]:
    """Questions of many people in many channels, the same in each run of a benchmark."""
    dice = random.Random(11)
    return [_question(number, dice.uniform(shortest, longest), streamed) for number in range(count)]


def _question(number: int, seconds: float, streamed: bool) -> Question:
    return Question(
        number=number,
        seconds=None if streamed else seconds,
        words=int(seconds / WORD_SECONDS) if streamed else POLLED_WORDS,
        word_seconds=WORD_SECONDS if streamed else 0.0,
        channel=f"C0BENCH{number % CHANNELS}",
        author=PEOPLE[number % len(PEOPLE)],
    )


async def put(
    servers: Servers,
    process: Process,
    asked: Sequence[Question],
    *,
    every: float = 0.0,
    within: float = 120.0,
) -> Load:
    """Ask all of them, one each `every` seconds, and wait for `within` seconds for the answers."""
    before, used, theirs = (
        process.usage(),
        await servers.run(calls),
        await servers.processor_seconds(),
    )
    began = time.monotonic()
    try:
        async with asyncio.timeout(within):
            await servers.run(ask, asked, every)
            await servers.run(answered, [question.number for question in asked])
    except TimeoutError:
        pass  # the questions without an answer are counted
    seconds = time.monotonic() - began
    await asyncio.sleep(SETTLE_SECONDS)
    after, made = process.usage(), await servers.run(calls)
    made.subtract(used)
    rows = await servers.run(seen)
    return Load(
        rows=rows,
        cpu=after.cpu - before.cpu,
        seconds=seconds,
        peak=after.peak,
        redelivered=await servers.run(redelivered),
        calls=made,
        servers_cpu=await servers.processor_seconds() - theirs,
        most_open=_most_open(rows),
    )


def _most_open(rows: Sequence[Seen]) -> int:
    changes = [(row.asked_at, 1) for row in rows]
    changes += [(row.seen_at, -1) for row in rows if row.seen_at is not None]
    return max(itertools.accumulate(change for _, change in sorted(changes)), default=0)

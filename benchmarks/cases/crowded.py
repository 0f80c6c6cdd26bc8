"""Crowded thread: 20 messages, 50 ms apart, in one thread; by as many people, and by one."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.asking import answered, ask, seen
from benchmarks.frame import Options, Result
from benchmarks.ledger import PEOPLE, Question, Seen
from benchmarks.outcome import order_of_answers, runs
from benchmarks.processes import bot, docent
from benchmarks.servers import Servers

COUNT: Final = 20
EVERY: Final = 0.05  # seconds
RUN_SECONDS: Final = 0.4
REFERENCE_SECONDS: Final = 12.0  # for what a bot answers that does not wait


@dataclass(frozen=True, kw_only=True)
class Thread:
    """What became of it."""

    rows: Sequence[Seen]
    runs: Sequence[tuple[str, list[int]]]  #: conversation and questions of each
    answers: Sequence[int]  #: the questions that the answers are for, from top to bottom
    seconds: float  #: from the last message to the last answer


async def measure(options: Options) -> list[Result]:
    """The reference, then Docent with many people and with one."""
    count = 6 if options.quick else COUNT
    async with Servers.start() as servers, bot(servers, "reference_bot"):
        naive = await _talk(servers, count, people=count, within=REFERENCE_SECONDS)
    results = []
    for name, people in (("many people", count), ("one person", 1)):
        async with Servers.start() as servers, docent(servers, STREAMING="false"):
            talk = await _talk(servers, count, people=people)
        results += _results(f"{count} messages, {name}", talk, naive)
    return results


async def _talk(servers: Servers, count: int, *, people: int, within: float = 90.0) -> Thread:
    asked = [
        Question(
            number=number,
            seconds=RUN_SECONDS,
            words=10,
            author=PEOPLE[number % people],
            thread=0 if number else None,
        )
        for number in range(count)
    ]
    await servers.run(ask, asked, EVERY)
    last = time.monotonic()
    try:
        async with asyncio.timeout(within):
            await servers.run(answered, [count - 1])  # whoever waits in line is done before
    except TimeoutError:
        pass  # what has no answer is counted
    seconds = time.monotonic() - last
    return Thread(
        rows=await servers.run(seen),
        runs=await servers.run(runs),
        answers=await servers.run(order_of_answers),
        seconds=seconds,
    )


def _results(name: str, talk: Thread, naive: Thread) -> list[Result]:
    numbers = [number for _, asked in talk.runs for number in asked]
    return [
        Result(name=f"{name}: answered", value=_answered(talk), unit="", better="higher",
               reference=_answered(naive), goal=len(talk.rows)),
        Result(name=f"{name}: runs out of order, or twice", value=_swapped(numbers), unit="",
               goal=0),
        Result(name=f"{name}: answers in the thread out of order, or twice",
               value=_swapped(talk.answers), unit="", goal=0),
        Result(name=f"{name}: conversations", value=len({place for place, _ in talk.runs}),
               unit="", goal=1),
        Result(name=f"{name}: runs", value=len(talk.runs), unit=""),
        Result(name=f"{name}: to last answer, beside runs", value=talk.seconds,
               unit="s", reference=len(talk.runs) * RUN_SECONDS),
    ]  # fmt: skip


def _swapped(numbers: Sequence[int]) -> int:
    return sum(a >= b for a, b in itertools.pairwise(numbers))


def _answered(talk: Thread) -> int:
    """Questions whose run has an answer that everybody sees, once."""
    shown = {row.number for row in talk.rows if row.answers == 1}
    return len({n for _, asked in talk.runs if shown & set(asked) for n in asked})

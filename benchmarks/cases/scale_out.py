"""Scale-out: 1, 2 and 4 processes on one Postgres, 200 mentions at once; who answered how many.

Everything runs on this machine, the servers and Postgres too: with few processors the rate says
what all of them together can do, and CPU per answer what sharing the work costs. Slack delivers
each mention twice, as two events, and each event to any of the processes: where they come to two,
one of the two finds the mention taken.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.asking import answered, ask
from benchmarks.frame import Options, Result, percentile, yardstick
from benchmarks.ledger import Question
from benchmarks.load import SETTLE_SECONDS, Load, put, questions
from benchmarks.outcome import deal_at_random, heard
from benchmarks.postgres import fresh_database
from benchmarks.processes import Process, fleet
from benchmarks.servers import Servers

COUNT: Final = 200
PROCESSES: Final = (1, 2, 4)
SHORTEST, LONGEST = 1.0, 2.0  # seconds that a run takes
WARM_UP, FIRST_WARM = 8, 10_000  # questions for each process, and their first number


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """What so many processes did."""

    load: Load
    cpu: float  #: seconds that all of them used
    yard: float  #: seconds: how fast the machine was just then
    answered: Sequence[int]  #: by each
    heard: int  #: mentions that came to a process, and another one has taken them
    lost: int  #: threads that a process was at work on when it heard that another one has them


async def measure(options: Options) -> list[Result]:
    """One fleet after the other, each with a database of its own."""
    count = 40 if options.quick else COUNT
    fleets = {}
    for processes in PROCESSES[:2] if options.quick else PROCESSES:
        async with fresh_database("postgres") as url:
            fleets[processes] = await _answer(processes, count, url)
    results = [Result(name="processors of this machine", value=os.cpu_count() or 0, unit="",
                      better="neither")]  # fmt: skip
    for processes, measured in fleets.items():
        alone = fleets[1] if processes > 1 else None
        results += _results(f"{processes} processes", count, measured, alone)
    return results


async def _answer(processes: int, count: int, url: str) -> Fleet:
    async with (
        Servers.start() as servers,
        fleet(servers, processes, url, STREAMING="false") as members,
    ):
        await servers.run(deal_at_random)
        await _warm_up(servers, processes * WARM_UP)
        asked = questions(count, SHORTEST, LONGEST, streamed=False)
        known = [Counter(_messages(process)) for process in members]
        before = sum(process.usage().cpu for process in members)
        load = await put(servers, members[0], asked)
        used = sum(process.usage().cpu for process in members) - before
        said = [
            Counter(_messages(process)) - earlier
            for process, earlier in zip(members, known, strict=True)
        ]
        connections = await servers.run(heard)
        return Fleet(
            load=replace(load, rows=[row for row in load.rows if row.number < FIRST_WARM]),
            cpu=used,
            yard=yardstick(),
            heard=sum(connections[question.number] - 1 for question in asked),
            answered=[counts["Turn ended"] for counts in said],
            lost=sum(counts["Another process has the thread"] for counts in said),
        )


async def _warm_up(servers: Servers, count: int) -> None:
    """Let each process have answered some: the first answers cost more than all later ones."""
    numbers = range(FIRST_WARM, FIRST_WARM + count)
    asked = [Question(number=n, seconds=0.5, words=10, author=f"U0WARM{n}") for n in numbers]
    await servers.run(ask, asked)
    await servers.run(answered, numbers, True)
    await asyncio.sleep(SETTLE_SECONDS)


def _messages(process: Process) -> list[str]:
    lines = process.log.read_text(encoding="utf-8").splitlines()
    return [str(json.loads(line).get("message")) for line in lines if line.startswith("{")]


def _results(name: str, count: int, measured: Fleet, alone: Fleet | None) -> list[Result]:
    """The figures of a fleet, beside those of one process; its own are beside runs and machine."""
    load, fair, yard = measured.load, count / len(measured.answered), measured.yard
    rate, cpu, acknowledged = count / load.run_seconds, yard * 1000, yard * 1000
    if alone is not None:
        rate, cpu = count / alone.load.seconds, alone.cpu / count * 1000
        acknowledged = percentile(alone.load.acknowledgements, 0.99)
    return [
        Result(name=f"{name}: answered once", value=load.answered_once, unit="", better="higher",
               goal=count),
        Result(name=f"{name}: answers a second", value=count / load.seconds, unit="1/s",
               better="higher", reference=rate),
        Result(name=f"{name}: CPU per answer, of all", value=measured.cpu / count * 1000,
               unit="ms", reference=cpu),
        Result(name=f"{name}: acknowledged, p99", value=percentile(load.acknowledgements, 0.99),
               unit="ms", reference=acknowledged),
        Result(name=f"{name}: mentions heard of that another process had", value=measured.heard,
               unit=""),
        Result(name=f"{name}: threads lost to another while at work", value=measured.lost, unit="",
               goal=0),
        Result(name=f"{name}: the busiest, beside an even share", value=max(measured.answered),
               unit="", reference=fair),
        Result(name=f"{name}: CPU of the servers, of a core", value=load.servers_of_a_core,
               unit="%", reference=load.yards_of_a_core(yard)),
    ]  # fmt: skip

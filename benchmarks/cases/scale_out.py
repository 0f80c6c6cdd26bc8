"""Scale-out: 1, 2 and 4 processes on one Postgres, 200 mentions at once; who answered how many.

Everything runs on this machine, the servers and Postgres too: with few processors the rate says
what all of them together can do, and CPU per answer what sharing the work costs.
"""

import asyncio
import contextlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.asking import answered, ask
from benchmarks.frame import Options, Result, percentile
from benchmarks.ledger import Question
from benchmarks.load import SETTLE_SECONDS, Load, put, questions
from benchmarks.outcome import deal_at_random
from benchmarks.postgres import fresh_database
from benchmarks.processes import Process, docent
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
    answered: Sequence[int]  #: by each
    lost: int  #: threads that a process took up and another one had


async def measure(options: Options) -> list[Result]:
    """One fleet after the other, each with a database of its own."""
    count = 40 if options.quick else COUNT
    fleets = {}
    for processes in PROCESSES[:2] if options.quick else PROCESSES:
        async with fresh_database("postgres") as url:
            fleets[processes] = await _answer(processes, count, url)
    alone = fleets[1]
    results = [Result(name="processors of this machine", value=os.cpu_count() or 0, unit="",
                      better="higher")]  # fmt: skip
    for processes, fleet in fleets.items():
        results += _results(f"{processes} processes", count, fleet, alone)
    return results


async def _answer(processes: int, count: int, url: str) -> Fleet:
    async with contextlib.AsyncExitStack() as stack:
        servers = await stack.enter_async_context(Servers.start())
        fleet = [await stack.enter_async_context(_member(servers, url)) for _ in range(processes)]
        await servers.run(deal_at_random)
        await _warm_up(servers, processes * WARM_UP)
        asked = questions(count, SHORTEST, LONGEST, streamed=False)
        heard = [Counter(_messages(process)) for process in fleet]
        before = [process.usage().cpu for process in fleet]
        load = await put(servers, fleet[0], asked)
        used = sum(process.usage().cpu for process in fleet) - sum(before)
        said = [
            Counter(_messages(process)) - known for process, known in zip(fleet, heard, strict=True)
        ]
        return Fleet(
            load=replace(load, rows=[row for row in load.rows if row.number < FIRST_WARM]),
            cpu=used,
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


@contextlib.asynccontextmanager
async def _member(servers: Servers, url: str) -> AsyncIterator[Process]:
    with tempfile.TemporaryDirectory(prefix="docent-bench-") as folder:
        # The documentation is the first one's: another folder would be another documentation.
        values = {"DATABASE_URL": url, "DOCS_SOURCES": "", "STREAMING": "false"}
        async with docent(servers, folder=Path(folder), **values) as process:
            yield process


def _messages(process: Process) -> list[str]:
    lines = process.log.read_text(encoding="utf-8").splitlines()
    return [str(json.loads(line).get("message")) for line in lines if line.startswith("{")]


def _results(name: str, count: int, fleet: Fleet, alone: Fleet) -> list[Result]:
    load, fair = fleet.load, count / len(fleet.answered)
    return [
        Result(name=f"{name}: answered once", value=load.answered_once, unit="", better="higher",
               goal=count),
        Result(name=f"{name}: answers a second", value=count / load.seconds, unit="1/s",
               better="higher", reference=count / alone.load.seconds),
        Result(name=f"{name}: CPU per answer, of all", value=fleet.cpu / count * 1000, unit="ms",
               reference=alone.cpu / count * 1000),
        Result(name=f"{name}: acknowledged, p99", value=percentile(load.acknowledgements, 0.99),
               unit="ms", reference=percentile(alone.load.acknowledgements, 0.99)),
        Result(name=f"{name}: claims lost to another", value=fleet.lost, unit=""),
        Result(name=f"{name}: the busiest, beside an even share", value=max(fleet.answered),
               unit="", reference=fair),
        Result(name=f"{name}: CPU of the servers, of a core",
               value=load.servers_cpu / load.seconds * 100, unit="%"),
    ]  # fmt: skip

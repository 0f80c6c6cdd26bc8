"""Burst: 200 mentions at once, runs of 4-8 s, on SQLite and on Postgres."""

import statistics

from benchmarks.frame import Options, Result, percentile, yardstick
from benchmarks.load import Load, put, questions
from benchmarks.postgres import KINDS, Kind, fresh_database
from benchmarks.processes import bot, docent
from benchmarks.profile_report import profiling
from benchmarks.servers import Servers

COUNT = 200
SHORTEST, LONGEST = 4.0, 8.0  # seconds that a run takes
CPU_GOALS = {"polling": 20.0, "streaming": 15.0}  # ms per answer


async def measure(options: Options) -> list[Result]:
    """The reference, then Docent in each way and with each database."""
    count = 20 if options.quick else COUNT
    naive = await _reference(count)
    results = [
        Result(
            name="reference: answered once",
            value=naive.answered_once,
            unit="",
            better="neither",
        ),
        Result(
            name="reference: CPU per answer",
            value=naive.cpu_per_answer,
            unit="ms",
            better="neither",
            reference=yardstick() * 1000,
        ),
    ]
    for way in CPU_GOALS:
        for kind in KINDS:
            load = await _docent(way, kind, count, options)
            results += _results(f"{way}, {kind}", load, naive, CPU_GOALS[way])
    return results


async def _reference(count: int) -> Load:
    async with Servers.start() as servers, bot(servers, "reference_bot") as process:
        return await put(servers, process, questions(count, SHORTEST, LONGEST, streamed=False))


async def _docent(way: str, kind: Kind, count: int, options: Options) -> Load:
    streamed = way == "streaming"
    streaming = "true" if streamed else "false"
    asked = questions(count, SHORTEST, LONGEST, streamed=streamed)
    with profiling(options, f"burst, {way}, {kind}") as profile:
        async with (
            fresh_database(kind) as url,
            Servers.start() as servers,
            docent(servers, profile=profile, DATABASE_URL=url, STREAMING=streaming) as process,
        ):
            return await put(servers, process, asked)


def _results(name: str, load: Load, naive: Load, cpu_goal: float) -> list[Result]:
    ours, theirs = load.acknowledgements, naive.acknowledgements
    count = len(load.rows)
    return [
        Result(
            name=f"{name}: answered once",
            value=load.answered_once,
            unit="",
            better="higher",
            reference=naive.answered_once,
            goal=count,
        ),
        Result(
            name=f"{name}: acknowledged, median",
            value=statistics.median(ours),
            unit="ms",
            reference=statistics.median(theirs),
        ),
        Result(
            name=f"{name}: acknowledged, p99",
            value=percentile(ours, 0.99),
            unit="ms",
            reference=percentile(theirs, 0.99),
            goal=50.0,
        ),
        Result(
            name=f"{name}: CPU per answer",
            value=load.cpu_per_answer,
            unit="ms",
            reference=naive.cpu_per_answer,
            goal=cpu_goal,
        ),
        Result(
            name=f"{name}: run done to whole text, median",
            value=statistics.median(load.lags),
            unit="ms",
            reference=statistics.median(naive.lags),
        ),
        Result(
            name=f"{name}: looks per answer",
            value=sum(row.looks for row in load.rows) / count,
            unit="",
            reference=sum(row.looks for row in naive.rows) / count,
        ),
        Result(
            name=f"{name}: CPU of the servers, of a core",
            value=load.servers_of_a_core,
            unit="%",
            reference=naive.servers_of_a_core,
        ),
    ]

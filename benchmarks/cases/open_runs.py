"""Open runs: 2,000 and 10,000 questions whose runs take 60 s, and 10,000 runs at the same time."""

import statistics
from dataclasses import dataclass

from benchmarks.frame import Options, Result, percentile, yardstick
from benchmarks.load import Load, put, questions
from benchmarks.processes import docent
from benchmarks.profile_report import profiling
from benchmarks.servers import Servers
from core.pacing import BURST, LOOKS_PER_SECOND


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Many questions, and what is to be reached with them."""

    name: str
    count: int
    run_seconds: float = 60.0
    per_second: float = 50.0  #: questions that come
    acknowledged: float | None = None  #: ms, p99
    of_a_core: float | None = None  #: %
    memory: float  #: MB


CROWDS = (
    Crowd(name="2,000", count=2_000, acknowledged=300.0, of_a_core=50.0, memory=200.0),
    Crowd(name="10,000", count=10_000, memory=400.0),
    # Of runs of 60 s so many are never open at the same time: not so many begin in a minute.
    Crowd(name="10,000 at once", count=10_000, run_seconds=210.0, memory=400.0),
)
QUICK = (Crowd(name="100", count=100, memory=200.0),)


async def measure(options: Options) -> list[Result]:
    """All of them, polled."""
    results = []
    for crowd in QUICK if options.quick else CROWDS:
        results += _results(crowd, await run(options, crowd))
    return results


async def run(options: Options, crowd: Crowd) -> Load:
    """Let that many questions come, and be answered."""
    every = 1 / crowd.per_second
    within = crowd.count * every + crowd.run_seconds + 440
    asked = questions(crowd.count, crowd.run_seconds, crowd.run_seconds, streamed=False)
    with profiling(options, f"{crowd.name} open runs") as profile:
        async with (
            Servers.start() as servers,
            # What comes late is to be seen as late.
            docent(
                servers, profile=profile, STREAMING="false", RUN_DEADLINE_SECONDS="600"
            ) as process,
        ):
            return await put(servers, process, asked, every=every, within=within)


def _results(crowd: Crowd, load: Load) -> list[Result]:
    name, yard = crowd.name, yardstick() * 1000  # how fast the machine is just now
    looks = sum(row.looks for row in load.rows)
    return [
        Result(name=f"{name}: answered once", value=load.answered_once, unit="", better="higher",
               goal=crowd.count),
        Result(name=f"{name}: open at the same time, at most", value=load.most_open, unit="",
               better="higher"),
        Result(name=f"{name}: acknowledged, median", value=statistics.median(load.acknowledgements),
               unit="ms"),
        Result(name=f"{name}: acknowledged, p99", value=percentile(load.acknowledgements, 0.99),
               unit="ms", reference=yard, goal=crowd.acknowledged),
        Result(name=f"{name}: deliveries that Slack repeated", value=load.redelivered, unit=""),
        Result(name=f"{name}: of a core", value=load.cpu / load.seconds * 100, unit="%",
               goal=crowd.of_a_core),
        Result(name=f"{name}: CPU per answer", value=load.cpu_per_answer, unit="ms",
               reference=yard),
        Result(name=f"{name}: memory, at most", value=load.peak, unit="MB",
               goal=crowd.memory),
        Result(name=f"{name}: looks a second", value=looks / load.seconds, unit="1/s",
               goal=LOOKS_PER_SECOND + BURST / load.seconds),
        Result(name=f"{name}: run done to whole text, median", value=statistics.median(load.lags),
               unit="ms"),
        Result(name=f"{name}: run done to whole text, p99", value=percentile(load.lags, 0.99),
               unit="ms"),
        Result(name=f"{name}: CPU of the servers, of a core",
               value=load.servers_cpu / load.seconds * 100, unit="%"),
    ]  # fmt: skip

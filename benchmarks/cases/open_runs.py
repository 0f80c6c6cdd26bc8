"""Open runs: 2,000 and 10,000 questions whose runs take 60 s, in one process."""

import statistics

from benchmarks.frame import Options, Result, percentile, yardstick
from benchmarks.load import Load, put, questions
from benchmarks.processes import docent
from benchmarks.profile_report import profiling
from benchmarks.servers import Servers
from core.pacing import BURST, LOOKS_PER_SECOND

RUN_SECONDS = 60.0
ARRIVAL_SECONDS = {2_000: 40.0, 10_000: 200.0}  # so that they come 50 a second
ACK_GOAL = {2_000: 300.0}  # ms
CPU_GOAL = {2_000: 50.0}  # % of a core
MEMORY_GOAL = {2_000: 200.0, 10_000: 400.0}  # MB


async def measure(options: Options) -> list[Result]:
    """Both numbers, with streams as far as there is room for them."""
    results = []
    for count in (100,) if options.quick else (2_000, 10_000):
        results += _results(count, await run(options, count))
    return results


async def run(options: Options, count: int, arrival: float | None = None) -> Load:
    """Let that many questions come, and be answered."""
    arrival = ARRIVAL_SECONDS.get(count, 2.0) if arrival is None else arrival
    asked = questions(count, RUN_SECONDS, RUN_SECONDS, streamed=False)
    with profiling(options, f"{count} open runs") as profile:
        async with (
            Servers.start() as servers,
            # What comes late is to be seen as late.
            docent(
                servers, profile=profile, STREAMING="false", RUN_DEADLINE_SECONDS="600"
            ) as process,
        ):
            return await put(servers, process, asked, every=arrival / count, within=arrival + 500)


def _results(count: int, load: Load) -> list[Result]:
    name, yard = f"{count:,}", yardstick() * 1000  # how fast the machine is just now
    looks = sum(row.looks for row in load.rows)
    return [
        Result(name=f"{name}: answered once", value=load.answered_once, unit="", better="higher",
               goal=count),
        Result(name=f"{name}: open at the same time, at most", value=load.most_open, unit="",
               better="higher"),
        Result(name=f"{name}: acknowledged, median", value=statistics.median(load.acknowledgements),
               unit="ms"),
        Result(name=f"{name}: acknowledged, p99", value=percentile(load.acknowledgements, 0.99),
               unit="ms", reference=yard, goal=ACK_GOAL.get(count)),
        Result(name=f"{name}: deliveries that Slack repeated", value=load.redelivered, unit=""),
        Result(name=f"{name}: of a core", value=load.cpu / load.seconds * 100, unit="%",
               goal=CPU_GOAL.get(count)),
        Result(name=f"{name}: CPU per answer", value=load.cpu_per_answer, unit="ms",
               reference=yard),
        Result(name=f"{name}: memory, at most", value=load.peak, unit="MB",
               goal=MEMORY_GOAL.get(count)),
        Result(name=f"{name}: looks a second", value=looks / load.seconds, unit="1/s",
               goal=LOOKS_PER_SECOND + BURST / load.seconds),
        Result(name=f"{name}: run done to whole text, median", value=statistics.median(load.lags),
               unit="ms"),
        Result(name=f"{name}: run done to whole text, p99", value=percentile(load.lags, 0.99),
               unit="ms"),
        Result(name=f"{name}: CPU of the servers, of a core",
               value=load.servers_cpu / load.seconds * 100, unit="%"),
    ]  # fmt: skip

"""Open runs: 2,000 and 10,000 questions whose runs take a minute, and 10,000 at the same time.

How long runs take varies by 15 %: were they all the same, one would know when each ends.
"""

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
    run_seconds: float = 60.0  #: in the mean
    per_second: float = 50.0  #: questions that come
    acknowledged: float | None = None  #: ms, p99
    of_a_core: float | None = None  #: %
    memory: float  #: MB

    @property
    def asking(self) -> float:
        """Seconds until all have come."""
        return self.count / self.per_second


VARIES = 0.15  # of the time that a run takes, up or down
CROWDS = (
    Crowd(name="2,000", count=2_000, acknowledged=300.0, of_a_core=50.0, memory=200.0),
    Crowd(name="10,000", count=10_000, memory=400.0),
    # Of runs of 60 s so many are never open at the same time: not so many begin in a minute. Of
    # these the shortest takes longer than it takes to ask all.
    Crowd(name="10,000 at once", count=10_000, run_seconds=260.0, memory=400.0),
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
    within = crowd.asking + crowd.run_seconds + 440
    shortest, longest = crowd.run_seconds * (1 - VARIES), crowd.run_seconds * (1 + VARIES)
    asked = questions(crowd.count, shortest, longest, streamed=False)
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
    name, yard = crowd.name, yardstick()  # how fast the machine is just now
    looks = sum(row.looks for row in load.rows)
    created = sum(count for made, count in load.calls.items() if made.startswith("OpenAI: POST"))
    once = load.most_open / LOOKS_PER_SECOND * 1000  # ms to look at all that are open
    return [
        Result(name=f"{name}: answered once", value=load.answered_once, unit="", better="higher",
               goal=crowd.count),
        Result(name=f"{name}: open at the same time, at most", value=load.most_open, unit="",
               better="higher"),
        Result(name=f"{name}: acknowledged, median", value=statistics.median(load.acknowledgements),
               unit="ms", reference=yard * 1000),
        Result(name=f"{name}: acknowledged, p99", value=percentile(load.acknowledgements, 0.99),
               unit="ms", reference=yard * 1000, goal=crowd.acknowledged),
        Result(name=f"{name}: deliveries that Slack repeated", value=load.redelivered, unit=""),
        Result(name=f"{name}: of a core", value=load.of_a_core, unit="%",
               reference=load.yards_of_a_core(yard), goal=crowd.of_a_core),
        Result(name=f"{name}: CPU per answer", value=load.cpu_per_answer, unit="ms",
               reference=yard * 1000),
        Result(name=f"{name}: memory, at most", value=load.peak, unit="MB",
               goal=crowd.memory),
        Result(name=f"{name}: looks a second", value=looks / load.seconds, unit="1/s",
               reference=LOOKS_PER_SECOND, goal=LOOKS_PER_SECOND + BURST / load.seconds),
        Result(name=f"{name}: creations a second, while questions come",
               value=created / crowd.asking, unit="1/s", reference=crowd.per_second),
        Result(name=f"{name}: run done to whole text, median", value=statistics.median(load.lags),
               unit="ms", reference=once),
        Result(name=f"{name}: run done to whole text, p99", value=percentile(load.lags, 0.99),
               unit="ms", reference=once),
        Result(name=f"{name}: CPU of the servers, of a core", value=load.servers_of_a_core,
               unit="%", reference=load.yards_of_a_core(yard)),
    ]  # fmt: skip

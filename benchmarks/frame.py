"""The frame of the benchmarks: what one gives back, and how they are found and run.

A benchmark is a module in `benchmarks/cases/` with a line of docstring, which is its title, and

    async def measure(options: Options) -> list[Result]: ...

It is found by its module's name: `make bench`, or `python -m benchmarks --only NAME --quick`. What
it needs of this package:

    async with Servers.start() as servers:              # benchmarks/servers.py: the three APIs,
        await servers.run(ask, [Question(0, ...)])      # in a process of their own
        seen = await servers.run(answered, count=1)
        async with docent(servers, "run", "slack", STREAMING="false") as process:
            before = process.usage()                    # benchmarks/processes.py: CPU, memory
            ...
            process.kill()                              # as kill -9

`servers.run(function, *arguments)` runs any `async def function(stage: Stage, *arguments)` of an
importable module of this package inside the servers' process, where `stage.slack`, `stage.openai`
and `stage.discord` are the servers of the tests (`tests/servers`), and `stage.ledger` knows when
each question was asked, run and seen. Arguments and results travel as pickles. Write such functions
in files of your own; `benchmarks/asking.py` has the common ones. All times are `time.monotonic()`,
which is one clock for all processes of a machine.

Times, shares of a processor and rates are compared with the record by their ratio to a `reference`,
and a `Result` without one is refused. Take what measures the same machine in the same run: another
bot, the bare SDK calls, what the script alone makes it take (the length of its runs, where nothing
is computed meanwhile), or `yardstick()`, the time of a fixed piece of Python. Counts and memory are
compared as they stand; what is by chance is `better="neither"`. Names are fixed: one that holds
what was measured is never found again. No benchmark asserts: one that finds Docent wrong (a
question without an answer) says so as a result with a goal.
"""

import importlib
import inspect
import pkgutil
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from benchmarks import cases

Measure = Callable[["Options"], Awaitable[list["Result"]]]

#: In this order; those not named here come last, by name.
ORDER: Final = ("lag", "burst", "floor", "open_runs", "crowded", "redelivery", "crash", "limits")

#: What says as much of the machine as of Docent.
TIMED_UNITS: Final = ("ms", "s", "%", "1/s")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a benchmark is to be run."""

    quick: bool = False  #: a short version: to see that it works, not for the record
    profile: bool = False  #: Docent runs under a profiler, which says where its time goes


@dataclass(frozen=True, kw_only=True)
class Result:
    """One figure. Raises ValueError where it needs a reference and has none."""

    name: str  #: unique within the benchmark, e.g. "polling: run done to whole text, median"
    value: float
    unit: str  #: one of `TIMED_UNITS`, or "MB"; "" for a count
    better: Literal["lower", "higher", "neither"] = "lower"
    reference: float | None = None  #: what was measured beside it, in the same unit and run
    goal: float | None = None  #: in the same unit; reached where the value is as good or better

    def __post_init__(self) -> None:
        if self.unit in TIMED_UNITS and self.reference is None:
            raise ValueError(
                f"{self.name}: a figure in {self.unit} needs a reference of the same run, such as"
                " yardstick()."
            )

    @property
    def ratio(self) -> float | None:
        """The value in terms of its reference."""
        return self.value / self.reference if self.reference else None

    @property
    def is_reached(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One module of `benchmarks/cases/`."""

    name: str
    title: str
    measure: Measure


def benchmarks() -> list[Benchmark]:
    """All benchmarks there are, in the order in which they are run."""
    return sorted(_found(), key=_place)


def _found() -> Iterator[Benchmark]:
    for module_info in pkgutil.iter_modules(cases.__path__):
        module = importlib.import_module(f"{cases.__name__}.{module_info.name}")
        title = (inspect.getdoc(module) or module_info.name).splitlines()[0]
        yield Benchmark(name=module_info.name, title=title, measure=module.measure)


def _place(benchmark: Benchmark) -> tuple[int, str]:
    known = benchmark.name in ORDER
    return ORDER.index(benchmark.name) if known else len(ORDER), benchmark.name


def percentile(values: list[float], part: float) -> float:
    """The value that `part` (0-1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


def yardstick() -> float:
    """Seconds that this machine takes now for a fixed piece of Python: the best of five."""
    return min(_one_yard() for _ in range(5))


def _one_yard() -> float:
    began = time.perf_counter()
    words: dict[str, int] = {}
    for number in range(60_000):
        word = f"w{number * 7919 % 1009}"
        words[word] = words.get(word, 0) + len(word)
    sorted(words.items())
    return time.perf_counter() - began

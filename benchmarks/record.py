"""What was measured before, and what has become worse since."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.frame import Result

RESULTS = Path(__file__).parent / "results"
LATEST, RECORDED = RESULTS / "latest.json", RESULTS / "recorded.json"
WORSE = 0.20  # of the ratio
STEADY_UNITS = ("", "MB")  # what a slower machine shows no more of

Results = Mapping[str, Sequence[Result]]
"""By the benchmark's name."""


@dataclass(frozen=True, kw_only=True)
class Worse:
    """A figure that has become worse."""

    benchmark: str
    name: str
    before: float  #: as a ratio to the reference, or as it stands where there is none
    now: float

    @property
    def part(self) -> float:
        """By how much: 0.5 is half again as bad."""
        if not self.before:
            return float("inf")
        return abs(self.now - self.before) / abs(self.before)


def worse(before: Results, now: Results, tolerance: float = WORSE) -> list[Worse]:
    """The figures that are worse than before by more than `tolerance`, a part of 1.

    Compared are ratios to the reference of the same run; without one, counts and memory only: a
    time says more of the machine than of Docent. What is in one of the two alone is passed over.
    """
    found = []
    for benchmark, results in now.items():
        known = {result.name: result for result in before.get(benchmark, ())}
        for result in results:
            then = known.get(result.name)
            if then is None or then.unit != result.unit:
                continue
            old, new = _compared(then), _compared(result)
            if old is not None and new is not None and _is_worse(old, new, result, tolerance):
                change = Worse(benchmark=benchmark, name=result.name, before=old, now=new)
                found.append(change)
    return found


def _compared(result: Result) -> float | None:
    if result.reference is not None:
        return result.ratio
    return result.value if result.unit in STEADY_UNITS else None


def _is_worse(old: float, new: float, result: Result, tolerance: float) -> bool:
    if result.better == "lower":
        return new > old * (1 + tolerance)
    return new < old * (1 - tolerance)


def save(path: Path, results: Results, machine: Mapping[str, Any]) -> None:
    """Write results as JSON. Of a benchmark that was not run, what was there before stays."""
    kept = {**load(path), **results}
    shown = {
        name: [{**asdict(result), "ratio": result.ratio} for result in each]
        for name, each in sorted(kept.items())
    }
    path.parent.mkdir(exist_ok=True)
    content = {"machine": dict(machine), "results": shown}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> Results:
    """Read results; none where there is no such file."""
    if not path.exists():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    return {name: [_result(one) for one in each] for name, each in content["results"].items()}


def _result(stored: dict[str, Any]) -> Result:
    return Result(**{name: value for name, value in stored.items() if name != "ratio"})

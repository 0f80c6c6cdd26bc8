"""What was measured before, and what has become worse since."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.frame import TIMED_UNITS, Result

RESULTS = Path(__file__).parent / "results"
LATEST, RECORDED = RESULTS / "latest.json", RESULTS / "recorded.json"
WORSE = 0.20  # of the ratio

Results = Mapping[str, Sequence[Result]]
"""By the benchmark's name."""


@dataclass(frozen=True, kw_only=True)
class Worse:
    """A figure that has become worse."""

    benchmark: str
    name: str
    before: float  #: of a time the ratio to its reference; counts and memory as they stand
    now: float

    @property
    def part(self) -> float:
        """By how much: 0.5 is half again as bad."""
        if not self.before:
            return float("inf")
        return abs(self.now - self.before) / abs(self.before)


def worse(before: Results, now: Results, tolerance: float = WORSE) -> list[Worse]:
    """The figures that are worse than before by more than `tolerance`, a part of 1.

    Compared are counts and memory as they stand, and of all else the ratios to the reference of the
    same run: a time says more of the machine than of Docent. What is in one of the two alone is
    passed over: see `vanished`.
    """
    found = []
    for benchmark, results in now.items():
        known = _by_name(before.get(benchmark, ()))
        for result in results:
            then = known.get((result.name, result.unit))
            old, new = then and _compared(then), _compared(result)
            if old is not None and new is not None and _is_worse(old, new, result, tolerance):
                change = Worse(benchmark=benchmark, name=result.name, before=old, now=new)
                found.append(change)
    return found


def vanished(before: Results, now: Results) -> list[tuple[str, str]]:
    """The figures, by benchmark and name, that were there before and are not there now."""
    return [
        (benchmark, name)
        for benchmark, results in before.items()
        for name, unit in _by_name(results)
        if (name, unit) not in _by_name(now.get(benchmark, ()))
    ]


def missed(results: Results) -> list[tuple[str, Result]]:
    """The figures that do not reach their goal, each with its benchmark."""
    return [
        (benchmark, result)
        for benchmark, found in results.items()
        for result in found
        if result.is_reached is False
    ]


def _by_name(results: Sequence[Result]) -> dict[tuple[str, str], Result]:
    """By name and unit: a figure in another unit is another one."""
    return {(result.name, result.unit): result for result in results}


def _compared(result: Result) -> float | None:
    return result.ratio if result.unit in TIMED_UNITS else result.value


def _is_worse(old: float, new: float, result: Result, tolerance: float) -> bool:
    margin = abs(old) * tolerance
    match result.better:
        case "lower":
            return new > old + margin
        case "higher":
            return new < old - margin
        case "neither":
            return False


def save(path: Path, results: Results, machines: Mapping[str, Mapping[str, Any]]) -> None:
    """Write results as JSON, each benchmark with its entry of `machines`: where and when it ran.

    Of a benchmark that was not run, what was there before stays as it is.
    """
    kept = _read(path)
    kept["measured"].update(machines)
    for name, found in results.items():
        kept["results"][name] = [{**asdict(one), "ratio": one.ratio} for one in found]
    path.parent.mkdir(exist_ok=True)
    content = {part: dict(sorted(each.items())) for part, each in kept.items()}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> Results:
    """Read results; none where there is no such file.

    Times without a reference, as they were recorded once, are left out: nothing compares them.
    """
    return {
        name: [_result(one) for one in each if _is_valid(one)]
        for name, each in _read(path)["results"].items()
    }


def _read(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {"measured": {}, "results": {}}
    content = json.loads(path.read_text(encoding="utf-8"))
    results = content["results"]
    if "machine" in content:  # once for all of them, as it was written at first
        return {"measured": dict.fromkeys(results, content["machine"]), "results": results}
    return {"measured": content["measured"], "results": results}


def _is_valid(stored: Mapping[str, Any]) -> bool:
    return stored["unit"] not in TIMED_UNITS or stored["reference"] is not None


def _result(stored: dict[str, Any]) -> Result:
    return Result(**{name: value for name, value in stored.items() if name != "ratio"})

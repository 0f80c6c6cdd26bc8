"""Results as people read them."""

from collections.abc import Sequence

from benchmarks.frame import Benchmark, Result
from benchmarks.record import Results, Worse, missed

NAME = 58  # characters, at least


def print_results(benchmark: Benchmark, results: Sequence[Result], seconds: float) -> None:
    """Print one benchmark's table."""
    print(f"\n{benchmark.name}: {benchmark.title} ({seconds:.0f} s)\n")
    width = max(NAME, *(len(result.name) for result in results))
    print(f"  {'':<{width}}{'measured':>12}{'reference':>12}{'ratio':>8}{'goal':>12}")
    for result in results:
        print(f"  {result.name:<{width}}{_line(result)}", flush=True)


def print_worse(changes: Sequence[Worse], gone: Sequence[tuple[str, str]]) -> None:
    """Say what has become worse since the record, and which of its figures there is no more."""
    print()
    for change in changes:
        print(
            f"WORSE by {change.part * 100:.0f} %: {change.benchmark}: {change.name} "
            f"({change.before:.3g} before, {change.now:.3g} now)"
        )
    for benchmark, name in gone:
        print(f"GONE: {benchmark}: {name} (it is on record, and was not measured)")
    if not changes and not gone:
        print("Nothing is more than 20 % worse than what is on record.")


def print_goals(results: Results) -> None:
    """Say how many goals there are, and which were missed."""
    count = sum(result.goal is not None for found in results.values() for result in found)
    failed = missed(results)
    print()
    for benchmark, result in failed:
        assert result.goal is not None
        value, goal = (_shown(one, result.unit) for one in (result.value, result.goal))
        print(f"MISSED: {benchmark}: {result.name} ({value}, the goal is {goal})")
    print(f"{len(failed)} of {count} goals missed." if failed else f"All {count} goals reached.")


def _line(result: Result) -> str:
    reference = "" if result.reference is None else _shown(result.reference, result.unit)
    ratio = "" if result.ratio is None else f"{result.ratio:.2f}"
    goal = ""
    if result.goal is not None:
        sign = "<=" if result.better == "lower" else ">="
        goal = f"{sign} {_shown(result.goal, result.unit)} {'' if result.is_reached else 'MISSED'}"
    return f"{_shown(result.value, result.unit):>12}{reference:>12}{ratio:>8}   {goal}".rstrip()


def _shown(value: float, unit: str) -> str:
    digits = 0 if value == int(value) and abs(value) < 1e9 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f} {unit}".rstrip()

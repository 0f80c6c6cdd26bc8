"""What has become worse is told by ratios: a slower machine is not taken for a slower Docent."""

from pathlib import Path

import pytest

from benchmarks.frame import Result, benchmarks
from benchmarks.record import load, save, worse


def result(value: float, **fields: object) -> Result:
    return Result(**{"name": "lag", "value": value, "unit": "ms", **fields})  # type: ignore[arg-type]


def changes(before: Result, now: Result) -> list[float]:
    return [change.part for change in worse({"a": [before]}, {"a": [now]})]


def test_a_slower_machine_makes_nothing_worse() -> None:
    assert changes(result(100, reference=200), result(300, reference=600)) == []


def test_a_worse_ratio_is_told_though_the_time_is_shorter() -> None:
    told = changes(result(100, reference=200), result(90, reference=100))
    assert told == [pytest.approx(0.8)]


def test_a_fifth_is_tolerated_and_no_more() -> None:
    assert changes(result(100, reference=100), result(120, reference=100)) == []
    assert len(changes(result(100, reference=100), result(121, reference=100))) == 1


def test_where_more_is_better_less_is_worse() -> None:
    before = result(100, reference=100, better="higher")
    assert changes(before, result(130, reference=100, better="higher")) == []
    assert len(changes(before, result(70, reference=100, better="higher"))) == 1


def test_a_time_without_a_reference_is_not_judged() -> None:
    assert changes(result(100), result(900)) == []


@pytest.mark.parametrize("unit", ["", "MB"])
def test_counts_and_memory_are_judged_as_they_stand(unit: str) -> None:
    assert changes(result(10, unit=unit), result(12, unit=unit)) == []
    assert len(changes(result(10, unit=unit), result(13, unit=unit))) == 1


def test_what_was_none_and_is_some_now_is_worse() -> None:
    assert changes(result(0, unit=""), result(1, unit="")) == [float("inf")]


def test_what_is_in_one_of_the_two_alone_is_passed_over() -> None:
    assert worse({"a": [result(1, reference=1)]}, {"b": [result(9, reference=1)]}) == []
    assert changes(result(1, name="x", reference=1), result(9, name="y", reference=1)) == []


def test_results_are_read_as_they_were_written_and_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "results" / "recorded.json"
    assert load(path) == {}
    first = result(10, reference=20, goal=15)
    save(path, {"a": [first]}, {"processors": 2})
    save(path, {"b": [result(5, unit="")]}, {"processors": 2})
    assert load(path) == {"a": [first], "b": [result(5, unit="")]}


@pytest.mark.parametrize(
    ("value", "better", "reached"),
    [(9, "lower", True), (11, "lower", False), (11, "higher", True), (9, "higher", False)],
)
def test_a_goal_is_reached_or_not(value: float, better: str, reached: bool) -> None:
    assert result(value, better=better, goal=10).is_reached is reached
    assert result(value, better=better).is_reached is None


def test_every_benchmark_is_found_with_a_title() -> None:
    found = benchmarks()
    assert {"lag", "burst", "floor", "open_runs"} <= {one.name for one in found}
    assert all(one.title.endswith((".", ":")) for one in found)

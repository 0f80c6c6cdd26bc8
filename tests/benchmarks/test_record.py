"""What has become worse is told by ratios: a slower machine is not taken for a slower Docent."""

import json
from pathlib import Path

import pytest

from benchmarks.frame import TIMED_UNITS, Result, benchmarks
from benchmarks.record import RECORDED, load, missed, save, vanished, worse
from benchmarks.table import print_goals, print_worse

MACHINE = {"at": "2026-11-22T20:41:27+00:00", "commit": "b5a03d4", "processors": 2}


def result(value: float, **fields: object) -> Result:
    given = {"name": "lag", "value": value, "unit": "ms", "reference": 100.0, **fields}
    return Result(**given)  # type: ignore[arg-type]


def count(value: float, **fields: object) -> Result:
    return result(value, **{"unit": "", "reference": None, **fields})


def measured(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))["measured"]
    return found


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


@pytest.mark.parametrize("unit", TIMED_UNITS)
def test_a_time_a_share_or_a_rate_without_a_reference_is_refused(unit: str) -> None:
    with pytest.raises(ValueError, match=f"lag: a figure in {unit} needs a reference"):
        result(100, unit=unit, reference=None)
    assert len(changes(result(100, unit=unit), result(121, unit=unit))) == 1


@pytest.mark.parametrize("unit", ["", "MB"])
def test_counts_and_memory_are_judged_as_they_stand(unit: str) -> None:
    assert changes(count(10, unit=unit), count(12, unit=unit)) == []
    assert len(changes(count(10, unit=unit), count(13, unit=unit))) == 1
    assert changes(count(10, unit=unit, reference=3), count(10, unit=unit, reference=2)) == []


def test_what_was_none_and_is_some_now_is_worse() -> None:
    assert changes(count(0), count(1)) == [float("inf")]


def test_a_count_below_none_is_as_good_as_the_same_again() -> None:
    assert changes(count(-10), count(-10)) == []
    assert changes(count(-10, better="higher"), count(-10, better="higher")) == []
    assert changes(count(-10), count(-7)) == [pytest.approx(0.3)]


def test_what_is_by_chance_is_never_worse() -> None:
    assert changes(count(1, better="neither"), count(9, better="neither")) == []


def test_what_is_in_one_of_the_two_alone_is_not_compared() -> None:
    assert worse({"a": [result(1)]}, {"b": [result(9)]}) == []
    assert changes(result(1, name="x"), result(9, name="y")) == []
    assert changes(result(1), count(9)) == []


def test_a_figure_that_is_measured_no_more_is_named() -> None:
    before = {"a": [result(1, name="x"), count(1, name="y")], "b": [count(1, name="z")]}
    assert vanished(before, before) == []
    now = {"a": [result(1, name="x"), result(1, name="y")], "c": [count(1, name="new")]}
    assert vanished(before, now) == [("a", "y"), ("b", "z")]


def test_the_end_says_what_is_worse_and_what_is_gone(capsys: pytest.CaptureFixture[str]) -> None:
    print_worse(worse({"a": [count(10)]}, {"a": [count(15)]}), [("a", "runs too many")])
    said = capsys.readouterr().out
    assert "WORSE by 50 %: a: lag (10 before, 15 now)" in said
    assert "GONE: a: runs too many" in said
    print_worse([], [])
    assert capsys.readouterr().out.strip().startswith("Nothing is more than 20 % worse")


def test_the_end_says_how_many_goals_were_missed_and_which(
    capsys: pytest.CaptureFixture[str],
) -> None:
    results = {"a": [count(3, name="x", goal=2), count(1, name="y", goal=2)], "b": [count(9)]}
    assert missed(results) == [("a", results["a"][0])]
    print_goals(results)
    said = capsys.readouterr().out
    assert "MISSED: a: x (3, the goal is 2)" in said
    assert said.endswith("1 of 2 goals missed.\n")
    print_goals({"a": results["a"][1:]})
    assert capsys.readouterr().out.endswith("All 1 goals reached.\n")


def test_results_are_read_as_they_were_written_and_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "results" / "recorded.json"
    assert load(path) == {}
    first, second = result(10, reference=20, goal=15), count(5)
    save(path, {"a": [first]}, {"a": MACHINE})
    later = {**MACHINE, "at": "2026-11-23T20:41:27+00:00"}
    save(path, {"b": [second]}, {"b": later})
    assert load(path) == {"a": [first], "b": [second]}
    assert measured(path) == {"a": MACHINE, "b": later}


def test_a_record_with_one_date_for_all_is_read_and_kept_where_nothing_is_newer(
    tmp_path: Path,
) -> None:
    path = tmp_path / "recorded.json"
    one = {"name": "x", "value": 9, "unit": "", "better": "lower", "reference": None, "goal": None}
    time = {**one, "name": "y", "unit": "s"}
    old = {"a": [{**one, "ratio": None}, {**time, "ratio": None}], "b": [{**one, "ratio": None}]}
    path.write_text(json.dumps({"machine": MACHINE, "results": old}), encoding="utf-8")
    # A time without a reference was on record then: it is compared with nothing.
    assert load(path) == {"a": [count(9, name="x")], "b": [count(9, name="x")]}
    later = {**MACHINE, "at": "2026-11-23T20:41:27+00:00"}
    save(path, {"b": [count(8, name="x")]}, {"b": later})
    assert load(path)["b"] == [count(8, name="x")]
    assert measured(path) == {"a": MACHINE, "b": later}
    assert json.loads(path.read_text(encoding="utf-8"))["results"]["a"] == old["a"]


def test_the_record_can_be_read_and_has_all_benchmarks() -> None:
    recorded = load(RECORDED)
    assert set(recorded) == {one.name for one in benchmarks()}
    assert all(recorded.values())


@pytest.mark.parametrize(
    ("value", "better", "reached"),
    [(9, "lower", True), (11, "lower", False), (11, "higher", True), (9, "higher", False)],
)
def test_a_goal_is_reached_or_not(value: float, better: str, reached: bool) -> None:
    assert result(value, better=better, goal=10).is_reached is reached
    assert result(value, better=better, goal=None).is_reached is None


def test_every_benchmark_is_found_with_a_title() -> None:
    found = benchmarks()
    assert {"lag", "burst", "floor", "open_runs"} <= {one.name for one in found}
    assert all(one.title.endswith((".", ":")) for one in found)

import random
import statistics

import pytest

from core.pacing import (
    ENOUGH,
    LONGEST_LOOK,
    Pace,
    RequestBudget,
    look_interval,
    setback_interval,
)


def test_a_young_run_is_looked_at_after_about_a_quarter_of_a_second() -> None:
    assert all(0.2 <= look_interval(0) <= 0.3 for _ in range(100))


def test_the_interval_grows_with_the_age_of_the_run_up_to_a_bound() -> None:
    assert look_interval(0) < look_interval(10) < look_interval(60)
    assert look_interval(10_000) <= LONGEST_LOOK * 1.15


def test_runs_that_began_together_drift_apart() -> None:
    assert len({look_interval(5) for _ in range(20)}) > 1


def test_a_pause_that_was_asked_for_is_kept_and_one_that_was_not_doubles() -> None:
    assert setback_interval(1, asked=90) == 90
    assert setback_interval(1) < setback_interval(3) < setback_interval(5)
    assert setback_interval(1000) <= 15 * 1.15


@pytest.mark.parametrize("per_second", [1.0, 10.0])
def test_the_budget_gives_its_burst_and_then_so_many_a_second(per_second: float) -> None:
    budget = RequestBudget(per_second=per_second, burst=5)
    assert [budget.take(0) for _ in range(6)] == [True] * 5 + [False]
    assert budget.wait == pytest.approx(1 / per_second)
    assert not budget.take(0.5 / per_second)
    assert budget.take(1.1 / per_second)


def test_the_budget_saves_no_more_than_its_burst_and_bears_a_clock_that_goes_back() -> None:
    budget = RequestBudget(per_second=10, burst=2)
    assert budget.take(1000)
    assert budget.take(500)
    assert [budget.take(10_000) for _ in range(3)] == [True, True, False]


def follow(pace: Pace, seconds: float) -> tuple[int, float]:
    """Follow a run that takes so long; how many looks that took, and how late its end was seen."""
    looks, age, at_work = 0, 0.0, 0.0
    while True:
        age += pace.wait(age)
        looks += 1
        if age >= seconds:
            pace.ended(age, at_work)
            return looks, age - seconds
        at_work = age


def learned(*seconds: float) -> Pace:
    pace = Pace()
    for one in seconds:
        follow(pace, one)
    return pace


def test_until_it_knows_runs_it_looks_as_at_a_run_of_unknown_length() -> None:
    pace = learned(*[5.0] * (ENOUGH - 1))
    assert all(0.2 <= pace.wait(0) <= 0.3 for _ in range(100))


def test_a_run_is_hardly_looked_at_before_runs_end_of_late_and_often_from_then_on() -> None:
    dice = random.Random(3)
    pace = learned(*(dice.uniform(4, 8) for _ in range(40)))
    followed = [follow(pace, dice.uniform(4, 8)) for _ in range(200)]
    looks = statistics.mean(count for count, _ in followed)
    late = statistics.median(seconds for _, seconds in followed)

    assert looks < 13  # one each 500 ms is 12.5
    assert late < 0.15  # half of what that takes


def test_runs_that_become_quicker_are_found_out() -> None:
    pace = learned(*[30.0] * 70)
    assert pace.wait(10) > 8
    late = [follow(pace, 2.0)[1] for _ in range(80)]
    assert late[-1] < 1.0


def test_runs_that_become_slower_are_looked_at_later() -> None:
    pace = learned(*[2.0] * 70)
    assert pace.wait(10) < 1
    for _ in range(70):
        follow(pace, 30.0)
    assert pace.wait(10) > 8


@pytest.mark.parametrize("seconds", [0.5, 3.0, 12.0, 33.0])
def test_one_that_is_done_much_sooner_than_all_others_is_not_left_until_they_would_be(
    seconds: float,
) -> None:
    pace = learned(*[60.0] * 64)
    looks, late = follow(pace, seconds)
    assert late <= max(LONGEST_LOOK, seconds) * 1.15
    assert looks <= 5


def test_an_old_run_is_looked_at_now_and_then() -> None:
    pace = learned(*[2.0] * 70)
    assert pace.wait(10_000) <= LONGEST_LOOK * 1.15

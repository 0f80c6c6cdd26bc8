import pytest

from core.pacing import LONGEST_LOOK, RequestBudget, look_interval, setback_interval


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

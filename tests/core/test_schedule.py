"""Cron expressions: what they mean, checked against a plain search minute by minute."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.schedule import due_after, parse_cron


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("cron", "last", "due"),
    [
        ("0 3 * * *", "2026-11-22 02:59:59", "2026-11-22 03:00"),
        ("0 3 * * *", "2026-11-22 03:00", "2026-11-23 03:00"),
        ("*/15 * * * *", "2026-11-22 10:07", "2026-11-22 10:15"),
        ("5/20 * * * *", "2026-11-22 10:46", "2026-11-22 11:05"),
        ("0 9-17/4 * * *", "2026-11-22 13:00", "2026-11-22 17:00"),
        ("0,30 8 * * mon-fri", "2026-11-20 08:30", "2026-11-23 08:00"),  # from Friday to Monday
        ("0 0 * * 7", "2026-11-22 12:00", "2026-11-29 00:00"),  # 7 is Sunday, too
        ("0 0 * * SUN", "2026-11-22 12:00", "2026-11-29 00:00"),
        ("0 0 1 jan,JUL *", "2026-11-22 12:00", "2027-01-01 00:00"),
        ("0 0 29 2 *", "2026-11-22 12:00", "2028-02-29 00:00"),
        ("0 0 29 2 *", "2096-03-01 00:00", "2104-02-29 00:00"),
        ("0 0 31 * *", "2026-11-22 12:00", "2026-12-31 00:00"),
        ("0 0 13 * fri", "2026-11-22 12:00", "2026-11-27 00:00"),  # either is enough
        ("0 0 */2 * mon", "2026-11-22 12:00", "2026-11-23 00:00"),  # `*/2`: both are needed
        ("@hourly", "2026-11-22 12:00", "2026-11-22 13:00"),
        ("@weekly", "2026-11-22 12:00", "2026-11-29 00:00"),
    ],
)
def test_the_next_time_of_a_cron_expression(cron: str, last: str, due: str) -> None:
    assert parse_cron(cron).after(at(last)) == at(due)


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("0 3 * *", "4 fields"),
        ("", "0 fields"),
        ("0 3 * * * *", "6 fields"),
        ("60 * * * *", "minute '60' is not within 0 to 59"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day '0'"),
        ("* * * 13 *", "month"),
        ("* * * * 8", "weekday"),
        ("*/0 * * * *", "minute"),
        ("30-10 * * * *", "minute"),
        ("a * * * *", "minute 'a' cannot be read"),
        ("1,,2 * * * *", "cannot be read"),
        ("* * * * funday", "cannot be read"),
        ("0 0 31 2 *", "names no time that ever comes"),
        ("@reboot", "it has 1 field and needs five"),
    ],
)
def test_what_is_no_cron_expression_says_why(cron: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_cron(cron)


def field(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    span = st.tuples(number, number).map(lambda two: f"{min(two)}-{max(two)}")
    step = st.integers(1, most).map(lambda n: f"*/{n}")
    return st.one_of(st.just("*"), number.map(str), span, step)


def matches(text: str, value: int, least: int, most: int) -> bool:
    span, _, step = text.partition("/")
    first, _, last = span.partition("-")
    low, high = (least, most) if span == "*" else (int(first), int(last or first))
    return low <= value <= high and (value - low) % int(step or 1) == 0


@given(field(0, 59), field(0, 23), field(1, 28), field(0, 6), st.integers(0, 60 * 24 * 365))
def test_no_time_is_left_out_and_none_made_up(
    minute: str, hour: str, day: str, weekday: str, start: int
) -> None:
    cron = parse_cron(f"{minute} {hour} {day} * {weekday}")
    last = at("2026-01-01") + 60 * start
    found = datetime.fromtimestamp(cron.after(last), UTC)
    either = "*" not in day and "*" not in weekday

    def is_day(when: datetime) -> bool:
        both = matches(day, when.day, 1, 31), matches(weekday, when.isoweekday() % 7, 0, 7)
        return any(both) if either else all(both)

    assert matches(minute, found.minute, 0, 59)
    assert matches(hour, found.hour, 0, 23)
    assert is_day(found)
    # On no day in between is there a time, nor on the same day an earlier one.
    day_before = datetime.fromtimestamp(last, UTC).date() + timedelta(days=1)
    while day_before < found.date():
        midnight = datetime(day_before.year, day_before.month, day_before.day, tzinfo=UTC)
        assert not is_day(midnight)
        day_before += timedelta(days=1)
    earlier = found - timedelta(minutes=1)
    while earlier.timestamp() > last and earlier.date() == found.date():
        is_time = matches(minute, earlier.minute, 0, 59) and matches(hour, earlier.hour, 0, 23)
        assert not is_time
        earlier -= timedelta(minutes=1)


def test_what_was_missed_is_due_at_once_and_only_once() -> None:
    nightly = parse_cron("0 3 * * *")
    now = at("2026-11-22 10:00")
    assert due_after(nightly, at("2026-11-10 03:00")) < now
    assert due_after(nightly, now) == at("2026-11-23 03:00")
    assert due_after(3600.0, now) == now + 3600

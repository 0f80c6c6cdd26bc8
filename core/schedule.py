"""When something is to be done by itself: at an interval, or at the times of a cron expression.

Times are in UTC, as the hosts of servers mostly are: an hour that a change of clocks repeats or
leaves out is none of our trouble then.
"""

import re
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

SHORTHANDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
YEARS = 9  # from a leap day to the next, at most 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Cron:
    """The times that a cron expression names."""

    text: str
    minutes: Sequence[int] = field(repr=False)
    hours: Sequence[int] = field(repr=False)
    days: Sequence[int] = field(repr=False)
    months: Sequence[int] = field(repr=False)
    weekdays: Sequence[int] = field(repr=False)  #: 0 is Sunday
    either: bool = field(
        repr=False
    )  #: days and weekdays are both restricted: one of them is enough

    def after(self, time: float) -> float:
        """The first of its times after `time`."""
        start = datetime.fromtimestamp(time, UTC).replace(second=0, microsecond=0)
        start += timedelta(minutes=1)
        for year in range(start.year, start.year + YEARS):
            for month in self.months:
                if (year, month) < (start.year, start.month):
                    continue
                for day in range(1, monthrange(year, month)[1] + 1):
                    if (found := self._on(year, month, day, start)) is not None:
                        return found.timestamp()
        raise ValueError(f"{self.text} names no time that ever comes")

    def _on(self, year: int, month: int, day: int, start: datetime) -> datetime | None:
        """The first time on a day, not before `start`."""
        first = datetime(year, month, day, tzinfo=UTC)
        if first.date() < start.date() or not self._has(first):
            return None
        for hour in self.hours:
            for minute in self.minutes:
                if (found := first.replace(hour=hour, minute=minute)) >= start:
                    return found
        return None

    def _has(self, day: datetime) -> bool:
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_day or by_weekday if self.either else by_day and by_weekday


def parse_cron(text: str) -> Cron:
    """Read five fields (minute, hour, day of the month, month, day of the week), or `@daily` ….

    A field is `*`, a number, a range `1-5`, any of these with a step `*/15`, or a list of them;
    months and days of the week may be named. Raises ValueError with the reason, also where no such
    time ever comes.
    """
    fields = SHORTHANDS.get(text.strip().lower(), text).split()
    if len(fields) != 5:
        count = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
        raise ValueError(f"it has {count} and needs five")
    minute, hour, day, month, weekday = fields
    cron = Cron(
        text=" ".join(fields),
        minutes=_values("minute", minute, 0, 59),
        hours=_values("hour", hour, 0, 23),
        days=_values("day", day, 1, 31),
        months=_values("month", month, 1, 12, MONTHS),
        weekdays=sorted({n % 7 for n in _values("weekday", weekday, 0, 7, WEEKDAYS)}),
        either=not day.startswith("*") and not weekday.startswith("*"),
    )
    cron.after(0.0)
    return cron


def due_after(every: float | Cron, last: float) -> float:
    """When the next time is, if the last was at `last`; what was missed is made up for once."""
    return every.after(last) if isinstance(every, Cron) else last + every


def _values(name: str, text: str, least: int, most: int, names: Sequence[str] = ()) -> list[int]:
    """The numbers that a field stands for, in their order."""
    values: set[int] = set()
    for part in text.lower().split(","):
        for number, word in enumerate(names, start=least):
            part = re.sub(rf"\b{word}\b", str(number), part)
        match = re.fullmatch(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?", part)
        if match is None:
            raise ValueError(f"its {name} {text!r} cannot be read")
        first = least if match[1] is None else int(match[1])
        # `5/15` begins at 5 and goes on to the end.
        alone = match[1] is not None and match[3] is None
        last = int(match[2]) if match[2] else (first if alone else most)
        step = int(match[3] or 1)
        if not least <= first <= last <= most or step == 0:
            raise ValueError(f"its {name} {text!r} is not within {least} to {most}")
        values.update(range(first, last + 1, step))
    return sorted(values)

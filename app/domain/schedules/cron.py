"""Cron expressions: five fields, or an alias such as @daily.

croniter reads the expression; the fields that it finds are then walked by the calendar, with its meaning of each. The expression goes
by local time alone, and the zone is applied afterwards.
"""

import calendar
import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache, partial

from croniter import CroniterError, croniter

from app.domain import zones
from app.domain.schedules import yeardays
from app.domain.schedules.base import DEFAULT_START as _A_START
from app.domain.schedules.base import Steps, read_text, read_zone, window
from app.domain.schedules.walltime import instants
from app.errors import InvalidSchedule

_MAX_LENGTH = 255
ALIASES = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
_HASHED = re.compile(r"[hr](\(.*\))?(/.*)?", re.ASCII | re.IGNORECASE)
# Leap years and others on every weekday.
_EVERY_YEAR = range(2000, 2028)
_FIELDS = (
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of month", "1 to 31, L for the last, or 15W for the weekday nearest to the 15th"),
    ("month", "1 to 12 or JAN to DEC"),
    ("day of week", "0 to 7 (0 and 7 are Sunday) or SUN to SAT, 5#3 for the third Friday, or L5 for the last"),
)


@dataclass(frozen=True)
class DayRule:
    """Which days a cron expression asks for. None stands for a field that leaves the choice free.

    `days` are days of the month, "l" for the last; `nearest` days whose nearest weekday is meant (15W); `weekdays` count from Sunday = 0;
    `nth` are (weekday, which of the month: 1 to 5 or "l" for the last).
    """

    months: frozenset | None
    days: frozenset | None
    nearest: frozenset
    weekdays: frozenset | None
    nth: frozenset
    either: bool

    def sides(self):
        """The combinations of (day of month, day of week) of which a day must satisfy one, as two tests each.

        With day_or, two restricted fields are alternatives. croniter keeps W and # out of that: they restrict both alternatives.
        """
        by_month = self._is_nearest if self.nearest else self._is_day
        by_week = self._is_nth if self.nth else self._is_weekday
        if not self.either or self.days is None or self.weekdays is None:
            return ((by_month, by_week),)
        return (by_month, by_week if self.nth else _any), (by_month if self.nearest else _any, by_week)

    def lacks_a_side(self):
        """Whether croniter refuses it: one of the alternatives that W or # restrict has no date at all."""
        return bool(self.nearest or self.nth) and any(
            all(next(_side_days(side, self.months, year), None) is None for year in _EVERY_YEAR) for side in self.sides()
        )

    def _is_day(self, year, month, day, length):
        return self.days is None or day in self.days or (day == length and "l" in self.days)

    def _is_weekday(self, year, month, day, length):
        return self.weekdays is None or (calendar.weekday(year, month, day) + 1) % 7 in self.weekdays

    def _is_nearest(self, year, month, day, length):
        return any(day == _nearest_weekday(year, month, min(wanted, length), length) for wanted in self.nearest)

    def _is_nth(self, year, month, day, length):
        weekday = (calendar.weekday(year, month, day) + 1) % 7
        return (weekday, (day + 6) // 7) in self.nth or (day + 7 > length and (weekday, "l") in self.nth)


def _any(year, month, day, length):
    return True


def _nearest_weekday(year, month, day, length):
    """The day from Monday to Friday nearest to this one, in the same month."""
    weekday = calendar.weekday(year, month, day)
    if weekday == calendar.SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == calendar.SUNDAY:
        return day + 1 if day < length else day - 2
    return day


def _side_days(side, months, year):
    by_month, by_week = side
    for index, (month, day) in enumerate(yeardays.MONTH_DAYS[calendar.isleap(year)]):
        if months is None or month in months:
            date = year, month, day, calendar.monthrange(year, month)[1]
            if by_month(*date) and by_week(*date):
                yield index


@lru_cache(maxsize=4096)
def _days_in(rule, year):
    """The days of the year that a DayRule asks for, as sorted numbers from 0."""
    return tuple(sorted({index for side in rule.sides() for index in _side_days(side, rule.months, year)}))


@dataclass(frozen=True)
class CronFields:
    """An expression taken apart: hours and minutes as sorted numbers, and a DayRule."""

    minutes: tuple
    hours: tuple
    days: DayRule

    def walk(self, low, high, steps):
        """Yield the local times in [low, high) that match, in order."""
        today = (low.year, low.month, low.day)
        for date in yeardays.walk(lambda year: _days_in(self.days, year), low, high, steps):
            hours = self.hours if date != today else [hour for hour in self.hours if hour >= low.hour]
            for hour in hours:
                for minute in self.minutes:
                    local = datetime(*date, hour, minute)
                    if local >= high:
                        return
                    if local >= low:
                        yield local


@dataclass(frozen=True)
class CronSchedule:
    """`cron` is the expression as given, `timezone` a name or None for UTC."""

    cron: str
    timezone: str | None = None
    day_or: bool = True
    fields: CronFields = field(default=None, repr=False, compare=False)

    @classmethod
    def parse(cls, cron, timezone=None, day_or=True):
        """The schedule of a document's members, as JSON holds them. Raises InvalidSchedule."""
        read_text("cron", cron, _MAX_LENGTH)
        if not isinstance(day_or, bool):
            raise InvalidSchedule("day_or", "must be true or false")
        if timezone is not None:
            read_zone(timezone)
        return cls(cron, timezone, day_or, _read_fields(cron, day_or))

    @property
    def zone(self):
        """The zone whose clock it goes by."""
        return zones.zone(self.timezone or "UTC")

    def occurrences(self, start, end, limit):
        """Yield at most `limit` UTC instants in [start, end], in order. Raises ScheduleTooSlow."""
        start, end = window(start, end)
        if start > end or limit <= 0:
            return iter(())
        steps = Steps("cron", limit)
        walk = partial(self.fields.walk, steps=steps)
        return steps.dates(instants(walk, self.zone, start, end, steps), limit)

    def wall_times(self, low, high):
        """Yield the local times in [low, high) that it names."""
        return self.fields.walk(low, high, Steps("cron"))

    def to_document(self):
        """The document that `parse` reads, every default said."""
        return {"cron": self.cron, "timezone": self.timezone, "day_or": self.day_or}


@lru_cache(maxsize=4096)
def _read_fields(text, day_or):
    parts = re.findall(r"\S+", text, re.ASCII)
    if parts[0].startswith("@"):
        if len(parts) > 1 or parts[0].lower() not in ALIASES:
            raise InvalidSchedule("cron", f"is not an alias; give one of {', '.join(ALIASES)}, or five fields")
    else:
        _check_parts(parts)
    try:
        expanded = croniter(" ".join(parts), _A_START)
    except (CroniterError, ValueError) as error:
        raise InvalidSchedule("cron", _what_is_wrong(parts)) from error
    minutes, hours, days, months, weekdays = expanded.expanded
    rule = DayRule(
        months=_chosen(months),
        days=_chosen(days),
        nearest=frozenset(expanded.nearest_weekday),
        weekdays=_chosen(weekdays),
        nth=frozenset((weekday, n) for weekday, ns in expanded.nth_weekday_of_month.items() for n in ns),
        either=day_or,
    )
    if rule.lacks_a_side():
        raise InvalidSchedule("cron", "never fires: its day of month and its day of week do not go together")
    return CronFields(tuple(sorted(_chosen(minutes) or range(60))), tuple(sorted(_chosen(hours) or range(24))), rule)


def _chosen(values):
    """A field's values; None where it leaves the choice free."""
    return None if "*" in values else frozenset(values)


def _check_parts(parts):
    if len(parts) != len(_FIELDS):
        wanted = ", ".join(name for name, _ in _FIELDS)
        raise InvalidSchedule("cron", f"has {len(parts)} fields; exactly five are allowed ({wanted}), or an alias such as @daily")
    for part, (name, _) in zip(parts, _FIELDS, strict=True):
        if any(_HASHED.fullmatch(item) for item in part.split(",")):
            raise InvalidSchedule("cron", f"uses H or R in its {name} field, which leave the time to chance; write the value itself")


def _what_is_wrong(parts):
    """The reason for refusing an expression that croniter refuses: the first field that it refuses on its own."""
    for index, (name, allowed) in enumerate(_FIELDS[: len(parts)]):
        alone = ["*"] * len(_FIELDS)
        alone[index] = parts[index]
        try:
            croniter(" ".join(alone), _A_START)
        except (CroniterError, ValueError):
            return f"cannot be read in its {name} field; allowed are {allowed}, *, lists (1,2), ranges (1-5) and steps (*/2)"
    return "is not a cron expression of five fields"

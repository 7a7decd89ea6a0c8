"""Cron expressions: five fields, or an alias such as @daily.

`cron_text` says what the text means, croniter reads what it wrote, and the fields that it finds are walked here: croniter's own walk
ends fifty years on, has no bound on its work, and joins W, # and L to the other day field in a way of its own. The expression goes by
local time alone, and the zone is applied afterwards.
"""

import calendar
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache, partial

from croniter import CroniterError, croniter

from app.domain import zones
from app.domain.schedules import cron_text, yeardays
from app.domain.schedules.base import DEFAULT_START, PlainSchedule, Steps, read_text, read_zone, window
from app.domain.schedules.walltime import RFC_5545, instants
from app.errors import InvalidSchedule

_MAX_LENGTH = 255


@dataclass(frozen=True)
class DayRule:
    """Which days a cron expression asks for. None stands for a field that leaves the choice free.

    `days` are days of the month, "l" for the last; `nearest` days whose nearest weekday is meant (15W); `weekdays` count from Sunday = 0;
    `nth` are (weekday, which of the month: 1 to 5 or "l" for the last). Two fields that are not free are alternatives with `day_or`.
    """

    months: frozenset | None
    days: frozenset | None
    nearest: frozenset
    weekdays: frozenset | None
    nth: frozenset
    day_or: bool

    def of_year(self, year):
        """Yield the days of the year that match, as numbers from 0, in order."""
        of_month = self._is_nearest if self.nearest else self._is_day
        of_week = self._is_nth if self.nth else self._is_weekday
        enough = any if self.day_or and self.days is not None and self.weekdays is not None else all
        lengths = yeardays.MONTH_LENGTHS[calendar.isleap(year)]
        for index, (month, day) in enumerate(yeardays.MONTH_DAYS[calendar.isleap(year)]):
            if self.months is None or month in self.months:
                date = year, month, day, lengths[month]
                if enough((of_month(*date), of_week(*date))):
                    yield index

    def _is_day(self, year, month, day, length):
        return self.days is None or day in self.days or (day == length and "l" in self.days)

    def _is_weekday(self, year, month, day, length):
        return self.weekdays is None or (calendar.weekday(year, month, day) + 1) % 7 in self.weekdays

    def _is_nearest(self, year, month, day, length):
        return any(day == _nearest_weekday(year, month, min(wanted, length), length) for wanted in self.nearest)

    def _is_nth(self, year, month, day, length):
        weekday = (calendar.weekday(year, month, day) + 1) % 7
        return (weekday, (day + 6) // 7) in self.nth or (day + 7 > length and (weekday, "l") in self.nth)


def _nearest_weekday(year, month, day, length):
    """Return the day from Monday to Friday nearest to this one, in the same month."""
    weekday = calendar.weekday(year, month, day)
    if weekday == calendar.SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == calendar.SUNDAY:
        return day + 1 if day < length else day - 2
    return day


@lru_cache(maxsize=4096)
def _days_in(rule, year):
    """Return the days of the year that a DayRule asks for, as sorted numbers from 0."""
    return tuple(rule.of_year(year))


@lru_cache(maxsize=4096)
def _day_set(rule, year):
    return frozenset(_days_in(rule, year))


@dataclass(frozen=True)
class CronFields:
    """An expression taken apart: hours and minutes as sorted numbers, and a DayRule."""

    minutes: tuple
    hours: tuple
    days: DayRule

    def names_day(self, day):
        """Return whether a day matches."""
        return yeardays.number(day) in _day_set(self.days, yeardays.like(day.year))

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
class CronSchedule(PlainSchedule):
    """`cron` is the expression as given, `timezone` a name or None for UTC."""

    kind = "cron"

    cron: str
    timezone: str | None = None
    day_or: bool = True
    fields: CronFields = field(kw_only=True, repr=False, compare=False)

    @classmethod
    def parse(cls, cron, timezone=None, day_or=True):
        """Return the schedule of a document's members, as JSON holds them. Raise InvalidSchedule."""
        read_text("cron", cron, _MAX_LENGTH)
        if not isinstance(day_or, bool):
            raise InvalidSchedule("day_or", "must be true or false")
        if timezone is not None:
            read_zone(timezone)
        return cls(cron, timezone, day_or, fields=_read_fields(cron, day_or))

    @property
    def zone(self):
        """Return the zone whose clock it goes by."""
        return zones.zone(self.timezone or "UTC")

    def occurrences(self, start, end, limit, steps=None, daylight=RFC_5545):
        """Yield at most `limit` UTC instants in [start, end], in order. Raise ScheduleTooSlow."""
        start, end = window(start, end)
        if start > end or limit <= 0:
            return iter(())
        steps = steps or Steps("cron", limit)
        walk = partial(self.fields.walk, steps=steps)
        return steps.dates(instants(walk, self.zone, start, end, steps, daylight), limit)

    def wall_times(self, low, high):
        """Yield the local times in [low, high) that it names."""
        return self.fields.walk(low, high, Steps("cron"))

    def to_document(self):
        """Return the document that `parse` reads, with every default."""
        return {"cron": self.cron, "timezone": self.timezone, "day_or": self.day_or}


@lru_cache(maxsize=4096)
def _read_fields(text, day_or):
    plain = " ".join(cron_text.normalise(text))
    try:
        expression = croniter(plain, DEFAULT_START)
    except (CroniterError, ValueError) as error:
        raise InvalidSchedule("cron", "is not a cron expression of five fields") from error
    minutes, hours, days, months, weekdays = map(_chosen, expression.expanded)
    rule = DayRule(
        months=months,
        days=days,
        nearest=frozenset(expression.nearest_weekday),
        weekdays=weekdays,
        nth=frozenset((weekday, n) for weekday, ns in expression.nth_weekday_of_month.items() for n in ns),
        day_or=day_or,
    )
    return CronFields(tuple(sorted(minutes or range(60))), tuple(sorted(hours or range(24))), rule)


def _chosen(values):
    """Return a field's values, or None where it leaves the choice free."""
    return None if "*" in values else frozenset(values)

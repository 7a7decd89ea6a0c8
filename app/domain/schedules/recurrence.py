"""One recurrence rule of RFC 5545 (3.3.10), walked by the calendar in local time.

dateutil's rrule does not walk it: it begins at DTSTART whatever is asked for, and searches for ever where a rule has no date. This walk
starts at any time, in phase with the rule's own start, so a rule costs as much in its tenth year as on its first day. All times here
are naive local times.
"""

import calendar
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import groupby, islice, product
from operator import itemgetter

from app.domain.schedules import yeardays
from app.domain.schedules.base import LATEST, Steps

FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY")

_TICK = timedelta(microseconds=1)
# A local time no zone has before the last instant has passed.
_PAST = LATEST + timedelta(days=2)
# What the (year, month, day) of one period have in common, where it is cheaper to say than the period's number.
_KEYS = {"YEARLY": itemgetter(0), "MONTHLY": itemgetter(0, 1)}
# The most days in a period of each frequency.
_PERIOD = {"YEARLY": 366, "MONTHLY": 31, "WEEKLY": 7, "DAILY": 1}


@dataclass(frozen=True)
class DayFilter:
    """Which days a rule asks for: those in each set that is not None.

    Negative members count from the end. `nth` are (weekday, n), Monday = 0, counted in the month or else in the year; together with
    `weekdays` they are BYDAY, and one of both suffices.
    """

    months: frozenset | None = None
    month_days: frozenset | None = None
    year_days: frozenset | None = None
    weeks: frozenset | None = None
    weekdays: frozenset | None = None
    nth: frozenset = frozenset()
    nth_in_month: bool = False
    week_start: int = calendar.MONDAY

    def of_year(self, year):
        """Yield the days of the year that pass, as numbers from 0, in order."""
        first, size = date(year, 1, 1).weekday(), 365 + calendar.isleap(year)
        for index, (month, day) in enumerate(yeardays.MONTH_DAYS[calendar.isleap(year)]):
            if self.months is not None and month not in self.months:
                continue
            length = yeardays.MONTH_LENGTHS[calendar.isleap(year)][month]
            if self.month_days is not None and day not in self.month_days and day - length - 1 not in self.month_days:
                continue
            if self.year_days is not None and index + 1 not in self.year_days and index - size not in self.year_days:
                continue
            weekday = (first + index) % 7
            if self.weekdays is not None and weekday not in self.weekdays:
                position, among = (day - 1, length) if self.nth_in_month else (index, size)
                if (weekday, position // 7 + 1) not in self.nth and (weekday, -((among - position - 1) // 7 + 1)) not in self.nth:
                    continue
            if self.weeks is None or not self.weeks.isdisjoint(self._week(year, size, index, weekday)):
                yield index

    def _week(self, year, size, index, weekday):
        """Return the number of the day's week, from the start and from the end of the year that most of the week lies in."""
        middle = index + 3 - (weekday - self.week_start) % 7
        if middle < 0:
            week = weeks = self._weeks(year - 1)
        elif middle >= size:
            week, weeks = 1, self._weeks(year + 1)
        else:
            week, weeks = middle // 7 + 1, self._weeks(year)
        return week, week - weeks - 1

    def _weeks(self, year):
        """Return how many weeks the year has: the number of the one that holds 28 December, which is always the last."""
        day = date(year, 12, 28)
        return (yeardays.number(day) + 3 - (day.weekday() - self.week_start) % 7) // 7 + 1


@lru_cache(maxsize=4096)
def _days_in(days, year):
    """Return the days of the year that a DayFilter asks for, as sorted numbers from 0."""
    return tuple(days.of_year(year))


@dataclass(frozen=True)
class Rule:
    """A rule with everything that DTSTART says for it filled in.

    `hours`, `minutes` and `seconds` are sorted; for HOURLY and MINUTELY they limit, for the others they are the times of each day.
    `until` is the last local time allowed; `until_utc` the last instant, which the caller applies.
    """

    frequency: str
    interval: int
    start: datetime
    days: DayFilter
    hours: tuple
    minutes: tuple
    seconds: tuple
    positions: tuple = ()
    count: int | None = None
    until: datetime | None = None
    until_utc: datetime | None = None

    def walk(self, low, high, steps):
        """Yield the rule's times in [low, high), in order. Raise ScheduleTooSlow."""
        if self.until is not None and self.until < high:
            high = self.until + _TICK
        if self.count is not None:
            last, spent = _last(self)
            steps.count(spent)
            high = high if last is None else min(high, last + _TICK)
        return self._between(max(low, self.start), high, steps)

    def _between(self, low, high, steps):
        if low >= high:
            return
        for local in self._from(low, high, steps):
            if local >= high:
                return
            if local >= low:
                yield local
            else:
                steps.take()

    def _from(self, low, high, steps):
        """Yield the rule's times in order, from `low` or a little before it, to `high` or a little after."""
        if self.frequency == "HOURLY":
            return self._hourly(low, high, steps)
        if self.frequency == "MINUTELY":
            return self._minutely(low, high, steps)
        if self.positions:
            return self._by_position(low, high, steps)
        return self._daily(low, high, steps)

    def _dates(self, low, high, steps):
        return yeardays.walk(lambda year: _days_in(self.days, year), low, high, steps)

    def _period(self, year, month, day):
        """Return how many periods after that of the start this day lies."""
        if self.frequency == "YEARLY":
            return year - self.start.year
        if self.frequency == "MONTHLY":
            return (year - self.start.year) * 12 + month - self.start.month
        days = date(year, month, day).toordinal() - self.start.toordinal()
        if self.frequency == "WEEKLY":
            return (days + (self.start.weekday() - self.days.week_start) % 7) // 7
        return days

    def _daily(self, low, high, steps):
        today = (low.year, low.month, low.day)
        for day in self._dates(low, high, steps):
            if self.interval == 1 or self._period(*day) % self.interval == 0:
                hours = self.hours if day != today else [hour for hour in self.hours if hour >= low.hour]
                for hour in hours:
                    for minute in self.minutes:
                        for second in self.seconds:
                            yield datetime(*day, hour, minute, second)

    def _by_position(self, low, high, steps):
        """BYSETPOS chooses among the times of a whole period, so a walk begins and ends with whole ones."""
        longest = _PERIOD[self.frequency]
        a_day = len(self.hours) * len(self.minutes) * len(self.seconds)
        if not self._chosen(longest * a_day):
            return
        begin = _begin_of_period(self.frequency, low, self.days.week_start)
        dates = self._dates(begin, high + timedelta(days=longest), steps)
        for _, days in groupby(dates, key=_KEYS.get(self.frequency, lambda day: self._period(*day))):
            days = tuple(days)
            if self._period(*days[0]) % self.interval == 0:
                for index in self._chosen(len(days) * a_day):
                    day, rest = divmod(index, a_day)
                    rest, second = divmod(rest, len(self.seconds))
                    hour, minute = divmod(rest, len(self.minutes))
                    yield datetime(*days[day], self.hours[hour], self.minutes[minute], self.seconds[second])

    def _chosen(self, size) -> list[int]:
        """Return the indexes that BYSETPOS chooses from a sorted set of this size."""
        wanted = {position - 1 if position > 0 else size + position for position in self.positions}
        return sorted(index for index in wanted if 0 <= index < size)

    def _hourly(self, low, high, steps):
        rest = self._rest_of(self.minutes, self.seconds)
        hours = frozenset(self.hours)
        for day in self._dates(low, high, steps) if rest else ():
            found = self._in_phase(day, low, 24, self.start.hour, low.hour)
            for hour in self.hours if len(self.hours) < len(found) else found:
                steps.take()
                if hour in hours and hour in found:
                    for minute, second in rest:
                        yield datetime(*day, hour, minute, second)

    def _minutely(self, low, high, steps):
        rest = self._rest_of(self.seconds)
        hours, minutes = frozenset(self.hours), frozenset(self.minutes)
        for day in self._dates(low, high, steps) if rest else ():
            found = self._in_phase(day, low, 1440, self.start.hour * 60 + self.start.minute, low.hour * 60 + low.minute)
            if len(self.hours) * len(self.minutes) < len(found):
                candidates = ((hour, minute) for hour in self.hours for minute in self.minutes)
            else:
                candidates = (divmod(minute, 60) for minute in found)
            for hour, minute in candidates:
                steps.take()
                if hour in hours and minute in minutes and hour * 60 + minute in found:
                    for (second,) in rest:
                        yield datetime(*day, hour, minute, second)

    def _in_phase(self, day, low, size, start, floor):
        """Return those of the day's `size` units that lie a whole number of intervals after unit `start` of the first day, as numbers.

        On the day of `low` only those from `floor` on.
        """
        days = date(*day).toordinal() - self.start.toordinal()
        floor = floor if day == (low.year, low.month, low.day) else 0
        return range(floor + (start - days * size - floor) % self.interval, size, self.interval)

    def _rest_of(self, *units):
        """Return the minutes and seconds within an hour, or the seconds within a minute, that the rule asks for."""
        rest = list(product(*units))
        return [rest[index] for index in self._chosen(len(rest))] if self.positions else rest


def _begin_of_period(frequency, low, week_start):
    day = datetime(low.year, low.month, low.day)
    if frequency == "YEARLY":
        return day.replace(month=1, day=1)
    if frequency == "MONTHLY":
        return day.replace(day=1)
    return day - timedelta(days=(day.weekday() - week_start) % 7) if frequency == "WEEKLY" else day


@lru_cache(maxsize=4096)
def _last(rule):
    """Return the last time of a rule with COUNT, or None if the years end first; and the steps that finding it took."""
    steps = Steps("rrule", rule.count)
    before = steps.left
    found = next(islice(rule._between(rule.start, _PAST, steps), rule.count - 1, None), None)
    return found, before - steps.left

"""Days of a year as numbers from 0, and walking those that a rule asks for.

A year has one of a few shapes: the weekday it begins on, its length and that of its neighbours. What a rule asks for depends on the
shape alone, so it is worked out once for one year of each shape and kept.
"""

import calendar
from bisect import bisect_left
from collections.abc import Iterator
from datetime import date

_FIRST, _PAST = 1968, 2204


def _shape(year):
    return date(year, 1, 1).weekday(), *(calendar.isleap(year + n) for n in (-1, 0, 1))


_LIKE, _seen = {}, {}
for _year in range(_FIRST, _PAST):
    _LIKE[_year] = _seen.setdefault(_shape(_year), _year)


def like(year):
    """The first year since 1968 that has the same shape."""
    return _LIKE[year]


def _month_days(leap):
    return tuple((month, day) for month in range(1, 13) for day in range(1, calendar.monthrange(2000 if leap else 2001, month)[1] + 1))


# (month, day) by day of the year.
MONTH_DAYS = {leap: _month_days(leap) for leap in (False, True)}
# Days of each month, by month; index 0 is empty.
MONTH_LENGTHS = {leap: [sum(month == m for month, _ in days) for m in range(13)] for leap, days in MONTH_DAYS.items()}


def number(day):
    """A date's day of the year, from 0."""
    return day.timetuple().tm_yday - 1


def walk(days_in, low, high, steps) -> Iterator[tuple[int, int, int]]:
    """Yield (year, month, day) from the date of `low` to the date of `high`, both included.

    `days_in(year)` gives the days of the year, as sorted numbers, for the year of a shape.
    """
    for year in range(low.year, high.year + 1):
        days = days_in(like(year))
        first = bisect_left(days, number(low)) if year == low.year else 0
        last = bisect_left(days, number(high) + 1) if year == high.year else len(days)
        table = MONTH_DAYS[calendar.isleap(year)]
        for index in range(first, last):
            steps.take()
            month, day = table[days[index]]
            yield year, month, day

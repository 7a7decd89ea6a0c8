"""A second reader of cron expressions: written from crontab(5), slow, and sharing nothing with the code under test.

What crontab(5) does not have is read as the documentation says: a range that wraps goes on at the lowest value, `7/15` is `7-59/15`, and
the day fields know L, 15W and 5#3. The days of a month are a circle of 31.
"""

import calendar
from datetime import date, datetime, timedelta

DAY = timedelta(days=1)
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
WEEKDAYS = "sun mon tue wed thu fri sat".split()
CIRCLES = (range(60), range(24), range(1, 32), range(1, 13), range(7))


def value(index, text):
    """The number that a text stands for in the field of this index."""
    if index == 3 and text in MONTHS:
        return MONTHS.index(text) + 1
    if index == 4:
        return WEEKDAYS.index(text) if text in WEEKDAYS else int(text) % 7
    return 31 if index == 2 and text == "l" else int(text)


def plain_values(index, item):
    """The values of an item such as 5, 1-5, 10/20 or */2, found by walking round the circle of the field's values one by one."""
    circle = list(CIRCLES[index])
    body, _, step = item.partition("/")
    first, _, last = body.partition("-")
    if first == "*":
        begin, end = circle[0], circle[-1]
    else:
        begin = value(index, first)
        end = value(index, last) if last else circle[-1] if step else begin
    place, walked, found = circle.index(begin), 0, set()
    # from Sunday, 0, to Sunday, 7, is once round
    round_once = index == 4 and last == "7" and first in {"0", "sun"}
    while True:
        if walked % int(step or 1) == 0:
            found.add(circle[place])
        if circle[place] == end and not (round_once and walked == 0):
            return found
        place, walked = (place + 1) % len(circle), walked + 1


def is_day_of_month(item, day):
    last = calendar.monthrange(day.year, day.month)[1]
    if item == "l":
        return day.day == last
    if "w" in item:
        wanted = min(int(item.strip("w")), last)
        days = [date(day.year, day.month, number) for number in range(1, last + 1)]
        return day == min((other for other in days if other.isoweekday() <= 5), key=lambda other: abs(other.day - wanted))
    return day.day in plain_values(2, item)


def is_day_of_week(item, day):
    if item.startswith("l"):
        return day.isoweekday() % 7 == int(item[1:]) % 7 and (day + 7 * DAY).month != day.month
    if "#" in item:
        weekdays, _, nth = item.partition("#")
        return (
            day.isoweekday() % 7 in plain_values(4, weekdays)
            and (day - (int(nth) - 1) * DAY * 7).month == day.month != (day - int(nth) * DAY * 7).month
        )
    return day.isoweekday() % 7 in plain_values(4, item)


def dates(text, day_or, start, end, limit):
    """The first local times in [start, end] that an expression names."""
    minutes, hours, days, months, weekdays = (part.split(",") for part in text.lower().split())
    minutes, hours, months = (
        {number for item in items for number in plain_values(index, item)} for index, items in ((0, minutes), (1, hours), (3, months))
    )
    free = [items in (["*"], ["*/1"], ["?"]) for items in (days, weekdays)]
    found, day = [], start.date()
    while day <= end.date() and len(found) < limit:
        if day.month in months:
            of_month = free[0] or any(is_day_of_month(item, day) for item in days)
            of_week = free[1] or any(is_day_of_week(item, day) for item in weekdays)
            if (of_month or of_week) if day_or and not any(free) else (of_month and of_week):
                moments = (datetime(day.year, day.month, day.day, hour, minute) for hour in sorted(hours) for minute in sorted(minutes))
                found += [moment for moment in moments if start <= moment <= end]
        day += DAY
    return found[:limit]

"""Reads the sentences that describe schedules, by the words alone."""

import calendar
import re
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

MONTHS = list(calendar.month_name)
WEEKDAYS = list(calendar.day_name)
NTH = ["first", "second", "third", "fourth", "fifth"]
UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
CLOCK = r"\d\d:\d\d"
TIMES = re.compile(
    rf"(?:(?P<days>.+?) )?(?:at (?P<list>{CLOCK}(?:(?:, | and ){CLOCK})*)"
    r"|every (?:(?P<number>\d+) )?(?P<unit>second|minute|hour|day)s?"
    rf"(?: from (?P<low>{CLOCK}) to (?P<high>{CLOCK}))?) (?P<zone>\S+)"
)


def words(text):
    return re.split(r", | and ", text)


def minutes(text):
    hours, _, rest = text.partition(":")
    return int(hours) * 60 + int(rest)


def is_day(text, day):
    """Whether a day is one of those that a phrase such as "weekdays and the last day of the month" names."""
    what, _, months = text.partition(" in ")
    if months and MONTHS[day.month] not in words(months):
        return False
    return any(_is_one(word, day) for word in words(what.removesuffix(" of the month")))


def _is_one(word, day):
    last = calendar.monthrange(day.year, day.month)[1]
    # "the 1st and the third Friday of the month": each part may say it
    word = word.removesuffix(" of the month")
    if word == "every day":
        return True
    if word in ("weekdays", "weekends"):
        return (day.weekday() < 5) == (word == "weekdays")
    if word == "the last day":
        return day.day == last
    nearest = re.fullmatch(r"the weekday nearest to the (\d+)(?:st|nd|rd|th)", word)
    if nearest:
        weekdays = [number for number in range(1, last + 1) if date(day.year, day.month, number).weekday() < 5]
        return day.day == min(weekdays, key=lambda number: abs(number - min(int(nearest[1]), last)))
    number = re.fullmatch(r"the (\d+)(?:st|nd|rd|th)", word)
    if number:
        return day.day == int(number[1])
    nth = re.fullmatch(r"the (\w+) (\w+)", word)
    if nth:
        same = [n for n in range(1, last + 1) if WEEKDAYS[date(day.year, day.month, n).weekday()] == nth[2]]
        wanted = same[-1:] if nth[1] == "last" else same[NTH.index(nth[1]) :][:1]
        return [day.day] == wanted
    of_year = re.fullmatch(r"(\d+) (\w+)", word)
    if of_year:
        return (day.day, MONTHS[day.month]) == (int(of_year[1]), of_year[2])
    return word.removesuffix("s") == WEEKDAYS[day.weekday()]


def read_plain(sentence):
    """(the phrase for the days, the times of a day in minutes, the zone) of a sentence about cron or a rule."""
    match = TIMES.fullmatch(sentence)
    if match["list"]:
        times = [minutes(time) for time in words(match["list"])]
    else:
        step = int(match["number"] or 1) * UNITS[match["unit"]] // 60
        times = list(range(minutes(match["low"] or "00:00"), minutes(match["high"] or "23:59") + 1, step))
    return match["days"] or "every day", times, match["zone"]


def read_moment(text, zone, is_end=False):
    """The instant of "25 December 2026 09:00:05 +01:00" in a zone."""
    day, month, year, *rest = text.split()
    local = datetime(int(year), MONTHS.index(month), int(day))
    if not rest:
        local += timedelta(days=1, microseconds=-1) if is_end else timedelta(0)
    else:
        clock, _, fraction = rest[0].partition(".")
        local = datetime.combine(local, datetime.strptime(clock, "%H:%M:%S" if clock.count(":") == 2 else "%H:%M").time())
        local += timedelta(microseconds=int(fraction.ljust(6, "0") or 0))
    if len(rest) == 2:
        return datetime.fromisoformat(f"{local.isoformat()}{rest[1]}")
    return local.replace(tzinfo=ZoneInfo(zone))

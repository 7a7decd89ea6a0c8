"""Dates, times and numbers in words, as sentences about schedules use them."""

from datetime import time, timedelta

from dateutil.tz import datetime_ambiguous

MONTHS = "January February March April May June July August September October November December".split()
WEEKDAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split()

_TICK = timedelta(microseconds=1)
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def join_words(words, last="and"):
    """Return "a, b and c"."""
    *first, final = words
    return f"{', '.join(first)} {last} {final}" if first else final


def ordinal(number):
    """Return 1st, 2nd, 3rd, 11th..."""
    ending = "th" if 11 <= number % 100 <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def date_words(day):
    """Return 25 December 2026."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def time_words(moment):
    """Return 09:00, with seconds and their fractions where there are some."""
    if moment.microsecond:
        return f"{moment:%H:%M:%S.%f}".rstrip("0")
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"


def moment_words(instant, zone, is_end=False):
    """Return an instant as local time: 25 December 2026 09:00. A start at midnight, and an end at the last moment of a day, are the day.

    Where the local time exists twice, the offset from UTC says which is meant.
    """
    local = instant.astimezone(zone).replace(tzinfo=None)
    is_first = not datetime_ambiguous(local, zone)
    if is_first and (local + _TICK if is_end else local).time() == time(0):
        return date_words(local)
    offset = "" if is_first else f" {offset_words(instant.astimezone(zone).utcoffset())}"
    return f"{date_words(local)} {time_words(local)}{offset}"


def offset_words(offset):
    """Return an offset from UTC as ISO 8601 writes it: -05:00."""
    sign, rest = ("-", -offset) if offset < timedelta(0) else ("+", offset)
    hours, seconds = divmod(int(rest.total_seconds()), 3600)
    minutes, seconds = divmod(seconds, 60)
    return f"{sign}{hours:02}:{minutes:02}" + (f":{seconds:02}" if seconds else "")


def duration_words(duration):
    """Return 20 minutes, 90 seconds, 1 day: in the largest unit of which it is a whole number."""
    seconds = duration.total_seconds()
    if duration % timedelta(seconds=1):
        return f"{seconds:.6f}".rstrip("0") + " seconds"
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{int(seconds // size)} {unit}{'' if seconds == size else 's'}"


def every_words(duration):
    """Return every day, every 20 minutes."""
    words = duration_words(duration)
    return f"every {words.removeprefix('1 ')}"

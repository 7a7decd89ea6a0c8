"""Calendars whose days are excluded: public holidays by name, and iCalendar files.

Both are expanded year by year when they are asked for, so that a new year needs no edit. The packages that know them are extras.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib.metadata import version

from app.domain.schedules.rrule import RRuleSchedule
from app.errors import InvalidSchedule

MAX_ICS_BYTES = 256 * 1024
MAX_EVENTS = 1_000
# Events with a rule of their own, each of which is walked for every year that is asked for.
MAX_RECURRING = 100

_DAY = timedelta(days=1)
_USED_LINES = ("BEGIN", "END", "UID", "DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "STATUS", "SUMMARY")


class Unreadable(Exception):
    """What is wrong with the name or the text of a calendar."""


@lru_cache(maxsize=4096)
def holidays_of(name, year):
    """Return {date: name} of a year's holidays. `name` is a country such as DE, or a part of it such as DE-BE."""
    country, _, part = name.partition("-")
    # without a language, the names would be in that of whoever started the process
    return dict(_package().country_holidays(country, subdiv=part or None, years=year, expand=False, language="en_US"))


def holidays_version():
    """Return the version of the package that knows the holidays."""
    _package()
    return version("holidays")


def check_holidays(name):
    """Raise Unreadable, with near names, for a calendar of holidays that does not exist."""
    known = _holiday_names()
    if name not in known:
        near = get_close_matches(name.upper(), known, n=3, cutoff=0.5) if len(name) <= 20 else []
        hint = f"; near names are {', '.join(near)}" if near else ""
        raise Unreadable(f"is not the name of a calendar of holidays, such as DE for Germany or DE-BE for Berlin{hint}")


def _package():
    try:
        import holidays
    except ImportError as error:
        raise Unreadable("needs the package holidays, which is not installed on the server: pip install 'mintaka[calendars]'") from error
    return holidays


@cache
def _holiday_names():
    countries = _package().list_supported_countries(include_aliases=False)
    return frozenset(countries) | {f"{country}-{part}" for country, parts in countries.items() for part in parts}


@dataclass(frozen=True)
class Event:
    """An all-day event: its days are `length` from each start on. It has one start, or a schedule of starts at midnight UTC."""

    start: date
    length: int
    summary: str
    starts: RRuleSchedule | None = None

    def of_year(self, year):
        """Yield (first day, last day) of those that may touch the year, in order."""
        if self.starts is None:
            yield self.start, self.start + (self.length - 1) * _DAY
            return
        low = datetime(year, 1, 1, tzinfo=UTC) - (self.length - 1) * _DAY
        for start in self.starts.occurrences(low, datetime(year, 12, 31, tzinfo=UTC), 366 + self.length):
            yield start.date(), start.date() + (self.length - 1) * _DAY


@lru_cache(maxsize=256)
def ics_days_of(text, year):
    """Return {date: summary} of the days of a year that all-day events of an iCalendar text cover."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    days = {}
    for event in read_ics(text):
        for start, end in event.of_year(year):
            for number in range(max(start, first).toordinal(), min(end, last).toordinal() + 1):
                days.setdefault(date.fromordinal(number), event.summary)
    return days


@lru_cache(maxsize=64)
def read_ics(text):
    """Return the all-day events of an iCalendar text. Raise Unreadable."""
    try:
        import icalendar
    except ImportError as error:
        raise Unreadable("needs the package icalendar, which is not installed on the server: pip install 'mintaka[calendars]'") from error
    if text.upper().count("BEGIN:") > MAX_EVENTS + 100:
        raise Unreadable(f"has more than {MAX_EVENTS:,} events")
    try:
        found = icalendar.Calendar.from_ical(_used_lines(text)).walk("VEVENT")
        events = _events(found)
    except InvalidSchedule as error:
        raise Unreadable(f"has an event whose rule cannot be read: it {error.reason}") from error
    # whatever the package meets in a text that is none, in whatever way it says so
    except Exception as error:
        raise Unreadable("cannot be read as an iCalendar text (RFC 5545), which is BEGIN:VCALENDAR to END:VCALENDAR") from error
    if not events:
        raise Unreadable("has no all-day event (one whose DTSTART is a date without a time), so it would exclude nothing")
    if sum(event.starts is not None for event in events) > MAX_RECURRING:
        raise Unreadable(f"has more than {MAX_RECURRING} all-day events that recur")
    return events


def _used_lines(text):
    """Return the text without the properties that are not read: reading one takes a tenth of a millisecond."""
    lines = re.sub(r"\r\n?", "\n", text)
    lines = re.sub(r"\n[ \t]", "", lines).split("\n")
    return "\r\n".join(line for line in lines if re.split(r"[:;]", line, maxsplit=1)[0].strip().upper() in _USED_LINES)


def _events(components):
    """Return the all-day events; an instance of a recurring one that was moved or cancelled is taken out of it."""
    moved = {}
    for component in components:
        if "RECURRENCE-ID" in component:
            moved.setdefault(str(component.get("UID")), set()).add(_day(component["RECURRENCE-ID"].dt))
    events = []
    for component in components:
        if "DTSTART" not in component or isinstance(component["DTSTART"].dt, datetime):
            continue
        if str(component.get("STATUS", "")).upper() != "CANCELLED":
            start = component["DTSTART"].dt
            recurs = "RECURRENCE-ID" not in component and ("RRULE" in component or "RDATE" in component)
            starts = _starts(component, start, moved.get(str(component.get("UID")), ())) if recurs else None
            summary = " ".join(str(component.get("SUMMARY", "an all-day event")).split())[:80]
            events.append(Event(start, _length(component, start), summary, starts))
    return tuple(events)


def _length(component, start):
    if "DTEND" in component:
        return max((_day(component["DTEND"].dt) - start).days, 1)
    return max(component["DURATION"].dt.days, 1) if "DURATION" in component else 1


def _starts(component, start, moved):
    """Return the schedule of a recurring event's starts. DTSTART is always one of them (RFC 5545, 3.8.5.3)."""
    rules = [f"RRULE:{rule.to_ical().decode()}" for rule in _list(component.get("RRULE"))]
    dates = [start, *(_day(found.dt) for line in _list(component.get("RDATE")) for found in line.dts)]
    excluded = [*(_day(found.dt) for line in _list(component.get("EXDATE")) for found in line.dts), *moved]
    lines = [f"DTSTART:{start:%Y%m%d}", *rules, *_date_lines("RDATE", dates), *_date_lines("EXDATE", excluded)]
    return RRuleSchedule.parse("\n".join(lines))


def _date_lines(name, days):
    return [f"{name}:{','.join(f'{day:%Y%m%d}' for day in sorted(days))}"] if days else []


def _list(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def _day(moment):
    return moment.date() if isinstance(moment, datetime) else moment

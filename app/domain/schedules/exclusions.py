"""A schedule without some of its occurrences: those on named days, in spans of time, or at times that a cron expression names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from sys import maxsize

from app.domain import zones
from app.domain.schedules import calendars
from app.domain.schedules.base import EARLIEST, LATEST, InvalidMember, ScheduleTooSlow, Steps, naive_utc, read_instant, window
from app.domain.schedules.cron import CronSchedule
from app.domain.schedules.words import date_words, moment_words
from app.domain.schedules.wrapper import Wrapper
from app.errors import InvalidSchedule

MAX_ENTRIES = 200
# Occurrences that may be excluded one after the other, until it is taken that none is left.
MAX_EXCLUDED = 10_000

_DAY, _HOUR, _MINUTE, _TICK = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(microseconds=1)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# Steps that it takes to look at an occurrence that is excluded, and to begin to look again at a later time.
_LOOK, _JUMP = 16, 100
# About so many occurrences an excluded time must hold before it pays to jump over it.
_JUMP_OVER = 16


class AllExcluded(ScheduleTooSlow):
    """{field}: {reason}"""


@dataclass(frozen=True)
class ExcludedDays:
    """Whole local days. A subclass says which: `reason_for(day)` is why a day is excluded, or None."""

    def reason_for(self, day) -> str | None:
        """Return why a day is excluded, or None."""
        raise NotImplementedError

    def end(self, moment, local, zone):
        """Return the naive UTC time up to which everything from `moment` on is excluded; None if the moment itself is not."""
        return None if self.reason_for(local.date()) is None else _end(moment, local, _DAY, zone)

    def reason(self, moment, local):
        """Return why an excluded moment is excluded."""
        return self.reason_for(local.date())


@dataclass(frozen=True)
class ExcludedDate(ExcludedDays):
    """One local day."""

    day: date

    @classmethod
    def parse(cls, loc, value):
        """Return the entry of a text such as 2026-12-25. Raise InvalidMember."""
        try:
            day = date.fromisoformat(value) if _DATE.fullmatch(value) else None
        except ValueError:
            day = None
        if day is None or not EARLIEST.year <= day.year <= LATEST.year:
            raise InvalidMember(loc, f"must be a date of the years {EARLIEST.year} to {LATEST.year}, such as 2026-12-25")
        return cls(day)

    def to_json(self):
        """Return what `parse` reads."""
        return self.day.isoformat()

    def reason_for(self, day):
        """Return why a day is excluded, or None."""
        return date_words(day) if day == self.day else None

    def phrase(self, zone):
        """Return what follows "not" in a sentence."""
        return f"on {date_words(self.day)}"


@dataclass(frozen=True)
class ExcludedSpan:
    """The time from one instant to another, both aware and included."""

    start: datetime
    stop: datetime

    @classmethod
    def parse(cls, loc, value):
        """Return the entry of {"start", "end"}. Raise InvalidMember."""
        _check_members(loc, value, {"start", "end"})
        start, stop = (read_instant((*loc, name), value[name]) for name in ("start", "end"))
        if stop < start:
            raise InvalidMember((*loc, "end"), "must not be before start")
        return cls(start, stop)

    def to_json(self):
        """Return what `parse` reads."""
        return {"start": self.start.isoformat(), "end": self.stop.isoformat()}

    def end(self, moment, local, zone):
        """Return the naive UTC time up to which everything from `moment` on is excluded; None if the moment itself is not."""
        start, stop = naive_utc(self.start), naive_utc(self.stop)
        return stop + _TICK if start <= moment <= stop else None

    def reason(self, moment, local):
        """Return why an excluded moment is excluded."""
        return f"{self.start.isoformat()} to {self.stop.isoformat()}"

    def phrase(self, zone):
        """Return what follows "not" in a sentence."""
        return f"from {moment_words(self.start, zone)} to {moment_words(self.stop, zone, is_end=True)}"


@dataclass(frozen=True)
class ExcludedCron:
    """The local minutes that a cron expression names."""

    schedule: CronSchedule

    @classmethod
    def parse(cls, loc, value):
        """Return the entry of {"cron"}. Raise InvalidMember."""
        _check_members(loc, value, {"cron"})
        try:
            schedule = CronSchedule.parse(value["cron"])
        except InvalidSchedule as error:
            raise InvalidMember((*loc, "cron"), error.reason) from error
        if next(schedule.occurrences(EARLIEST, LATEST, 1), None) is None:
            raise InvalidMember((*loc, "cron"), f"matches no time of the years {EARLIEST.year} to {LATEST.year}")
        return cls(schedule)

    def to_json(self):
        """Return what `parse` reads."""
        return {"cron": self.schedule.cron}

    def end(self, moment, local, zone):
        """Return the naive UTC time up to which everything from `moment` on is excluded; None if the moment itself is not."""
        fields = self.schedule.fields
        if local.minute not in fields.minutes or local.hour not in fields.hours or not fields.names_day(local):
            return None
        if len(fields.minutes) < 60:
            return _end(moment, local, _MINUTE, zone)
        return _end(moment, local, _HOUR if len(fields.hours) < 24 else _DAY, zone)

    def reason(self, moment, local):
        """Return why an excluded moment is excluded."""
        return f"cron {self.schedule.cron}"

    def phrase(self, zone):
        """Return what follows "not" in a sentence."""
        return self.schedule


@dataclass(frozen=True)
class ExcludedHolidays(ExcludedDays):
    """The public holidays of a country, or of a part of one."""

    name: str

    @classmethod
    def parse(cls, loc, value):
        """Return the entry of {"holidays"}. Raise InvalidMember."""
        name = _read_text(loc, value, "holidays")
        _checked((*loc, "holidays"), calendars.check_holidays, name)
        return cls(name)

    def to_json(self):
        """Return what `parse` reads."""
        return {"holidays": self.name}

    def reason_for(self, day):
        """Return why a day is excluded, or None."""
        found = calendars.holidays_of(self.name, day.year).get(day)
        return found and f"holidays of {self.name}: {found}"

    def phrase(self, zone):
        """Return what follows "not" in a sentence."""
        return f"on holidays of {self.name}"


@dataclass(frozen=True)
class ExcludedCalendar(ExcludedDays):
    """The days of the all-day events of an iCalendar text."""

    text: str

    @classmethod
    def parse(cls, loc, value):
        """Return the entry of {"ics"}. Raise InvalidMember."""
        text = _read_text(loc, value, "ics")
        if len(text.encode("utf-8", "surrogatepass")) > calendars.MAX_ICS_BYTES:
            raise InvalidMember((*loc, "ics"), f"must be at most {calendars.MAX_ICS_BYTES // 1024} kB")
        _checked((*loc, "ics"), calendars.read_ics, text)
        return cls(text)

    def to_json(self):
        """Return what `parse` reads."""
        return {"ics": self.text}

    def reason_for(self, day):
        """Return why a day is excluded, or None."""
        found = calendars.ics_days_of(self.text, day.year).get(day)
        return found and f"calendar: {found}"

    def phrase(self, zone):
        """Return what follows "not" in a sentence."""
        return "on the days of a calendar file"


# The entries that are objects, by the member that they alone have.
ENTRIES = {"start": ExcludedSpan, "cron": ExcludedCron, "holidays": ExcludedHolidays, "ics": ExcludedCalendar}


@dataclass(frozen=True)
class Excluding(Wrapper):
    """The occurrences that no entry excludes."""

    entries: tuple = ()

    members = {"exclude": []}

    @classmethod
    def wrap(cls, inner, values, key):
        """Return `inner` without what the entries exclude. Raise InvalidMember."""
        given = values["exclude"]
        if not isinstance(given, list | tuple):
            raise InvalidMember(("exclude",), "must be a list")
        if len(given) > MAX_ENTRIES:
            raise InvalidMember(("exclude",), f"must have at most {MAX_ENTRIES} entries")
        entries = tuple(_read_entry(("exclude", index), value) for index, value in enumerate(given))
        if sum(len(entry.text) for entry in entries if isinstance(entry, ExcludedCalendar)) > calendars.MAX_ICS_BYTES:
            raise InvalidMember(("exclude",), f"must have at most {calendars.MAX_ICS_BYTES // 1024} kB of ics in all")
        return cls(inner, entries) if entries else inner

    def to_members(self):
        """Return the members that `wrap` reads."""
        return {"exclude": [entry.to_json() for entry in self.entries]}

    def occurrences(self, start, end, limit, **context):
        """Yield at most `limit` UTC instants in [start, end], in order. Raise AllExcluded, ScheduleTooSlow."""
        start, end = window(start, end)
        if start > end or limit <= 0:
            return iter(())
        context["steps"] = context.get("steps") or Steps(self.kind, limit)
        return islice(self._left(start, end, context), limit)

    def _left(self, start, end, context):
        steps, zone, excluded = context["steps"], self.zone, 0
        while start <= end:
            before = None
            for instant in self.inner.occurrences(start, end, maxsize, **context):
                until = self._excluded_until(instant, zone)
                if until is None:
                    excluded, before = 0, instant
                    yield instant
                    continue
                steps.take(_LOOK)
                excluded += 1
                if excluded > MAX_EXCLUDED:
                    raise AllExcluded("exclude", f"leaves no run: more than {MAX_EXCLUDED:,} in a row are excluded")
                if before is not None and until - naive_utc(instant) > _JUMP_OVER * (instant - before):
                    steps.take(_JUMP)
                    start = until
                    break
                before = instant
            else:
                return

    def _excluded_until(self, instant, zone):
        moment, local = instant.replace(tzinfo=None), instant.astimezone(zone).replace(tzinfo=None)
        for entry in self.entries:
            end = entry.end(moment, local, zone)
            if end is not None:
                return end
        return None

    def reason(self, instant):
        """Return why an occurrence is excluded, or None."""
        moment, local = naive_utc(instant), instant.astimezone(self.zone).replace(tzinfo=None)
        return next((entry.reason(moment, local) for entry in self.entries if entry.end(moment, local, self.zone) is not None), None)


def _end(moment, local, unit, zone):
    """Return the naive UTC time at which the local unit (minute, hour or day) ends, or the offset changes before that."""
    begin = (
        datetime.combine(local.date(), time(0)) if unit == _DAY else local.replace(minute=0 if unit == _HOUR else local.minute, second=0)
    )
    end = moment + (begin.replace(microsecond=0) + unit - local)
    return min([end, *(shift.at for shift in zones.shifts_from(zone, moment, end))])


def _read_entry(loc, value):
    if isinstance(value, str):
        return ExcludedDate.parse(loc, value)
    kinds = [kind for name, kind in ENTRIES.items() if name in value] if isinstance(value, Mapping) else []
    if len(kinds) != 1:
        raise InvalidMember(loc, 'must be a date such as "2026-12-25", or an object with start and end, or with one of cron, holidays, ics')
    return kinds[0].parse(loc, value)


def _check_members(loc, value, allowed):
    for name in value:
        if name not in allowed:
            raise InvalidMember((*loc, str(name)[:80]), f"is not a member here; allowed are {', '.join(sorted(allowed))}")
    for name in sorted(allowed):
        if name not in value:
            raise InvalidMember((*loc, name), "is missing")


def _read_text(loc, value, name):
    _check_members(loc, value, {name})
    if not isinstance(value[name], str) or not value[name].strip():
        raise InvalidMember((*loc, name), "must be a string that is not empty")
    return value[name]


def _checked(loc, check, value):
    try:
        check(value)
    except calendars.Unreadable as error:
        raise InvalidMember(loc, str(error)) from error

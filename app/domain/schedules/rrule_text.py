"""Read the text of a recurrence (RFC 5545): DTSTART, RRULE, RDATE and EXDATE lines.

dateutil's rrulestr does not read it: it checks no number against its range, guesses at dates, knows no DTSTART but "now", and keeps what
it has read in private attributes. Where the RFC leaves a choice, or other libraries differ:

- `DTSTART;TZID=X` names the zone, and a `timezone` beside it must be the same one. `DTSTART:...Z` is an instant, and counts as the
  local time of that instant in the zone, so that the rule keeps its local time over a shift of the clocks. No date of a rule is before
  it: where its local time exists twice and it is the second, that one is meant, for this date alone.
- RDATE, EXDATE and UNTIL may be local, or an instant with Z. A date without a time is the whole day in EXDATE and UNTIL, and its midnight
  in DTSTART and RDATE.
- DTSTART itself is a date of the rule only where the rule matches it.
"""

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import cached_property, lru_cache
from typing import NamedTuple, NoReturn

from app.domain import zones
from app.domain.schedules.base import DEFAULT_START, EARLIEST, LATEST, Steps, read_zone
from app.domain.schedules.recurrence import FREQUENCIES, DayFilter, Rule
from app.domain.schedules.walltime import readings
from app.errors import InvalidSchedule

MAX_RULES = 20
# All counts of a text together: what it takes to find the last date of each.
MAX_COUNT = 50_000

_TICK = timedelta(microseconds=1)
# What begins a line: a property, or a rule without its name.
_BEGINNING = r"(?:(?:DTSTART|RRULE|RDATE|EXDATE|EXRULE)[:;]|(?P<rule>FREQ=))"
_BEGINS = re.compile(rf"\s*{_BEGINNING}", re.IGNORECASE)
# Where one line holds two of them.
_BETWEEN = re.compile(rf"(?<![:;\s])\s+(?={_BEGINNING.replace('?P<rule>', '?:')})", re.IGNORECASE)
_LINE = re.compile(r'(?P<name>[^:;"]*)(?P<parameters>(?:;[^:;="]*=(?:"[^"]*"|[^:;"]*))*):(?P<value>.*)')
_PARAMETER = re.compile(r';([^:;="]*)=(?:"([^"]*)"|([^:;"]*))')
_MOMENT = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,9}", re.ASCII)
_BYDAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

# The parts that are lists of numbers: the range of each, and whether a member may count from the end.
_LISTS = {
    "BYSECOND": (0, 59, False),
    "BYMINUTE": (0, 59, False),
    "BYHOUR": (0, 23, False),
    "BYMONTH": (1, 12, False),
    "BYMONTHDAY": (1, 31, True),
    "BYYEARDAY": (1, 366, True),
    "BYWEEKNO": (1, 53, True),
    "BYSETPOS": (1, 366, True),
}
_PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *_LISTS)


@dataclass(frozen=True)
class Recurrence:
    """A text taken apart. `dates` are RDATEs as naive UTC times, `local_dates` those that were given as local times of the zone.

    `excluded` are naive UTC times, `excluded_locals` and `excluded_days` (zone name, local time or date). `start` is the naive UTC time
    that no date of a rule is before, or None; `counts_from_default` says that a rule has COUNT, and no DTSTART to count from.
    """

    timezone: str
    start: datetime | None
    rules: tuple
    dates: tuple
    local_dates: tuple
    excluded: frozenset
    excluded_locals: frozenset
    excluded_days: frozenset
    counts_from_default: bool

    def walk_local_dates(self, low, high):
        """Yield the local dates in [low, high), in order."""
        return (local for local in self.local_dates if low <= local < high)

    def excluded_instants(self, daylight):
        """Return the naive UTC times that are excluded, with local times read by the choice for daylight saving."""
        return self.excluded | _excluded_instants(self.excluded_locals, daylight) if self.excluded_locals else self.excluded

    def excludes_day_of(self, moment):
        """Return whether the local day of an aware moment is excluded."""
        return any((name, moment.astimezone(zones.zone(name)).date()) in self.excluded_days for name in self._zones_of_days)

    @cached_property
    def _zones_of_days(self):
        return {name for name, _ in self.excluded_days}


@lru_cache(maxsize=1024)
def _excluded_instants(locals_, daylight):
    # what is excluded in a gap was meant, whatever becomes of a run there
    choice = replace(daylight, gap="later")
    return frozenset(moment for name, local in locals_ for moment in readings(local, zones.zone(name), choice))


class Moment(NamedTuple):
    """A date of the text: a naive time, and whether it was given in UTC and with a time of day."""

    at: datetime
    in_utc: bool
    has_time: bool


def read(text, timezone):
    """Return the Recurrence of a text, in the zone of this name; None means that of DTSTART, or UTC. Raise InvalidSchedule."""
    lines: dict[str, list[tuple[dict[str, str], str]]] = {"DTSTART": [], "RRULE": [], "RDATE": [], "EXDATE": []}
    for line in _lines(text):
        name, parameters, value = _property(line)
        if name not in lines:
            refuse(f"has a line that is not one of {', '.join(lines)}" if name != "EXRULE" else "has an EXRULE; list the dates in EXDATE")
        lines[name].append((parameters, value))
    if len(lines["DTSTART"]) > 1:
        refuse("has more than one DTSTART")
    if len(lines["RRULE"]) > MAX_RULES:
        refuse(f"has more than {MAX_RULES} rules")
    if not lines["RRULE"] and not lines["RDATE"]:
        refuse("has neither an RRULE nor an RDATE")
    timezone, start, instant = _read_start(lines["DTSTART"], timezone)
    zone = read_zone(timezone)
    rules = tuple(_read_rule(parameters, value, start) for parameters, value in lines["RRULE"])
    if sum(rule.count or 0 for rule in rules) > MAX_COUNT:
        refuse(f"has a COUNT of more than {MAX_COUNT:,}; give an UNTIL instead")
    extra = [found for line in lines["RDATE"] for found in _read_moments("RDATE", *line, zone)]
    excluded = [found for line in lines["EXDATE"] for found in _read_moments("EXDATE", *line, zone)]
    dates = {_to_utc(moment, own) for own, moment in extra if moment.in_utc or own is not zone}
    if instant is not None and instant != zones.to_utc(start, zone) and any(_begins(rule, instant) for rule in rules):
        dates.add(instant)
    return Recurrence(
        timezone,
        instant,
        rules,
        dates=tuple(sorted(dates)),
        local_dates=tuple(sorted({moment.at for own, moment in extra if not moment.in_utc and own is zone})),
        excluded=frozenset(moment.at for _, moment in excluded if moment.in_utc),
        excluded_locals=frozenset((own.key, moment.at) for own, moment in excluded if moment.has_time and not moment.in_utc),
        excluded_days=frozenset((own.key, moment.at.date()) for own, moment in excluded if not moment.has_time),
        counts_from_default=not lines["DTSTART"] and any(rule.count for rule in rules),
    )


def refuse(reason) -> NoReturn:
    raise InvalidSchedule("rrule", reason)


def _lines(text):
    """Return the lines, unfolded (RFC 5545, 3.1). Indented lines, and two in one with white space between them, are read as well."""
    lines = []
    for line in re.split(r"\r\n|\n|\r", text):
        if line[:1] in (" ", "\t") and lines and not _is_indented(line, lines[-1]):
            lines[-1] += line[1:]
        else:
            lines.append(line)
    return [part.strip() for line in lines for part in _BETWEEN.split(line) if part.strip()]


def _is_indented(line, before):
    """Return whether a line with white space in front begins something, and does not continue the line before."""
    begins = _BEGINS.match(line)
    return begins is not None and not (begins["rule"] and before.endswith((":", ";")))


def _property(line):
    """Return (name, parameters, value) of a line; a line without a name is a rule."""
    if ":" not in line:
        return "RRULE", {}, line
    match = _LINE.fullmatch(line)
    if not match:
        refuse("has a line that is not like DTSTART;TZID=Europe/Berlin:20240131T090000")
    parameters = {}
    for key, quoted, plain in _PARAMETER.findall(match["parameters"]):
        if key.upper() not in {"TZID", "VALUE"} or key.upper() in parameters:
            refuse(f"has a {match['name'].upper()[:10]} with a parameter other than one TZID and one VALUE")
        parameters[key.upper()] = quoted or plain
    return match["name"].strip().upper(), parameters, match["value"].strip()


def _read_zone(parameters, default):
    if "TZID" not in parameters:
        return default
    try:
        return zones.zone(parameters["TZID"])
    except ValueError:
        refuse("has a TZID that is not the IANA name of a time zone; give one such as Europe/Berlin, or leave it out")


def _read_start(lines, timezone):
    """Return (zone name, local start, the start as a naive UTC time where it was given as an instant, or None)."""
    if not lines:
        return timezone or "UTC", DEFAULT_START, None
    ((parameters, value),) = lines
    own = _read_zone(parameters, None)
    if own is not None and timezone is not None and own.key != timezone:
        raise InvalidSchedule("timezone", f"must be that of DTSTART, {own.key}, or be left out; it is {timezone}")
    zone = read_zone(timezone or (own.key if own else "UTC"))
    ((_, moment),) = _read_moments("DTSTART", parameters, value, zone, most=1)
    if not moment.in_utc:
        return zone.key, moment.at, None
    return zone.key, moment.at.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None), moment.at


def _begins(rule, instant):
    """Return whether the rule has a date at its start, which is this naive UTC time. Raise ScheduleTooSlow."""
    begins = next(rule.walk(rule.start, rule.start + _TICK, Steps("rrule")), None) is not None
    return begins and (rule.until_utc is None or instant <= rule.until_utc)


def _read_moments(name, parameters, value, zone, most=None):
    """Return [(zone, Moment)] of a line's values."""
    if parameters.get("VALUE", "").upper() not in {"", "DATE", "DATE-TIME"}:
        refuse(f"has a {name} that is not a DATE or a DATE-TIME")
    own = _read_zone(parameters, zone)
    values = value.split(",")
    if most is not None and len(values) > most:
        refuse(f"has a {name} with more than one date")
    found = [_read_moment(name, text) for text in values]
    if "TZID" in parameters and any(moment.in_utc for moment in found):
        refuse(f"has a {name} with both a TZID and a final Z")
    if not all(EARLIEST <= moment.at <= LATEST for moment in found):
        refuse(f"has a {name} outside the years {EARLIEST.year} to {LATEST.year}")
    return [(own, moment) for moment in found]


def _to_utc(moment, zone):
    return moment.at if moment.in_utc else zones.to_utc(moment.at, zone)


def _read_moment(name, text):
    match = _MOMENT.fullmatch(text.strip().upper())
    with suppress(ValueError):
        if match is not None:
            return Moment(datetime.strptime(match[1] + (match[2] or "000000"), "%Y%m%d%H%M%S"), bool(match[3]), match[2] is not None)
    refuse(f"has a {name} that is not a date such as 20240131T090000, or 20240131T090000Z for UTC")


def _read_until(text):
    """Return (the last local time, the last naive UTC time), one of them None."""
    until = _read_moment("UNTIL", text)
    if until.in_utc:
        return None, until.at
    return until.at if until.has_time else datetime.combine(until.at, time.max), None


def _read_rule(parameters, value, start):
    if parameters:
        refuse("has an RRULE with parameters, which it cannot have")
    parts = {}
    for pair in value.upper().removesuffix(";").split(";"):
        name, _, setting = (part.strip() for part in pair.partition("="))
        if name not in _PARTS:
            refuse(f"has a rule with a part that is not one of {', '.join(_PARTS)}")
        if name in parts:
            refuse(f"has a rule with more than one {name}")
        parts[name] = setting
    frequency = parts.get("FREQ")
    if frequency not in FREQUENCIES:
        refuse(f"has a rule whose FREQ is not one of {', '.join(FREQUENCIES)}")
    if "COUNT" in parts and "UNTIL" in parts:
        refuse("has a rule with both COUNT and UNTIL; give one")
    until, until_utc = _read_until(parts["UNTIL"]) if "UNTIL" in parts else (None, None)
    lists = {name: _read_list(name, parts[name]) for name in _LISTS if name in parts}
    return Rule(
        frequency=frequency,
        interval=_read_number("INTERVAL", parts.get("INTERVAL", "1")),
        start=start,
        days=_day_filter(frequency, parts, lists, start),
        hours=lists.get("BYHOUR") or (tuple(range(24)) if frequency in {"HOURLY", "MINUTELY"} else (start.hour,)),
        minutes=lists.get("BYMINUTE") or (tuple(range(60)) if frequency == "MINUTELY" else (start.minute,)),
        seconds=lists.get("BYSECOND") or (start.second,),
        positions=lists.get("BYSETPOS", ()),
        count=_read_number("COUNT", parts["COUNT"]) if "COUNT" in parts else None,
        until=until,
        until_utc=until_utc,
    )


def _day_filter(frequency, parts, lists, start):
    weekdays, nth = _read_weekdays(parts["BYDAY"]) if "BYDAY" in parts else (None, frozenset())
    if nth and (frequency not in {"YEARLY", "MONTHLY"} or "BYWEEKNO" in lists):
        refuse("has a rule with a numbered BYDAY such as 2MO, which only MONTHLY and YEARLY rules without BYWEEKNO can have")
    months, month_days = _set(lists.get("BYMONTH")), _set(lists.get("BYMONTHDAY"))
    # What the rule leaves open is taken from DTSTART.
    if weekdays is None and not lists.keys() & {"BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"}:
        if frequency == "YEARLY":
            months = months or frozenset({start.month})
        if frequency in {"YEARLY", "MONTHLY"}:
            month_days = frozenset({start.day})
        elif frequency == "WEEKLY":
            weekdays = frozenset({start.weekday()})
    if parts.get("WKST", "MO") not in _WEEKDAYS:
        refuse(f"has a rule whose WKST is not one of {', '.join(_WEEKDAYS)}")
    return DayFilter(
        months=months,
        month_days=month_days,
        year_days=_set(lists.get("BYYEARDAY")),
        weeks=_set(lists.get("BYWEEKNO")),
        weekdays=weekdays,
        nth=nth,
        nth_in_month=frequency == "MONTHLY" or "BYMONTH" in lists,
        week_start=_WEEKDAYS.index(parts.get("WKST", "MO")),
    )


def _set(values):
    return None if values is None else frozenset(values)


def _read_number(name, text):
    if not _NUMBER.fullmatch(text) or int(text) < 1:
        refuse(f"has a rule whose {name} is not a whole number from 1 to 999,999,999")
    return int(text)


def _read_list(name, text):
    low, high, signed = _LISTS[name]
    values = set()
    for item in text.split(","):
        if not _NUMBER.fullmatch(item) or not low <= (abs(int(item)) if signed else int(item)) <= high:
            refuse(f"has a rule whose {name} is not a list of numbers from {low} to {high}{', or the same from -1 down' if signed else ''}")
        values.add(int(item))
    return tuple(sorted(values))


def _read_weekdays(text):
    """Return (plain weekdays, numbered ones) of BYDAY."""
    weekdays, nth = set(), set()
    for item in text.split(","):
        match = _BYDAY.fullmatch(item)
        if not match or (match[1] and not 1 <= abs(int(match[1])) <= 53):
            refuse("has a rule whose BYDAY is not a list of weekdays such as MO, 2TU or -1FR")
        weekday = _WEEKDAYS.index(match[2])
        if match[1]:
            nth.add((weekday, int(match[1])))
        else:
            weekdays.add(weekday)
    return frozenset(weekdays), frozenset(nth)

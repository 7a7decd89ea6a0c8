"""Read the text of a cron expression as crontab(5) means it, and write it plainly for croniter.

croniter 7 has readings of its own: `5-5` is the whole field to it, a wrapping range steps from its lowest value, and a field that names
every value is a star. So it is given each field as a star or as a list of single values, which all its releases read alike.
"""

import re
from dataclasses import dataclass
from typing import NoReturn

from app.errors import InvalidSchedule

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_HASHED = re.compile(r"[hr](\(.*\))?(/.*)?", re.ASCII)
_ITEM = re.compile(r"(\*|\d{1,4}|[a-z]{3})(?:-(\d{1,4}|[a-z]{3}|l))?(?:/(\d{1,4}))?", re.ASCII)
_NEAREST = re.compile(r"(\d{1,2})w|w(\d{1,2})", re.ASCII)
_NTH = re.compile(r"(.+)#([1-5])", re.ASCII)
_LAST = re.compile(r"l([0-7])", re.ASCII)


@dataclass(frozen=True)
class Field:
    """One of the five fields: its name, its values from `low` to `high`, and what an error says that it allows."""

    name: str
    low: int
    high: int
    allowed: str
    names: tuple = ()

    @property
    def size(self):
        """Return the number of values."""
        return self.high - self.low + 1


MINUTE = Field("minute", 0, 59, "0 to 59")
HOUR = Field("hour", 0, 23, "0 to 23")
DAY = Field("day of month", 1, 31, "1 to 31, L for the last, or 15W for the weekday nearest to the 15th")
MONTH = Field("month", 1, 12, "1 to 12 or JAN to DEC", tuple("jan feb mar apr may jun jul aug sep oct nov dec".split()))
WEEKDAY = Field(
    "day of week",
    0,
    6,
    "0 to 7 (0 and 7 are Sunday) or SUN to SAT, 5#3 for the third Friday, or L5 for the last",
    tuple("sun mon tue wed thu fri sat".split()),
)
FIELDS = (MINUTE, HOUR, DAY, MONTH, WEEKDAY)


def _refuse(reason) -> NoReturn:
    raise InvalidSchedule("cron", reason)


def _refuse_item(field) -> NoReturn:
    _refuse(f"cannot be read in its {field.name} field; allowed are {field.allowed}, *, lists (1,2), ranges (1-5) and steps (*/2)")


def normalise(text):
    """Return the five fields of an expression, each "*" or a list of single values. Raise InvalidSchedule.

    A field is "*" only where it leaves the choice free: where it was given as `*`, `*/1` or, for a day, `?`.
    """
    parts = re.findall(r"\S+", text.lower(), re.ASCII)
    if parts[0].startswith("@"):
        if len(parts) > 1 or parts[0] not in ALIASES:
            _refuse(f"is not an alias; give one of {', '.join(ALIASES)}, or five fields")
        parts = ALIASES[parts[0]].split()
    if len(parts) != len(FIELDS):
        wanted = ", ".join(field.name for field in FIELDS)
        _refuse(f"has {len(parts)} fields; exactly five are allowed ({wanted}), or an alias such as @daily")
    return tuple(_normalise_field(field, part) for field, part in zip(FIELDS, parts, strict=True))


def _normalise_field(field, text):
    items = text.split(",")
    if any(_HASHED.fullmatch(item) for item in items):
        _refuse(f"uses H or R in its {field.name} field, which leave the time to chance; write the value itself")
    if text == "*" or (text == "?" and field in (DAY, WEEKDAY)):
        return "*"
    if len(items) == 1 and re.fullmatch(r"\*/0*1", text, re.ASCII):
        return "*"
    read = {DAY: _read_day, WEEKDAY: _read_weekday}.get(field, _read_item)
    values = [value for item in items for value in read(field, item)]
    if any("w" in value for value in values) and len(values) > 1:
        _refuse(f"has W in a list of its {field.name} field; it can only stand alone, such as 15W")
    if field is WEEKDAY and len({value.isdecimal() for value in values}) > 1:
        _refuse(f"mixes # or L with plain weekdays in its {field.name} field; give one or the other")
    return ",".join(dict.fromkeys(values))


def _read_day(field, item):
    if item == "l":
        return ["l"]
    nearest = _NEAREST.fullmatch(item)
    if nearest:
        return [f"{_number(field, nearest[1] or nearest[2])}w"]
    return _read_item(field, item)


def _read_weekday(field, item):
    last = _LAST.fullmatch(item)
    if last:
        return [f"l{int(last[1]) % 7}"]
    nth = _NTH.fullmatch(item)
    if nth and "/" not in item and "*" not in item:
        return [f"{value}#{nth[2]}" for value in _read_item(field, nth[1])]
    return _read_item(field, item)


def _read_item(field, item):
    """Return the values of a single value, a range or a step, as text, in the order in which crontab(5) counts them."""
    match = _ITEM.fullmatch(item)
    if not match or (match[1] == "*" and match[2]):
        _refuse_item(field)
    first, last, step = match.groups()
    low = field.low if first == "*" else _number(field, first)
    if last is not None:
        high = _number(field, last)
    elif first == "*" or step is not None:
        high = field.high
    else:
        high = low
    if low > field.high:
        # 7 is Sunday, as 0 is, but the last day of a range and not its first
        low, high = low - field.size, high if high <= field.high else high - field.size
    if high < low:
        high += field.size
    values = range(low, high + 1, _read_step(field, step))
    return [str((value - field.low) % field.size + field.low) for value in values]


def _number(field, text):
    if text in field.names:
        return field.names.index(text) + field.low
    if field is DAY and text == "l":
        return field.high
    if not text.isdecimal() or not field.low <= int(text) <= field.high + (field is WEEKDAY):
        _refuse_item(field)
    return int(text)


def _read_step(field, text):
    step = 1 if text is None else int(text)
    if step < 1:
        _refuse_item(field)
    if step > field.size:
        unit, _ = _UNITS[field]
        _refuse(
            f"has a step of {step} in its {field.name} field, which has {field.size} values, so it would take only the first. "
            f"For every {step} {unit} give {_every(field, step)}"
        )
    return step


_UNITS = {MINUTE: ("minutes", 60), HOUR: ("hours", 3_600), DAY: ("days", 86_400), MONTH: ("months", None), WEEKDAY: ("days", 86_400)}


def _every(field, step):
    """Return the schedule, as text, that says what a step larger than the field cannot."""
    if field is MONTH:
        return f'{{"rrule": "FREQ=MONTHLY;INTERVAL={step}"}}'
    return f'{{"interval": {step * _UNITS[field][1]}}}'

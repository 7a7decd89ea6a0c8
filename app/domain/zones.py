"""Time zones by their IANA name, and when their clocks shift.

Zone data comes from the system's database, or from the tzdata package where the system has none; `zoneinfo` decides.
"""

import zoneinfo
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from hashlib import blake2b
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

# Files of a zone database that are not zones: this machine's own setting, and the placeholder for a machine that has none.
_NOT_ZONES = frozenset({"localtime", "posixrules", "Factory"})

# No zone has shifted its clocks and back within this time since 1970 (a week in Brazil, October 2000, was the shortest), so equal
# offsets at both ends of a step mean no shift inside it. A test reads the zone files to hold this.
_STEP = timedelta(days=6)
_SECOND = timedelta(seconds=1)


class Shift(NamedTuple):
    """A change of a zone's offset: `at` a naive UTC time, `before` and `after` the offsets that local = UTC + offset uses."""

    at: datetime
    before: timedelta
    after: timedelta


@cache
def names():
    """The names of all zones there are."""
    return frozenset(available_timezones()) - _NOT_ZONES


@lru_cache(maxsize=1024)
def zone(name):
    """The zone of this name.

    Only names that the database lists are looked up, so a path, another spelling of upper and lower case, or the machine's own setting
    never reach the file system. Raises ValueError with a reason.
    """
    if not isinstance(name, str) or not name:
        raise ValueError('must be the IANA name of a time zone, such as "Europe/Berlin"')
    if name not in names():
        raise ValueError('is not the IANA name of a time zone; give one such as "Europe/Berlin" or "UTC", in that spelling')
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        raise ValueError("is a time zone that this machine has no readable data for") from error


@lru_cache(maxsize=1024)
def data_digest(name):
    """Return a short text that changes when the data of the zone of this name does. Raise ValueError with a reason."""
    zone(name)
    parts = name.split("/")
    # where zoneinfo looks, in its order
    files = (Path(folder, *parts) for folder in zoneinfo.TZPATH)
    found = next((file for file in files if file.is_file()), None) or resources.files("tzdata").joinpath("zoneinfo", *parts)
    return blake2b(found.read_bytes(), digest_size=6).hexdigest()


def offset_at(tz, moment):
    """The offset in force at a naive UTC time."""
    return moment.replace(tzinfo=UTC).astimezone(tz).utcoffset()


def to_utc(local, tz):
    """The naive UTC time of a naive local time, as RFC 5545 reads it.

    A local time that does not exist uses the offset before the gap, one that exists twice means the first: fold=0 of PEP 495 is both.
    """
    return local.replace(tzinfo=tz, fold=0).astimezone(UTC).replace(tzinfo=None)


def _shifts_between(tz, low, before, high, after):
    """Yield the shifts in (low, high], given the offsets at both."""
    if before == after:
        return
    if high - low <= _SECOND:
        yield Shift(high, before, after)
        return
    middle = low + (high - low) // (2 * _SECOND) * _SECOND
    offset = offset_at(tz, middle)
    yield from _shifts_between(tz, low, before, middle, offset)
    yield from _shifts_between(tz, middle, offset, high, after)


@lru_cache(maxsize=4096)
def shifts(tz, year):
    """Every shift of the zone after the first second of this UTC year, up to and with the first second of the next, in order."""
    start, end = datetime(year, 1, 1), datetime(year + 1, 1, 1)
    moments = [*(start + n * _STEP for n in range(-((start - end) // _STEP))), end]
    known = [(moment, offset_at(tz, moment)) for moment in moments]
    return tuple(shift for low, high in pairwise(known) for shift in _shifts_between(tz, *low, *high))


def shifts_from(tz, start, end):
    """Yield the zone's shifts in (start, end], naive UTC times, in order."""
    for year in range(start.year, end.year + 1):
        for shift in shifts(tz, year):
            if start < shift.at <= end:
                yield shift

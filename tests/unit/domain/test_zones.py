"""Zones by name, and when their clocks shift."""

import struct
from datetime import datetime, timedelta
from importlib import resources
from itertools import pairwise
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo

import pytest

from app.domain import zones


def zone_file(name):
    """The bytes that zoneinfo reads for a zone: the system's, or else the package's."""
    for folder in TZPATH:
        path = Path(folder, name)
        if path.is_file():
            return path.read_bytes()
    return resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


def offset_changes(data):
    """[(seconds since 1970, offset before, offset after)] that a zone file of version 2 or later lists (RFC 9636)."""

    def counts(at):
        return struct.unpack(">6l", data[at + 20 : at + 44])

    isut, isstd, leaps, times, types, chars = counts(0)
    body = 44 + times * 5 + types * 6 + chars + leaps * 8 + isstd + isut
    isut, isstd, leaps, times, types, chars = counts(body)
    body += 44
    moments = struct.unpack(f">{times}q", data[body : body + 8 * times])
    indexes = data[body + 8 * times : body + 9 * times]
    offsets = [struct.unpack(">l", data[body + 9 * times + 6 * n : body + 9 * times + 6 * n + 4])[0] for n in range(types)]
    before, found = offsets[0], []
    for moment, index in zip(moments, indexes, strict=True):
        if offsets[index] != before:
            found.append((moment, before, offsets[index]))
        before = offsets[index]
    return found


def test_no_zone_shifts_its_clocks_and_back_faster_than_the_search_for_shifts_steps():
    since = datetime(1968, 1, 1)
    for name in zones.names():
        changes = [change for change in offset_changes(zone_file(name)) if datetime(1970, 1, 1) + timedelta(seconds=change[0]) > since]
        for (first, *_), (second, *_) in pairwise(changes):
            assert timedelta(seconds=second - first) > zones._STEP, name


@pytest.mark.parametrize(
    "name", ["America/Noronha", "Asia/Gaza", "Africa/Casablanca", "Pacific/Kwajalein", "Antarctica/Troll", "Africa/Monrovia"]
)
def test_the_shifts_of_a_zone_are_those_that_its_file_lists(name):
    listed = [(datetime(1970, 1, 1) + timedelta(seconds=at), before, after) for at, before, after in offset_changes(zone_file(name))]
    zone = zones.zone(name)
    found = [shift for year in range(1970, 2037) for shift in zones.shifts(zone, year)]
    assert [(shift.at, shift.before.total_seconds(), shift.after.total_seconds()) for shift in found] == [
        change for change in listed if datetime(1970, 1, 1) < change[0] <= datetime(2037, 1, 1)
    ]


def test_shifts_from_takes_the_end_and_not_the_start():
    zone, at = zones.zone("America/New_York"), datetime(2024, 3, 10, 7)
    tick = timedelta(microseconds=1)
    assert [shift.at for shift in zones.shifts_from(zone, at - tick, at)] == [at]
    assert list(zones.shifts_from(zone, at, at + tick)) == []
    assert len(list(zones.shifts_from(zone, datetime(2099, 6, 1), datetime(2101, 6, 1)))) == 4


def test_a_zone_is_that_of_zoneinfo():
    assert zones.zone("Europe/Berlin") == ZoneInfo("Europe/Berlin")
    assert {"UTC", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"} <= zones.names()


@pytest.mark.parametrize(
    "name", ["", None, 1, "localtime", "posixrules", "Factory", "europe/berlin", "../UTC", "/etc/localtime", "EST5", "Europe"]
)
def test_a_name_that_is_not_of_a_zone_is_refused(name):
    with pytest.raises(ValueError, match="IANA name of a time zone"):
        zones.zone(name)


def test_a_local_time_that_does_not_exist_uses_the_offset_before_and_one_that_exists_twice_is_the_first():
    zone = zones.zone("America/New_York")
    assert zones.to_utc(datetime(2024, 3, 10, 2, 30), zone) == datetime(2024, 3, 10, 7, 30)
    assert zones.to_utc(datetime(2024, 11, 3, 1, 30), zone) == datetime(2024, 11, 3, 5, 30)
    assert zones.to_utc(datetime(2024, 11, 3, 1, 30, fold=1), zone) == datetime(2024, 11, 3, 5, 30)

"""Agreement with a brute-force oracle over every shift of the clocks from 2020 to 2035."""

from datetime import UTC, datetime, timedelta

import pytest
from dateutil.rrule import rrulestr

from app.domain import zones
from app.domain.schedules import parse, shape
from tests.unit.domain.schedules.oracle import HOUR, MINUTE, ZONES, Scan, transitions

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
ANY_NUMBER = 10**6

# Cron expressions beside what they mean, said again.
CRONS = {
    "*/10 * * * *": lambda t: t.minute % 10 == 0,
    "0 0 * * *": lambda t: (t.hour, t.minute) == (0, 0),
    "15,45 0-3 * * *": lambda t: t.hour <= 3 and t.minute in {15, 45},
    "59 23 * * sun,6": lambda t: (t.hour, t.minute) == (23, 59) and t.isoweekday() in {6, 7},
    "0 1-3 1 * 0": lambda t: t.hour in {1, 2, 3} and t.minute == 0 and (t.day == 1 or t.isoweekday() == 7),
    "10 2 * 3-10 *": lambda t: (t.hour, t.minute) == (2, 10) and 3 <= t.month <= 10,
}
# Intervals in minutes, from midnight of 2020-01-01: elapsed below a day, local from a day on.
INTERVALS = (30, 25 * 60, 24 * 60, 2 * 24 * 60)
RULES = (
    "FREQ=DAILY;BYHOUR=0,1,2,3,23;BYMINUTE=0,30",
    "FREQ=HOURLY;INTERVAL=5;BYMINUTE=15,45",
    "FREQ=MINUTELY;INTERVAL=40",
    "FREQ=WEEKLY;BYDAY=SU,SA,MO;BYHOUR=2;BYMINUTE=30",
    "FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=0,30;BYSETPOS=2,-1",
    "FREQ=DAILY;INTERVAL=2;BYHOUR=2;BYMINUTE=15;COUNT=6",
)


def local_dates(scan, kind, said):
    """The local times that a schedule names, found without it."""
    if kind == "cron":
        return [moment for moment in scan.local_minutes if CRONS[said](moment)]
    if kind == "rrule":
        return rrulestr(said, forceset=True).between(scan.local_low, scan.local_high, inc=True)
    return [moment for moment in scan.local_minutes if (moment - datetime(2020, 1, 1)) % timedelta(minutes=said) == timedelta(0)]


def expected(scan, kind, said, start, end):
    if kind == "interval" and said % (24 * 60):
        anchor = datetime(2020, 1, 1, tzinfo=scan.zone).astimezone(UTC)
        every_minute = (start + n * MINUTE for n in range((end - start) // MINUTE + 1))
        return [moment for moment in every_minute if (moment - anchor) % timedelta(minutes=said) == timedelta(0)]
    return scan.instants(local_dates(scan, kind, said), start, end)


@pytest.mark.parametrize("name", ZONES)
def test_every_shift_of_the_clocks_agrees_with_the_oracle(name):
    for shift in transitions(name):
        start, end = shift - 26 * HOUR, shift + 26 * HOUR
        scan = Scan(name, shift - 2 * DAY, shift + 2 * DAY)
        begin = scan.local_low.replace(hour=1, minute=30)
        cases = [("cron", text, {"cron": text}) for text in CRONS]
        cases += [("interval", minutes, {"interval": minutes * 60}) for minutes in INTERVALS]
        for rule in RULES:
            text = f"DTSTART:{begin:%Y%m%dT%H%M%S}\nRRULE:{rule}"
            cases.append(("rrule", text, {"rrule": text}))
        for kind, said, document in cases:
            schedule = parse({**document, "timezone": name})
            found = list(schedule.occurrences(start, end, ANY_NUMBER))
            assert found == expected(scan, kind, said, start, end), (shift, document)
            for middle in (shift - SECOND, shift, shift + 20 * MINUTE):
                first = list(schedule.occurrences(start, middle, ANY_NUMBER))
                rest = list(schedule.occurrences(middle + timedelta(microseconds=1), end, ANY_NUMBER))
                assert first + rest == found, (shift, middle, document)


CHOICES = [(gap, fold) for gap in ("later", "skip") for fold in ("first", "second", "both") if (gap, fold) != ("later", "first")]


@pytest.mark.parametrize("name", ZONES)
def test_every_choice_of_gap_and_fold_agrees_with_the_oracle_at_every_shift_of_the_clocks(name):
    for shift in transitions(name):
        start, end = shift - 5 * HOUR, shift + 5 * HOUR
        scan = Scan(name, shift - 9 * HOUR, shift + 9 * HOUR)
        begin = scan.local_low.replace(hour=1, minute=30)
        cases = [("cron", text, {"cron": text}) for text in ("*/10 * * * *", "15,45 0-3 * * *")]
        cases += [("interval", minutes, {"interval": minutes * 60}) for minutes in (24 * 60, 25 * 60)]
        for rule in (RULES[0], RULES[3]):
            text = f"DTSTART:{begin:%Y%m%dT%H%M%S}\nRRULE:{rule}"
            cases.append(("rrule", text, {"rrule": text}))
        for kind, said, document in cases:
            elapsed = expected(scan, kind, said, start, end) if kind == "interval" and said % (24 * 60) else None
            named = local_dates(scan, kind, said) if elapsed is None else ()
            for gap, fold in CHOICES:
                schedule = shape({"schedule": {**document, "timezone": name}, "gap": gap, "fold": fold})
                found = list(schedule.occurrences(start, end, ANY_NUMBER))
                wanted = scan.instants(named, start, end, gap, fold) if elapsed is None else elapsed
                assert found == wanted, (shift, document, gap, fold)
                middle = shift + 20 * MINUTE
                first = list(schedule.occurrences(start, middle, ANY_NUMBER))
                rest = list(schedule.occurrences(middle + timedelta(microseconds=1), end, ANY_NUMBER))
                assert first + rest == found, (shift, middle, document, gap, fold)


@pytest.mark.parametrize("name", ZONES)
def test_the_shifts_of_a_zone_are_those_that_a_scan_of_every_hour_finds(name):
    zone = zones.zone(name)
    found = [shift for year in range(2020, 2036) for shift in zones.shifts(zone, year)]
    if name == "UTC":
        assert found == []
    else:
        hours = transitions(name)
        assert len(found) == len(hours) > 2
        for shift, hour in zip(found, hours, strict=True):
            at = shift.at.replace(tzinfo=UTC)
            assert hour - HOUR < at <= hour
            assert (at - SECOND).astimezone(zone).utcoffset() == shift.before
            assert at.astimezone(zone).utcoffset() == shift.after

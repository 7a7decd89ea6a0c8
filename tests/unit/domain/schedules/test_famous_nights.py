"""The nights on which clocks do something odd, by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.schedules import parse


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def dates(document, start, end):
    found = parse(document).occurrences(utc(start), utc(end), 1000)
    return [f"{date:%Y-%m-%d %H:%M:%S}".removesuffix(":00") for date in found]


NEW_YORK, LONDON, LORD_HOWE = "America/New_York", "Europe/London", "Australia/Lord_Howe"
SANTIAGO, CASABLANCA, APIA, MONROVIA = "America/Santiago", "Africa/Casablanca", "Pacific/Apia", "Africa/Monrovia"

# (what happens, the local time that is wanted, zone, the UTC window, the instants)
NIGHTS = [
    ("02:30 does not exist and becomes 03:30", "30 2", NEW_YORK, "2024-03-09", "2024-03-12", ["03-09 07:30", "03-10 07:30", "03-11 06:30"]),
    ("02:00, the first time that is missing, becomes 03:00", "0 2", NEW_YORK, "2024-03-10", "2024-03-11", ["03-10 07:00"]),
    ("01:59, the last before the gap, is itself", "59 1", NEW_YORK, "2024-03-10", "2024-03-11", ["03-10 06:59"]),
    ("03:00, the first after the gap, is itself", "0 3", NEW_YORK, "2024-03-10", "2024-03-11", ["03-10 07:00"]),
    ("02:00 and 03:00 are one run", "0 2,3", NEW_YORK, "2024-03-10", "2024-03-11", ["03-10 07:00"]),
    ("02:30 runs after 03:00", "30 2", NEW_YORK, "2024-03-10T07:00", "2024-03-11", ["03-10 07:30"]),
    ("01:30 occurs twice and the first runs", "30 1", NEW_YORK, "2024-11-03", "2024-11-05", ["11-03 05:30", "11-04 06:30"]),
    ("02:00, the first time that occurs once again", "0 2", NEW_YORK, "2024-11-03", "2024-11-04", ["11-03 07:00"]),
    ("every hour runs once a local hour", "0 *", NEW_YORK, "2024-11-03T04:30", "2024-11-03T07:30", ["11-03 05:00", "11-03 07:00"]),
    ("every hour over a gap", "0 *", NEW_YORK, "2024-03-10T05:30", "2024-03-10T08:30", ["03-10 06:00", "03-10 07:00", "03-10 08:00"]),
    ("01:30 does not exist in London", "30 1", LONDON, "2024-03-31", "2024-04-01", ["03-31 01:30"]),
    ("00:30 does, and 02:30 has moved", "30 0,2", LONDON, "2024-03-31", "2024-04-01", ["03-31 00:30", "03-31 01:30", "03-31 23:30"]),
    ("half an hour is missing: 02:15 becomes 02:45", "15 2", LORD_HOWE, "2024-10-05", "2024-10-06T12:00", ["10-05 15:45"]),
    ("half an hour is missing: 02:15 and 02:45 are one", "15,45 2", LORD_HOWE, "2024-10-05", "2024-10-06T12:00", ["10-05 15:45"]),
    ("half an hour occurs twice: 01:45", "15,45 1", LORD_HOWE, "2024-04-06T12:00", "2024-04-07T12:00", ["04-06 14:15", "04-06 14:45"]),
    ("midnight does not exist in Santiago", "0 0", SANTIAGO, "2024-09-07", "2024-09-10", ["09-07 04:00", "09-08 04:00", "09-09 03:00"]),
    ("23:30 occurs twice in Santiago", "30 23", SANTIAGO, "2024-04-06", "2024-04-08T04:00", ["04-06 02:30", "04-07 02:30", "04-08 03:30"]),
    ("clocks go back for Ramadan", "30 2", CASABLANCA, "2024-03-09", "2024-03-12", ["03-09 01:30", "03-10 01:30", "03-11 02:30"]),
    ("and forward after it: 02:30 does not exist", "30 2", CASABLANCA, "2024-04-14", "2024-04-16", ["04-14 02:30", "04-15 01:30"]),
    ("a whole day does not exist in Samoa", "0 9", APIA, "2011-12-29", "2012-01-01", ["12-29 19:00", "12-30 19:00", "12-31 19:00"]),
    ("a gap of 44 minutes and 30 seconds", "0,30 0", MONROVIA, "1972-01-06T12", "1972-01-07T12", ["01-07 00:44:30", "01-07 01:14:30"]),
    ("a shift that only the rule for the far future knows", "30 2", NEW_YORK, "2150-03-08", "2150-03-09", ["03-08 07:30"]),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["cron", "rrule"])
@pytest.mark.parametrize(("clock", "zone", "start", "end", "instants"), [night[1:] for night in NIGHTS], ids=[night[0] for night in NIGHTS])
def test_on_famous_nights_a_local_time_runs_at_the_instant_that_rfc_5545_gives_it(kind, clock, zone, start, end, instants):
    minutes, hours = clock.split()
    if kind == "cron":
        document = {"cron": f"{clock} * * *", "timezone": zone}
    else:
        every_hour = ",".join(map(str, range(24)))
        rule = f"FREQ=DAILY;BYHOUR={hours.replace('*', every_hour)};BYMINUTE={minutes}"
        document = {"rrule": f"DTSTART:19700101T000000\n{rule}", "timezone": zone}
    assert dates(document, start, end) == [f"{start[:4]}-{instant}" if "-" in instant else instant for instant in instants]


@pytest.mark.parametrize(
    ("zone", "start", "instants"),
    [
        # Local midnights: the day of the gap is 23 hours long, that of the fold 25.
        (NEW_YORK, "2024-03-09T05:00", ["2024-03-09 05:00", "2024-03-10 05:00", "2024-03-11 04:00"]),
        (NEW_YORK, "2024-11-02T04:00", ["2024-11-02 04:00", "2024-11-03 04:00", "2024-11-04 05:00"]),
        (LORD_HOWE, "2024-10-04T13:30", ["2024-10-04 13:30", "2024-10-05 13:30", "2024-10-06 13:00"]),
        # Midnight of the 8th does not exist: 01:00 is the instant at which it would have been.
        (SANTIAGO, "2024-09-07T04:00", ["2024-09-07 04:00", "2024-09-08 04:00", "2024-09-09 03:00"]),
        # The 30th does not exist in Samoa: its midnight is the 31st's.
        (APIA, "2011-12-29T10:00", ["2011-12-29 10:00", "2011-12-30 10:00", "2011-12-31 10:00"]),
    ],
)
def test_an_interval_of_a_day_steps_from_midnight_to_midnight(zone, start, instants):
    end = (utc(start) + timedelta(days=2, hours=4)).isoformat()
    assert dates({"interval": 86_400, "timezone": zone}, start, end) == instants


def test_an_interval_of_a_day_keeps_to_utc_when_it_has_an_anchor():
    document = {"interval": 86_400, "anchor_date": "2024-01-01T09:00:00-05:00"}
    assert dates(document, "2024-03-09", "2024-03-12") == ["2024-03-09 14:00", "2024-03-10 14:00", "2024-03-11 14:00"]


def test_an_interval_that_is_no_whole_number_of_days_steps_in_elapsed_time():
    found = dates({"interval": 3600, "timezone": NEW_YORK}, "2024-11-03T04:00", "2024-11-03T08:00")
    assert found == ["2024-11-03 04:00", "2024-11-03 05:00", "2024-11-03 06:00", "2024-11-03 07:00", "2024-11-03 08:00"]


def test_the_times_of_a_gap_and_those_after_it_come_in_the_order_of_their_instants():
    found = dates({"cron": "*/30,20 2-3 * * *", "timezone": NEW_YORK}, "2024-03-10", "2024-03-11")
    assert found == ["2024-03-10 07:00", "2024-03-10 07:20", "2024-03-10 07:30"]
    found = dates({"cron": "10 3 * * *", "timezone": NEW_YORK}, "2024-03-10", "2024-03-11")
    assert found == ["2024-03-10 07:10"]
    found = dates(
        {"rrule": "FREQ=DAILY;BYHOUR=2;BYMINUTE=5,40\nRRULE:FREQ=DAILY;BYHOUR=3;BYMINUTE=20", "timezone": NEW_YORK},
        "2024-03-10",
        "2024-03-11",
    )
    assert found == ["2024-03-10 07:05", "2024-03-10 07:20", "2024-03-10 07:40"]


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        ("2024-11-03T05:31", "2024-11-03T06:29", []),
        ("2024-11-03T06:30", "2024-11-03T06:30", []),
        ("2024-11-03T05:30", "2024-11-03T05:30", ["2024-11-03 05:30"]),
        ("2024-11-03T05:59:59", "2024-11-03T06:59:59", []),
        ("2024-11-03T05:00", "2024-11-03T06:10", ["2024-11-03 05:30"]),
    ],
)
def test_a_window_inside_a_night_with_a_second_hour_holds_what_the_whole_night_has_there(start, end, found):
    assert dates({"cron": "30 * * * *", "timezone": NEW_YORK}, start, end) == found


# (what is special, the lines after DTSTART:20261101T063000Z, which is the second 01:30 of New York's night, the instants)
BEGINNINGS = [
    ("the rule begins at the second of two times", "FREQ=DAILY;COUNT=2", ["2026-11-01 06:30", "2026-11-02 06:30"]),
    ("the hours go on from there", "FREQ=HOURLY;COUNT=3", ["2026-11-01 06:30", "2026-11-01 07:30", "2026-11-01 08:30"]),
    ("two rules begin with one run", "FREQ=DAILY;COUNT=1\nFREQ=WEEKLY;COUNT=2", ["2026-11-01 06:30", "2026-11-08 06:30"]),
    ("a rule that the start does not match begins later", "FREQ=WEEKLY;BYDAY=MO;COUNT=1", ["2026-11-02 06:30"]),
    ("no date is after UNTIL", "FREQ=DAILY;UNTIL=20261101T060000Z\nRDATE:20261201T000000Z", ["2026-12-01 00:00"]),
    ("the start may be excluded", "FREQ=DAILY;COUNT=2\nEXDATE:20261101T063000Z", ["2026-11-02 06:30"]),
    ("every later night runs at the first", "FREQ=YEARLY;BYMONTH=11;BYDAY=1SU;COUNT=2", ["2026-11-01 06:30", "2027-11-07 05:30"]),
]


@pytest.mark.parametrize(("rest", "instants"), [row[1:] for row in BEGINNINGS], ids=[row[0] for row in BEGINNINGS])
def test_a_start_given_as_an_instant_is_the_first_date_of_its_rules(rest, instants):
    document = {"rrule": f"DTSTART:20261101T063000Z\n{rest}", "timezone": NEW_YORK}
    assert dates(document, "2026-10-01", "2028-01-01") == instants
    # and whatever the window
    for cut in ("2026-11-01T05:30", "2026-11-01T06:29", "2026-11-01T06:30", "2026-11-01T07:00"):
        after = (utc(cut) + timedelta(microseconds=1)).replace(tzinfo=None).isoformat()
        assert dates(document, "2026-10-01", cut) + dates(document, after, "2028-01-01") == instants

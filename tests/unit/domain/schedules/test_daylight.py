"""What a person is told of daylight saving."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.schedules import parse
from app.domain.schedules.daylight import explain

NEW_YORK = "America/New_York"
SPRING = "the offset from UTC changes from -05:00 to -04:00 before this run"
AUTUMN = "the offset from UTC changes from -04:00 to -05:00 before this run"


def notes(document, start, hours):
    schedule = parse(document)
    start = datetime.fromisoformat(start).replace(tzinfo=UTC)
    found = list(schedule.occurrences(start, start + timedelta(hours=hours), 100))
    told = explain(schedule, found)
    assert len(told) == len(found)
    return told


@pytest.mark.parametrize(
    ("document", "start", "hours", "told"),
    [
        (
            {"cron": "30 2 * * *", "timezone": NEW_YORK},
            "2024-03-09",
            72,
            [None, f"local time 02:30 does not exist: runs at 03:30; {SPRING}", None],
        ),
        (
            {"cron": "30 * * * *", "timezone": NEW_YORK},
            "2024-03-10T06:00",
            3,
            [None, f"local time 02:30 does not exist: runs at 03:30, as one with the run of that time; {SPRING}", None],
        ),
        ({"cron": "30 3 * * *", "timezone": NEW_YORK}, "2024-03-09", 48, [None, SPRING]),
        (
            {"cron": "30 1 * * *", "timezone": NEW_YORK},
            "2024-11-02",
            72,
            [None, "local time 01:30 occurs twice: the first is used", AUTUMN],
        ),
        (
            {"interval": 3600, "timezone": NEW_YORK},
            "2024-11-03T05:00",
            2,
            ["local time 01:00 occurs twice: this is the first", f"local time 01:00 occurs twice: this is the second; {AUTUMN}", None],
        ),
        (
            {"rrule": "DTSTART:20110101T090000\nFREQ=DAILY", "timezone": "Pacific/Apia"},
            "2011-12-29",
            48,
            [
                None,
                "local time 2011-12-30 09:00 does not exist: runs at 2011-12-31 09:00, as one with the run of that time; "
                "the offset from UTC changes from -10:00 to +14:00 before this run",
            ],
        ),
        (
            {"cron": "0 0 * * *", "timezone": "Africa/Monrovia"},
            "1972-01-06",
            30,
            [
                None,
                "local time 00:00 does not exist: runs at 00:44:30; the offset from UTC changes from -00:44:30 to +00:00 before this run",
            ],
        ),
        ({"cron": "0 */12 * * *"}, "2024-03-10", 24, [None, None, None]),
        ({"rrule": "RDATE:20240310T023000", "timezone": NEW_YORK}, "2024-03-10", 24, ["local time 02:30 does not exist: runs at 03:30"]),
    ],
)
def test_each_date_is_told_what_the_clocks_do_to_it(document, start, hours, told):
    assert notes(document, start, hours) == told


def test_no_dates_need_no_notes():
    assert explain(parse({"cron": "0 0 * * *"}), []) == []

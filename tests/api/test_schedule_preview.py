"""Previews of schedules that are not stored."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.api.asking import ok, wrong_fields

NOW = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
HOURLY, DAILY = {"interval": 3600}, {"cron": "0 9 * * *", "timezone": "UTC", "day_or": True}


@pytest.fixture(autouse=True)
def stopped(api_clock):
    """Nothing here goes by the real time."""
    api_clock.stop_at(NOW)


def test_a_preview_notes_what_a_change_of_clocks_and_jitter_do(api):
    berlin = {"schedule": {"cron": "30 2 * * *", "timezone": "Europe/Berlin"}, "start": "2026-10-24T00:00:00+02:00", "limit": 3}
    found = ok(api.post("/schedules/preview", json=berlin | {"fold": "both"}))
    assert [one["instant"] for one in found] == ["2026-10-24T00:30:00+00:00", "2026-10-25T00:30:00+00:00", "2026-10-25T01:30:00+00:00"]
    assert [one["local"][11:] for one in found] == ["02:30:00+02:00", "02:30:00+02:00", "02:30:00+01:00"]
    assert found[0]["note"] is None
    assert "this is the first, both are used" in found[1]["note"]
    assert "jitter" in ok(api.post("/schedules/preview", json=berlin | {"jitter_seconds": 60}))[0]["note"]


def test_a_preview_explains_what_was_left_out(api):
    asked = {"schedule": DAILY, "exclude": ["2026-06-03"], "limit": 2, "explain": True}
    found = ok(api.post("/schedules/preview", json=asked))
    assert [(one["instant"][:10], one["note"]) for one in found] == [
        ("2026-06-02", None),
        ("2026-06-03", "excluded: 3 June 2026"),
        ("2026-06-04", None),
    ]
    assert len(ok(api.post("/schedules/preview", json={"schedule": HOURLY}))) == 10
    assert wrong_fields(api.post("/schedules/preview", json={"schedule": HOURLY, "limit": 1_001})) == {"body.limit"}
    assert wrong_fields(api.post("/schedules/preview", json={"schedule": HOURLY, "gap": "x"})) == {"body.gap"}
    assert wrong_fields(api.post("/schedules/preview", json={})) == {"body.schedule"}


def test_a_year_of_four_schedules_against_brute_force(api):
    """Month end but for holidays; every 20 minutes in office hours; the third Friday until June; the night of the clock change."""
    zone = ZoneInfo("Europe/Berlin")
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    holidays = {date(2026, 1, 1), date(2026, 5, 1), date(2026, 12, 25), date(2026, 12, 26)}

    def at(day, hour, minute=0, fold=0):
        return datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold).astimezone(UTC).isoformat()

    asked = {
        "month end": {"schedule": {"cron": "0 18 L * *", "timezone": "Europe/Berlin"}, "exclude": ["2026-05-31", "2026-12-31"]},
        "office hours": {
            "schedule": {"cron": "*/20 9-16 * * 1-5", "timezone": "Europe/Berlin"},
            "exclude": [day.isoformat() for day in holidays],
        },
        "third Friday": {
            "schedule": {"rrule": "FREQ=MONTHLY;BYDAY=3FR;BYHOUR=12;BYMINUTE=0;BYSECOND=0", "timezone": "Europe/Berlin"},
            "ends_at": "2026-06-30T21:59:59Z",
        },
        "clock change": {"schedule": {"cron": "30 2 * * *", "timezone": "Europe/Berlin"}, "fold": "both", "gap": "skip"},
    }
    expected = {
        "month end": [at(day, 18) for day in days if (day + timedelta(days=1)).day == 1 and day.month not in (5, 12)],
        "office hours": [
            at(day, hour, minute)
            for day in days
            if day.weekday() < 5 and day not in holidays
            for hour in range(9, 17)
            for minute in (0, 20, 40)
        ],
        "third Friday": [at(day, 12) for day in days if day.weekday() == 4 and 15 <= day.day <= 21 and day.month <= 6],
        "clock change": [
            at(day, 2, 30, fold) for day in days if day != date(2026, 3, 29) for fold in ((0, 1) if day == date(2026, 10, 25) else (0,))
        ],
    }
    for name, schedule in asked.items():
        found, start = [], "2026-01-01T00:00:00+01:00"
        while page := ok(
            api.post("/schedules/preview", json=schedule | {"start": start, "end": "2026-12-31T23:59:59+01:00", "limit": 1000})
        ):
            found += [one["instant"] for one in page]
            start = (datetime.fromisoformat(found[-1]) + timedelta(microseconds=1)).isoformat()
        assert found == expected[name], name

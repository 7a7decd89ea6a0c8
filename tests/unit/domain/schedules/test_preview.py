"""The dates of a schedule with what is to be said of each."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.domain.schedules import preview, shape

NEW_YORK = "America/New_York"
NIGHTLY = {"cron": "30 1,2 * * *", "timezone": NEW_YORK}


def notes(members, start, days, explain=False, limit=50, key=None):
    schedule, start = shape(members, key=key), datetime.fromisoformat(start).replace(tzinfo=UTC)
    found = preview(schedule, start, start + timedelta(days=days), limit, explain_excluded=explain)
    assert all(line.keys() == {"instant", "local", "note"} for line in found)
    assert all(line["local"].astimezone(UTC) == line["instant"] and line["local"].tzinfo == schedule.zone for line in found)
    assert [line["instant"] for line in found] == sorted(line["instant"] for line in found)
    return [(f"{line['local']:%d %H:%M}", line["note"]) for line in found]


OFFSET_BACK = "the offset from UTC changes from -04:00 to -05:00 before this run"
OFFSET_ON = "the offset from UTC changes from -05:00 to -04:00 before this run"


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        ({}, [("03 01:30", "local time 01:30 occurs twice: the first is used"), ("03 02:30", OFFSET_BACK)]),
        (
            {"fold": "second"},
            [("03 01:30", "local time 01:30 occurs twice: the second is used"), ("03 02:30", None)],
        ),
        (
            {"fold": "both"},
            [
                ("03 01:30", "local time 01:30 occurs twice: this is the first, both are used"),
                ("03 01:30", f"local time 01:30 occurs twice: this is the second, both are used; {OFFSET_BACK}"),
                ("03 02:30", None),
            ],
        ),
    ],
)
def test_a_date_that_occurs_twice_is_noted(choice, found):
    assert notes({"schedule": NIGHTLY, **choice}, "2024-11-03T04:00", 1)[: len(found)] == found


def test_a_date_that_does_not_exist_is_noted_where_it_moved_and_explained_where_it_is_skipped():
    assert notes({"schedule": NIGHTLY}, "2024-03-10T05:00", 0.5) == [
        ("10 01:30", None),
        ("10 03:30", f"local time 02:30 does not exist: runs at 03:30; {OFFSET_ON}"),
    ]
    skipping = {"schedule": NIGHTLY, "gap": "skip"}
    assert notes(skipping, "2024-03-10T05:00", 0.5) == [("10 01:30", None)]
    assert notes(skipping, "2024-03-10T05:00", 0.5, explain=True) == [
        ("10 01:30", None),
        ("10 03:30", "skipped: its local time does not exist"),
    ]


def test_what_is_excluded_is_listed_with_the_reason_when_asked_for():
    members = {
        "schedule": {"cron": "0 9 * * *", "timezone": "Europe/Berlin"},
        "exclude": ["2026-05-02", {"holidays": "DE"}, {"cron": "* * 4 * *"}, {"start": "2026-05-05T07:00Z", "end": "2026-05-05T07:00Z"}],
    }
    assert notes(members, "2026-05-01", 20, limit=2) == [("03 09:00", None), ("06 09:00", None)]
    assert notes(members, "2026-05-01", 20, limit=2, explain=True) == [
        ("01 09:00", "excluded: holidays of DE: Labor Day"),
        ("02 09:00", "excluded: 2 May 2026"),
        ("03 09:00", None),
        ("04 09:00", "excluded: cron * * 4 * *"),
        ("05 09:00", "excluded: 2026-05-05T07:00:00+00:00 to 2026-05-05T07:00:00+00:00"),
        ("06 09:00", None),
    ]


def test_excluded_dates_are_listed_up_to_a_bound():
    members = {"schedule": {"interval": 60}, "exclude": [{"start": "2026-05-01", "end": "2026-05-09"}]}
    found = notes(members, "2026-05-01", 20, limit=5, explain=True)
    assert len(found) == 1005


def test_jitter_is_noted_with_the_start():
    members = {"schedule": {"cron": "0 9 * * *", "timezone": NEW_YORK}, "jitter_seconds": 600}
    schedule = shape(members, key="a default")
    (line,) = preview(schedule, datetime(2026, 5, 1), limit=1)
    start = line["instant"] + schedule.offset(line["instant"])
    clock = f"{start.astimezone(ZoneInfo(NEW_YORK)):%H:%M:%S.%f}".rstrip("0")
    assert line["note"].startswith("jitter: starts ")
    assert line["note"].endswith(f" seconds later, at {clock}")
    assert notes(members, "2026-05-01", 1) == [("01 09:00", "jitter: starts up to 10 minutes later")]


def test_no_dates_have_no_lines():
    assert preview(shape({"schedule": NIGHTLY}), datetime(2026, 1, 1), limit=0, explain_excluded=True) == []
    assert preview(shape({"schedule": NIGHTLY}), datetime(2026, 1, 2), datetime(2026, 1, 1)) == []

"""Jitter: decided by the key and the occurrence, spread evenly, never past the next occurrence."""

import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from app.domain.schedules import shape

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "6f6b9f0e-0000-4000-8000-000000000001 default"
HOURLY = {"schedule": {"interval": 3600}, "jitter_seconds": 600}
ROOT = Path(__file__).parents[4]

PROGRAM = f"""
from datetime import UTC, datetime
from app.domain.schedules import shape
schedule = shape({HOURLY!r}, key={KEY!r})
for date in schedule.occurrences(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC), 99):
    print((date + schedule.offset(date)).isoformat())
"""


def starts(schedule, number):
    return [date + schedule.offset(date) for date in schedule.occurrences(START, datetime(2100, 1, 1, tzinfo=UTC), number)]


def test_another_process_says_the_same():
    printed = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "12345"}, capture_output=True, text=True, check=True
    )
    assert printed.stdout.split() == [start.isoformat() for start in starts(shape(HOURLY, key=KEY), 49)]


def test_the_offset_is_that_of_the_documented_rule():
    # a release that computed it in another way would move every run that is planned
    for date in (START, START + timedelta(hours=1)):
        digest = hashlib.blake2b(f"{KEY} {date.isoformat()}".encode(), digest_size=8).hexdigest()
        assert shape(HOURLY, key=KEY).offset(date) == timedelta(microseconds=600_000_000 * int(digest, 16) // 16**16)


def chi_squared(shares, bins=20):
    counts = [0] * bins
    for share in shares:
        counts[int(share * bins)] += 1
    wanted = len(shares) / bins
    return sum((count - wanted) ** 2 / wanted for count in counts)


@pytest.mark.parametrize("keys", [[KEY], [f"{number} default" for number in range(50)], [f"x {number}" for number in range(50)]])
def test_the_starts_are_spread_evenly(keys):
    number = 4000 // len(keys)
    shares = []
    for key in keys:
        schedule = shape(HOURLY, key=key)
        shares += [schedule.offset(date) / timedelta(seconds=600) for date in schedule.occurrences(START, START.replace(year=2100), number)]
    # 19 degrees of freedom: one in a thousand even spreads is above 43.8, and these keys are fixed
    assert chi_squared(shares) < 43.8


@pytest.mark.parametrize(
    "schedule",
    [
        {"interval": 1},
        {"cron": "*/7 * * * *", "timezone": "America/New_York"},
        {"cron": "30 1-3 * * *", "timezone": "America/New_York"},
        {"rrule": "FREQ=MINUTELY;BYSECOND=0,1,59"},
    ],
)
def test_a_run_starts_before_the_next_occurrence(schedule):
    shaped = shape({"schedule": schedule, "jitter_seconds": 86_400, "fold": "both"}, key=KEY)
    for first in (datetime(2026, 3, 8, 4, tzinfo=UTC), datetime(2026, 11, 1, 4, tzinfo=UTC)):
        found = list(shaped.occurrences(first, first + timedelta(days=3), 300))
        assert len(found) > 3
        for occurrence, following in pairwise(found):
            assert timedelta(0) <= shaped.offset(occurrence) < following - occurrence


def test_the_room_is_that_up_to_the_next_occurrence_that_is_left():
    members = {"schedule": {"interval": 60}, "jitter_seconds": 86_400, "exclude": [{"cron": "1-59 * * * *"}]}
    schedule = shape(members, key=KEY)
    offsets = [schedule.offset(date) for date in schedule.occurrences(START, START + timedelta(days=2), 99)]
    assert max(offsets) > timedelta(minutes=50)
    assert max(offsets) < timedelta(hours=1)


def test_the_last_occurrence_has_all_the_room():
    members = {"schedule": {"interval": 3600}, "jitter_seconds": 86_400, "ends_at": "2026-01-01T00:00:00Z"}
    offsets = [shape(members, key=str(number)).offset(START) for number in range(20)]
    assert max(offsets) > timedelta(hours=12)


def test_keys_and_occurrences_decide():
    one, other = starts(shape(HOURLY, key="a default"), 10), starts(shape(HOURLY, key="a nightly"), 10)
    assert not set(one) & set(other)
    assert len({start.minute * 60 + start.second for start in one}) > 5


def test_a_schedule_that_is_not_stored_has_no_offset():
    assert starts(shape(HOURLY), 3) == [START + timedelta(hours=n) for n in range(3)]

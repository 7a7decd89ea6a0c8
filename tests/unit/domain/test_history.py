"""The intervals of a history: where they begin, and how many there are."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.history import MAX_INTERVALS, interval_starts

START = datetime(2022, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("elapsed", "length", "intervals"),
    [
        (3 * HOUR, HOUR, 3),
        (2.5 * HOUR, HOUR, 3),
        (3 * HOUR + timedelta(microseconds=1), HOUR, 4),
        (HOUR, 2 * HOUR, 1),
        (0 * HOUR, HOUR, 1),
        (-5 * HOUR, HOUR, 1),
        (500 * HOUR, HOUR, 500),
        (10_000 * HOUR, HOUR, 500),
        (timedelta(seconds=10), timedelta(seconds=2.5), 4),
    ],
)
def test_as_many_intervals_as_cover_the_time_but_at_least_one_and_not_too_many(elapsed, length, intervals):
    starts = interval_starts(START, START + elapsed, length)
    assert starts == [START + number * length for number in range(intervals)]


@given(
    st.timedeltas(timedelta(days=-2), timedelta(days=900)),
    st.timedeltas(timedelta(seconds=1), timedelta(days=400)),
)
def test_the_intervals_cover_the_time_and_none_begins_after_it(elapsed, length):
    end = START + elapsed
    starts = interval_starts(START, end, length)
    assert starts[0] == START
    assert all(start < end for start in starts[1:])
    assert len(starts) == MAX_INTERVALS or starts[-1] + length >= end

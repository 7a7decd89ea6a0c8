"""Backfills: the occurrences of a window in their order, and which of them get a run."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import schedules
from app.domain.backfills import Order, Reprocess, Window, wanted

START = datetime(2022, 1, 1, tzinfo=UTC)
# even and uneven ones: nights alone, one minute of a month, a year's two days, clocks that are turned back
DOCUMENTS = [
    {"interval": 3600, "anchor_date": "2022-01-01T00:00:00+00:00"},
    {"interval": 86_400, "timezone": "Europe/Berlin"},
    {"cron": "*/20 1-3 * * *", "timezone": "Europe/Berlin"},
    {"cron": "* 4 1 * *"},
    {"rrule": "DTSTART:20220101T000000\nRRULE:FREQ=YEARLY;BYMONTH=3,4;BYMONTHDAY=1"},
]


@given(st.sampled_from(DOCUMENTS), st.integers(0, 500), st.integers(0, 3000), st.sampled_from(Order), st.data())
def test_batches_are_the_occurrences_of_the_window_one_after_the_other_in_order(document, first_hour, hours, order, data):
    schedule = schedules.validate(document)
    start = START + timedelta(hours=first_hour)
    end = start + timedelta(hours=hours)
    occurrences = list(schedule.occurrences(start, end, 10_000))
    window = Window(schedule, start, end, order, len(occurrences))
    expected = occurrences if order == Order.FORWARD else occurrences[::-1]
    assert window.first == (expected[0] if expected else None)
    found, position = [], window.first
    for number in data.draw(st.lists(st.integers(1, 300), min_size=1, max_size=5)):
        if position is None:
            break
        assert position == expected[len(found)]
        batch, position = window.batch(position, number)
        found += batch
        assert found == expected[: len(found)]
        assert len(batch) == number or position is None
    assert position == (expected[len(found)] if len(found) < len(expected) else None)


def test_the_last_occurrences_of_a_long_window_are_found_where_a_window_of_even_ones_holds_too_many():
    # a few hundred a minute apart at the end of each month, of a year: the last 200 lie together
    schedule = schedules.validate({"cron": "* 0-20 28 * *"})
    occurrences = list(schedule.occurrences(START, START + timedelta(days=365), 100_000))
    assert len(occurrences) == 12 * 21 * 60
    window = Window(schedule, START, START + timedelta(days=365), Order.BACKWARD, len(occurrences))
    batch, position = window.batch(window.first, 200)
    assert (batch, position) == (occurrences[:-201:-1], occurrences[-201])


STATES = st.sampled_from(["SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"])


@given(st.lists(st.none() | STATES, max_size=20))
def test_an_occurrence_gets_a_run_by_the_state_of_its_newest_one(states):
    instants = [START + timedelta(hours=hour) for hour in range(len(states))]
    newest = {instant: state for instant, state in zip(instants, states, strict=True) if state}
    by_state = dict(zip(instants, states, strict=True))
    assert wanted(instants, newest, Reprocess.ALL) == instants
    assert wanted(instants, newest, Reprocess.NONE) == [instant for instant in instants if by_state[instant] is None]
    assert wanted(instants, newest, Reprocess.FAILED) == [instant for instant in instants if by_state[instant] in (None, "FAILED")]


@pytest.mark.parametrize("order", Order)
def test_a_window_between_two_occurrences_has_none(order):
    schedule = schedules.validate(DOCUMENTS[0])
    window = Window(schedule, START + timedelta(minutes=1), START + timedelta(minutes=59), order, 0)
    assert window.first is None

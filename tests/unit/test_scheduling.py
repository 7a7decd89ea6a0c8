"""When a deployment is topped up, and with what: the arithmetic, without a database."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import schedules
from app.services.scheduling import Policy, plan

NOW = datetime(2022, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


def interval(seconds):
    return schedules.parse({"interval": seconds})


def test_a_dense_schedule_is_filled_up_to_the_number_of_runs_and_due_once_a_tenth_has_passed():
    planned = plan(interval(3600), NOW, Policy(max_runs=20))
    assert planned.instants == [NOW + timedelta(hours=hour) for hour in range(20)]
    assert planned.due == planned.instants[1] + TICK


def test_a_sparse_schedule_is_filled_up_to_the_horizon_and_due_when_the_next_instant_comes_into_it():
    planned = plan(interval(7 * 86400), NOW, Policy(max_time=30 * DAY))
    assert len(planned.instants) in (4, 5)
    assert planned.instants[-1] <= NOW + 30 * DAY < planned.instants[-1] + 7 * DAY
    assert planned.due == planned.instants[-1] + 7 * DAY - 30 * DAY


def test_a_schedule_that_fires_first_beyond_the_horizon_is_due_when_that_comes_into_it():
    planned = plan(schedules.parse({"cron": "0 0 29 2 *"}), NOW, Policy())
    assert planned.instants == []
    assert planned.due == datetime(2024, 2, 29, tzinfo=UTC) - 100 * DAY


def test_a_schedule_that_has_ended_is_never_due_again():
    planned = plan(schedules.parse({"rrule": "DTSTART:20220101T000000Z\nRRULE:FREQ=DAILY;COUNT=3"}), NOW, Policy())
    assert (planned.instants, planned.due) == ([], None)


@pytest.mark.parametrize("runs", [1, 2, 9, 10, 11])
def test_a_small_number_of_runs_is_due_again_after_the_first_of_them(runs):
    planned = plan(interval(60), NOW, Policy(max_runs=runs))
    assert len(planned.instants) == runs
    assert planned.due == planned.instants[max(runs // 10, 1) - 1] + TICK


@given(seconds=st.integers(1, 40 * 86400), runs=st.integers(1, 30), days=st.integers(1, 60), passes=st.integers(1, 6))
def test_topping_up_whenever_due_leaves_no_gap_and_keeps_nine_tenths_ahead(seconds, runs, days, passes):
    schedule, policy, now, made = interval(seconds), Policy(max_runs=runs, max_time=days * DAY), NOW, set()
    for _ in range(passes):
        planned = plan(schedule, now, policy)
        made.update(planned.instants)
        assert planned.due > now
        # just before it is due again, what lies ahead is still nearly all that is wanted
        late = planned.due - TICK
        wanted = list(schedule.occurrences(late, policy.end(late), runs))
        missing = [instant for instant in wanted if instant not in made]
        assert len(missing) <= max(runs // 10, 1)
        assert missing == wanted[len(wanted) - len(missing) :]
        now = planned.due
    expected = set(islice(schedule.occurrences(NOW, max(made), len(made)), len(made))) if made else set()
    assert made == expected

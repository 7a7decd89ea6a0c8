"""`app.domain.planning.plan`: which runs a top-up makes, and when the next one is due."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import schedules
from app.domain.instants import LATEST
from app.domain.planning import Plan, Policy, plan
from app.errors import InvalidSchedule

NOW = datetime(2022, 6, 1, 12, 30, tzinfo=UTC)
HOUR, DAY, TICK = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)


def every(interval, anchor=NOW):
    return schedules.parse({"interval": interval.total_seconds(), "anchor_date": anchor.isoformat()})


def test_the_defaults_are_a_hundred_runs_within_a_hundred_days():
    assert Policy() == Policy(max_runs=100, max_time=100 * DAY)


def test_a_frequent_schedule_is_filled_up_to_the_count():
    assert plan(every(HOUR), NOW, Policy()).instants == [NOW + n * HOUR for n in range(100)]


def test_a_rare_schedule_is_filled_up_to_the_horizon_which_belongs_to_it():
    assert plan(every(10 * DAY), NOW, Policy()).instants == [NOW + n * 10 * DAY for n in range(11)]


def test_a_schedule_limited_by_the_count_is_due_right_after_a_tenth_of_its_runs():
    result = plan(every(HOUR), NOW, Policy())
    assert result.due == result.instants[9] + TICK


@pytest.mark.parametrize("max_runs", [1, 2, 9, 10, 19])
def test_a_short_queue_is_due_right_after_its_first_run(max_runs):
    assert plan(every(HOUR), NOW, Policy(max_runs=max_runs)).due == NOW + TICK


def test_a_schedule_limited_by_the_horizon_is_due_when_its_next_date_comes_within_it():
    assert plan(every(30 * DAY), NOW, Policy()).due == NOW + 120 * DAY - 100 * DAY


def test_a_schedule_with_nothing_in_sight_makes_no_runs_and_is_due_when_its_date_comes_within_the_horizon():
    leap_day = schedules.parse({"cron": "0 0 29 2 *"})
    assert plan(leap_day, NOW, Policy()) == Plan([], datetime(2024, 2, 29, tzinfo=UTC) - 100 * DAY)


def test_an_ended_schedule_is_never_due_again():
    ended = schedules.parse({"rrule": "DTSTART:20220101T000000Z\nRRULE:FREQ=DAILY;COUNT=10"})
    assert plan(ended, NOW, Policy()) == Plan([], None)


def test_a_schedule_that_ends_within_the_horizon_gets_its_last_runs_and_is_never_due_again():
    ending = schedules.parse({"rrule": "DTSTART:20220530T000000Z\nRRULE:FREQ=DAILY;COUNT=5"})
    assert plan(ending, NOW, Policy()) == Plan([datetime(2022, 6, day, tzinfo=UTC) for day in (2, 3)], None)


def test_the_end_of_the_years_there_are_ends_every_schedule():
    assert plan(every(DAY, anchor=LATEST - 3 * DAY), LATEST - 2 * DAY, Policy()) == Plan([LATEST - n * DAY for n in (2, 1, 0)], None)


def test_a_run_that_is_to_start_right_now_is_still_made():
    assert plan(every(HOUR), NOW, Policy()).instants[0] == NOW


def test_a_schedule_whose_next_date_is_too_far_off_to_be_found_keeps_its_runs_and_is_looked_at_again_a_tenth_of_the_horizon_later():
    rules = "DTSTART:20220620T000000Z\nRRULE:FREQ=DAILY;INTERVAL=70000\nRRULE:FREQ=DAILY;INTERVAL=80000"
    assert plan(schedules.parse({"rrule": rules}), NOW, Policy()) == Plan([datetime(2022, 6, 20, tzinfo=UTC)], NOW + 10 * DAY)


def test_a_schedule_that_fails_raises():
    with pytest.raises(InvalidSchedule):
        plan(schedules.parse({"cron": "nonsense"}), NOW, Policy())


@given(
    step=st.timedeltas(timedelta(minutes=1), timedelta(days=400)),
    now=st.datetimes(datetime(2021, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    max_runs=st.integers(1, 120),
    max_days=st.integers(1, 400),
)
def test_topping_up_whenever_it_is_due_leaves_out_no_date_and_keeps_nine_tenths_of_the_runs_ahead(step, now, max_runs, max_days):
    schedule, policy = every(step), Policy(max_runs=max_runs, max_time=max_days * DAY)
    made, moment = set(), now
    for _ in range(5):
        result = plan(schedule, moment, policy)
        made.update(result.instants)
        assert result.due > moment
        # just before it is due again
        ahead = [instant for instant in result.instants if instant >= result.due - TICK]
        wanted = list(schedule.occurrences(result.due - TICK, policy.end(result.due - TICK), max_runs))
        assert len(ahead) >= len(wanted) - max(max_runs // 10, 1)
        moment = result.due
    assert sorted(made) == list(schedule.occurrences(now, max(made, default=now), 10_000))[: len(made)]

"""States: what a new one holds, and what a run's states do to its times."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.states import (
    NO_DETAILS,
    TERMINAL,
    RunTimes,
    StateType,
    enter,
    estimated_run_time,
    estimated_start_time_delta,
    new_state,
)

NOW = datetime(2022, 6, 1, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)

SECONDS = st.integers(0, 10_000).map(lambda seconds: timedelta(seconds=seconds))
DUE = st.none() | SECONDS.map(lambda wait: NOW + wait)
STEPS = st.lists(st.tuples(st.sampled_from(StateType), SECONDS, DUE), min_size=1, max_size=12)


def states_of(steps, backwards=False):
    """States one after another, each so much later than the one before (or earlier: a clock that jumps)."""
    timestamp, states = NOW, []
    for number, (kind, wait, due) in enumerate(steps):
        timestamp += -wait if backwards and number % 2 else wait
        states.append(new_state(kind, timestamp, state_details={"scheduled_time": due}))
    return states


def times_after(states):
    """The `RunTimes` after each of `states`."""
    times, previous, seen = RunTimes(), None, []
    for state in states:
        times = enter(times, previous, state)
        previous = state
        seen.append(times)
    return seen


HISTORIES = STEPS.map(states_of)
HISTORIES_OF_JUMPING_CLOCKS = STEPS.map(lambda steps: states_of(steps, backwards=True))


@given(HISTORIES)
def test_run_count_counts_the_entries_into_running(states):
    assert times_after(states)[-1].run_count == [state.type for state in states].count(StateType.RUNNING)


@given(HISTORIES)
def test_total_run_time_is_the_sum_of_the_stretches_spent_running(states):
    stretches = [after.timestamp - before.timestamp for before, after in pairwise(states) if before.type == StateType.RUNNING]
    assert times_after(states)[-1].total_run_time == sum(stretches, timedelta()).total_seconds()


@given(HISTORIES_OF_JUMPING_CLOCKS)
def test_total_run_time_never_shrinks_whatever_the_clocks_say(states):
    totals = [0.0, *(times.total_run_time for times in times_after(states))]
    assert all(before <= after for before, after in pairwise(totals))


@given(HISTORIES)
def test_start_time_is_when_the_run_first_ran(states):
    first = next((state.timestamp for state in states if state.type == StateType.RUNNING), None)
    assert times_after(states)[-1].start_time == first


@given(HISTORIES)
def test_end_time_is_set_if_and_only_if_the_run_is_over_and_had_started(states):
    for state, times in zip(states, times_after(states), strict=True):
        assert (times.end_time is not None) == (state.is_terminal and times.start_time is not None)


@given(HISTORIES)
def test_end_time_is_when_the_run_came_to_be_over(states):
    times = times_after(states)[-1]
    if times.end_time is not None:
        over = len(states)
        while over and states[over - 1].is_terminal:
            over -= 1
        assert times.end_time == states[over].timestamp


@given(HISTORIES_OF_JUMPING_CLOCKS)
def test_expected_start_time_is_set_by_the_first_state_and_never_changes(states):
    first = states[0]
    expected = first.scheduled_time if first.type == StateType.SCHEDULED else first.timestamp
    assert {times.expected_start_time for times in times_after(states)} == {expected}


@given(HISTORIES)
def test_next_scheduled_start_time_is_set_if_and_only_if_the_run_is_scheduled(states):
    for state, times in zip(states, times_after(states), strict=True):
        assert times.next_scheduled_start_time == (state.scheduled_time if state.type == StateType.SCHEDULED else None)
        assert (times.next_scheduled_start_time is not None) == (state.type == StateType.SCHEDULED)


@given(HISTORIES)
def test_what_a_state_does_depends_on_the_one_before_alone(states):
    # a service that kept nothing but the last times and the last state continues where another left off
    times = times_after(states)
    for number in range(1, len(states)):
        assert enter(times[number - 1], states[number - 1], states[number]) == times[number]


def test_a_pending_state_with_a_scheduled_time_is_expected_now():
    due = NOW + timedelta(days=1)
    times = enter(RunTimes(), None, new_state(StateType.PENDING, NOW, state_details={"scheduled_time": due}))
    assert times.expected_start_time == NOW
    assert times.next_scheduled_start_time is None


@pytest.mark.parametrize("kind", StateType)
def test_a_state_is_named_after_its_type_unless_it_is_named(kind):
    assert new_state(kind, NOW).name == kind.value[0] + kind.value[1:].lower()
    assert new_state(kind, NOW, name="Late").name == "Late"


@pytest.mark.parametrize("kind", StateType)
def test_completed_failed_and_cancelled_are_terminal(kind):
    assert new_state(kind, NOW).is_terminal == (kind in TERMINAL) == (kind.value in ("COMPLETED", "FAILED", "CANCELLED"))


def test_a_scheduled_state_without_a_time_is_due_now():
    state = new_state(StateType.SCHEDULED, NOW)
    assert state.scheduled_time == NOW
    assert state.details["scheduled_time"] == "2022-06-01T09:00:00+00:00"


@pytest.mark.parametrize("kind", sorted(set(StateType) - {StateType.SCHEDULED}))
def test_a_state_of_another_type_has_no_scheduled_time_of_its_own(kind):
    assert new_state(kind, NOW).details == NO_DETAILS


def test_the_instants_of_a_state_are_written_in_utc():
    local = datetime(2022, 6, 1, 9, tzinfo=timezone(timedelta(hours=2)))
    details = new_state(StateType.SCHEDULED, NOW, state_details={"scheduled_time": local, "cache_expiration": local}).details
    assert details["scheduled_time"] == details["cache_expiration"] == "2022-06-01T07:00:00+00:00"


def test_states_do_not_share_their_details():
    new_state(StateType.PENDING, NOW).details["cache_key"] = "mine"
    assert new_state(StateType.PENDING, NOW).details == NO_DETAILS
    assert NO_DETAILS["cache_key"] is None


def test_a_running_run_is_estimated_to_run_until_now():
    assert estimated_run_time(5.0, StateType.RUNNING, NOW, NOW + 3 * SECOND) == 8.0
    assert estimated_run_time(5.0, StateType.RUNNING, NOW, NOW - 3 * SECOND) == 5.0


@pytest.mark.parametrize("kind", sorted(set(StateType) - {StateType.RUNNING}))
def test_a_run_that_is_not_running_is_estimated_at_what_is_booked(kind):
    assert estimated_run_time(5.0, kind, NOW, NOW + 3 * SECOND) == 5.0


@pytest.mark.parametrize(
    "rule, expected, started, kind, delta",
    [
        ("started late: by how much", NOW, NOW + 4 * SECOND, StateType.RUNNING, 4.0),
        ("started early: not at all late", NOW + SECOND, NOW, StateType.COMPLETED, 0.0),
        ("should have started: until now", NOW, None, StateType.SCHEDULED, 10.0),
        ("need not have started yet", NOW + 60 * SECOND, None, StateType.SCHEDULED, 0.0),
        ("over without having started", NOW, None, StateType.CANCELLED, 0.0),
        ("nothing was expected", None, None, None, 0.0),
    ],
)
def test_the_estimated_delay_of_a_start(rule, expected, started, kind, delta):
    assert estimated_start_time_delta(expected, started, kind, NOW + 10 * SECOND) == delta, rule

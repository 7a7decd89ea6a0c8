"""The rules of orchestration, each on its own, and what holds for every sequence of proposals."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.orchestration import (
    FLOW_RULES,
    TASK_RULES,
    Abort,
    Accept,
    Reject,
    TagLimit,
    Transition,
    Wait,
    judge,
    keep_terminal_states,
    rename_reruns,
    retrieve_cached_result,
    retry_failures,
    wait_for_concurrency_slots,
    wait_for_scheduled_time,
)
from app.domain.states import RunTimes, StateType, enter, new_state

NOW = datetime(2022, 6, 1, 12, tzinfo=UTC)
TERMINAL = ("COMPLETED", "FAILED", "CANCELLED")


def state(type, name=None, **details):
    return new_state(type, NOW, name=name, state_details=details)


def transition(previous, proposed, **facts):
    return Transition(previous=previous, proposed=proposed, now=NOW, **facts)


@pytest.mark.parametrize("rules", [FLOW_RULES, TASK_RULES])
@pytest.mark.parametrize("type", TERMINAL)
@pytest.mark.parametrize("proposed", StateType)
def test_there_is_no_way_out_of_a_terminal_state(rules, type, proposed):
    assert isinstance(judge(transition(state(type), state(proposed)), rules), Abort)


@pytest.mark.parametrize(("ahead", "wait"), [(0.9, None), (0, None), (-5, None), (1, 1), (1.999, 1), (3600, 3600)])
def test_a_scheduled_run_waits_whole_seconds_for_its_time(ahead, wait):
    previous = state("SCHEDULED", scheduled_time=NOW + timedelta(seconds=ahead))
    verdict = wait_for_scheduled_time(transition(previous, state("RUNNING")))
    assert verdict is None if wait is None else verdict.delay_seconds == wait


@pytest.mark.parametrize("rules", [FLOW_RULES, TASK_RULES])
@pytest.mark.parametrize("type", StateType)
def test_a_run_that_waits_for_its_time_may_end_before_it(rules, type):
    previous = state("SCHEDULED", scheduled_time=NOW + timedelta(days=1))
    assert isinstance(judge(transition(previous, state(type)), rules), Accept if type in TERMINAL else Wait)


def test_only_scheduled_runs_wait_for_a_time():
    assert wait_for_scheduled_time(transition(state("PENDING", scheduled_time=NOW + timedelta(1)), state("RUNNING"))) is None


def test_a_task_run_with_retries_left_awaits_the_next_one_with_what_the_failure_said():
    failed = new_state("FAILED", NOW, message="boom", data={"encoding": "json", "blob": "1"})
    verdict = retry_failures(transition(state("RUNNING"), failed, run_count=2, max_retries=2, retry_delay_seconds=90.0))
    assert (verdict.state.type, verdict.state.name) == ("SCHEDULED", "AwaitingRetry")
    assert verdict.state.scheduled_time == NOW + timedelta(seconds=90)
    assert (verdict.state.message, verdict.state.data) == ("boom", failed.data)


@pytest.mark.parametrize(("previous", "run_count"), [("RUNNING", 3), ("PENDING", 0)])
def test_a_task_run_without_retries_left_or_that_was_not_running_fails(previous, run_count):
    assert retry_failures(transition(state(previous), state("FAILED"), run_count=run_count, max_retries=2)) is None


def test_a_retry_is_due_no_later_than_there_are_years():
    verdict = retry_failures(transition(state("RUNNING"), state("FAILED"), run_count=1, max_retries=1, retry_delay_seconds=1e15 - 1))
    assert verdict.state.scheduled_time.year == 2200


@pytest.mark.parametrize(
    ("previous", "count", "name"), [("AwaitingRetry", 1, "Retrying"), ("Running", 1, "Rerunning"), ("Running", 0, None)]
)
def test_what_runs_again_says_so(previous, count, name):
    verdict = rename_reruns(transition(state("SCHEDULED", name=previous), state("RUNNING"), run_count=count))
    assert verdict is None if name is None else verdict.name == name


def test_a_cached_result_replaces_the_run_at_once():
    cached = new_state("COMPLETED", NOW - timedelta(1), data={"encoding": "json", "blob": "7"}, state_details={"cache_key": "k"})
    verdict = judge(transition(state("PENDING"), state("RUNNING", cache_key="k"), cached={"k": cached}.get), TASK_RULES)
    assert isinstance(verdict, Reject)
    assert (verdict.state.name, verdict.state.type, verdict.state.timestamp, verdict.state.data) == (
        "Cached",
        "COMPLETED",
        NOW,
        cached.data,
    )


@pytest.mark.parametrize("proposed", [state("RUNNING"), state("RUNNING", cache_key="other"), state("COMPLETED", cache_key="k")])
def test_only_a_run_that_would_compute_the_same_is_cached(proposed):
    assert retrieve_cached_result(transition(state("PENDING"), proposed, cached={"k": state("COMPLETED")}.get)) is None


@pytest.mark.parametrize(
    ("limits", "kind"),
    [
        ((), None),
        ([TagLimit("a", 2, 1)], None),
        ([TagLimit("a", 2, 2)], Wait),
        ([TagLimit("a", 1, 3)], Wait),
        ([TagLimit("a", 0, 0)], Abort),
        ([TagLimit("a", 1, 1), TagLimit("b", 0, 0)], Abort),
    ],
)
def test_a_task_run_starts_only_where_every_limit_has_room(limits, kind):
    verdict = wait_for_concurrency_slots(transition(state("PENDING"), state("RUNNING"), limits=lambda: limits))
    assert verdict is None if kind is None else isinstance(verdict, kind)


def test_limits_concern_only_what_starts_to_run():
    asked = transition(state("RUNNING"), state("COMPLETED"), limits=lambda: pytest.fail("the limits were asked for"))
    assert isinstance(judge(asked, TASK_RULES), Accept)


def test_a_cached_result_needs_no_slot():
    full = [TagLimit("a", 1, 1)]
    proposed = state("RUNNING", cache_key="k")
    verdict = judge(transition(state("PENDING"), proposed, cached={"k": state("COMPLETED")}.get, limits=lambda: full), TASK_RULES)
    assert isinstance(verdict, Reject)


def test_the_first_rule_with_a_verdict_decides_and_a_new_name_goes_on_to_the_next():
    seen = []

    def look(transition):
        seen.append(transition.proposed.name)

    verdict = judge(transition(state("RUNNING"), state("RUNNING"), run_count=1), (rename_reruns, look, keep_terminal_states))
    assert seen == ["Rerunning"]
    assert verdict.state.name == "Rerunning"


@given(
    proposals=st.lists(st.sampled_from(StateType), max_size=30),
    max_retries=st.integers(0, 3),
    delay=st.sampled_from([0.0, 0.5, 30.0]),
    pauses=st.lists(st.integers(0, 60), min_size=30, max_size=30),
)
def test_any_sequence_of_proposals_keeps_the_books_in_order(proposals, max_retries, delay, pauses):
    now, times, current, entered = NOW, RunTimes(), None, []
    for type, pause in zip(proposals, pauses, strict=False):
        now += timedelta(seconds=pause)
        asked = Transition(
            previous=current,
            proposed=new_state(type, now),
            now=now,
            run_count=times.run_count,
            max_retries=max_retries,
            retry_delay_seconds=delay,
        )
        verdict = judge(asked, TASK_RULES)
        if isinstance(verdict, Accept | Reject):
            times = enter(times, current, verdict.state)
            current = verdict.state
            entered.append(current)
    running = [entry for entry in entered if entry.type == "RUNNING"]
    assert times.run_count == len(running)
    # what is over stays over, and has an end if it had a start
    assert not any(entry.is_terminal for entry in entered[:-1])
    assert (times.end_time is not None) == bool(entered and entered[-1].is_terminal and running)
    assert times.start_time == (running[0].timestamp if running else None)
    assert 0 <= times.total_run_time <= (now - NOW).total_seconds()
    if times.start_time and times.end_time:
        assert times.total_run_time <= (times.end_time - times.start_time).total_seconds()
    assert all(entry.name in ("Retrying", "Rerunning") for entry in running[1:])
    # each retry follows a failure, and there are no more than were allowed
    assert len([entry for entry in entered if entry.name == "AwaitingRetry"]) <= times.run_count
    if entered and entered[-1].type == "FAILED" and len(entered) > 1 and entered[-2].type == "RUNNING":
        assert times.run_count > max_retries

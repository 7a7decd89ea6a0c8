"""Whether due runs start: what holds for every overlap policy over every sequence of events, and the rules of a single transition."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.orchestration import FLOW_RULES, Accept, Reject, Transition, Wait, judge
from app.domain.start_policy import (
    MISSED,
    SKIPPED,
    SUPERSEDED,
    Overlap,
    Room,
    RunFacts,
    StartPolicy,
    StartPolicyChanges,
    endings,
    failures_in_a_row,
)
from app.domain.states import new_state

NOW = datetime(2022, 6, 1, 12, tzinfo=UTC)
# what happens to a deployment, one event after another: a run falls due (of a schedule or of a backfill), somebody asks for runs, the n-th
# holder ends, the scheduler looks
EVENTS = st.lists(
    st.sampled_from(["due", "due", "backfill", "ask", "settle"]) | st.integers(0, 3).map(lambda number: ("end", number)), max_size=60
)


class World:
    """A deployment's runs as lists: those that hold room, those that are due, and how the others ended."""

    def __init__(self, limit, overlap):
        self.limit, self.overlap = limit, overlap
        self.holders, self.due, self.backfill, self.ended, self.number = [], [], [], {}, 0

    @property
    def room(self):
        return Room(self.limit, self.overlap, tuple(self.holders))

    def settle(self):
        found = endings(self.room, list(self.due))
        for run, name, message in found:
            assert not run.is_backfill
            assert run.id not in self.ended, "a run ends once"
            others = [other for other in self.everybody() if str(other.id) in message]
            assert others, "the message names another run"
            assert run not in others
            self.ended[run.id] = name
            assert (run in self.holders) + (run in self.due) == 1
            self.holders = [holder for holder in self.holders if holder != run]
            self.due = [one for one in self.due if one != run]
        return found

    def everybody(self):
        return [*self.holders, *self.due, *self.backfill, *(RunFacts(id, "", False) for id in self.ended)]

    def step(self, event):
        if event in ("due", "backfill"):
            self.number += 1
            run = RunFacts(UUID(int=self.number), f"run-{self.number}", event == "backfill")
            (self.backfill if event == "backfill" else self.due).append(run)
        elif event == "ask":
            self.settle()
            waiting = sorted(self.due + self.backfill, key=lambda run: run.id)[: self.room.free]
            self.holders += waiting
            self.due = [run for run in self.due if run not in waiting]
            self.backfill = [run for run in self.backfill if run not in waiting]
            self.settle()
        elif event == "settle":
            self.settle()
        elif self.holders:
            self.ended[self.holders.pop(event[1] % len(self.holders)).id] = "COMPLETED"


@given(limit=st.integers(1, 3), overlap=st.sampled_from(Overlap), events=EVENTS)
def test_a_policy_ends_what_it_says_and_nothing_else(limit, overlap, events):
    world = World(limit, overlap)
    for event in events:
        world.step(event)
        assert len(world.holders) <= limit
        if event not in ("ask", "settle"):
            continue
        assert world.settle() == [], "what is settled is settled"
        is_full = len(world.holders) == limit
        if overlap == Overlap.SKIP and is_full:
            assert world.due == []
        if overlap == Overlap.BUFFER_ONE and is_full:
            assert len(world.due) <= 1
        if overlap == Overlap.CANCEL_OTHER:
            # whatever is due may start, but for the room that backfills hold
            assert len(world.due) <= max(limit - sum(run.is_backfill for run in world.holders), 0) or any(
                run.is_backfill for run in world.holders
            )
    names = set(world.ended.values()) - {"COMPLETED"}
    assert names <= {Overlap.BUFFER_ALL: set(), Overlap.CANCEL_OTHER: {SUPERSEDED}}.get(overlap, {SKIPPED})
    # no run is lost
    assert len(world.ended) + len(world.holders) + len(world.due) + len(world.backfill) == world.number


@given(limit=st.integers(1, 3), overlap=st.sampled_from([Overlap.BUFFER_ONE, Overlap.SKIP]), due=st.integers(0, 5))
def test_nothing_is_skipped_while_there_is_room(limit, overlap, due):
    holders = tuple(RunFacts(UUID(int=number), "holder") for number in range(limit - 1))
    assert endings(Room(limit, overlap, holders), [RunFacts(UUID(int=100 + number), "due") for number in range(due)]) == []


@given(st.lists(st.sampled_from(["FAILED", "COMPLETED", "CANCELLED"])))
def test_failures_in_a_row_are_those_since_the_last_success(types):
    counted = 0
    for type in types:
        counted = failures_in_a_row(counted, type)
    since = types[len(types) - types[::-1].index("COMPLETED") :] if "COMPLETED" in types else types
    assert counted == since.count("FAILED")


def transition(previous, proposed, **facts):
    return Transition(previous=previous, proposed=new_state(proposed, NOW), now=NOW, **facts)


def scheduled(**ago):
    return new_state("SCHEDULED", NOW, state_details={"scheduled_time": NOW - timedelta(**ago)})


HOLDERS = (RunFacts(UUID(int=1), "one"), RunFacts(UUID(int=2), "two"))


@pytest.mark.parametrize("proposed", ["PENDING", "RUNNING"])
@pytest.mark.parametrize("overlap", [Overlap.BUFFER_ALL, Overlap.BUFFER_ONE, Overlap.SKIP])
def test_a_run_without_room_waits_and_learns_who_holds_it(proposed, overlap):
    verdict = judge(transition(scheduled(minutes=1), proposed, room=lambda: Room(2, overlap, HOLDERS)), FLOW_RULES)
    assert isinstance(verdict, Wait)
    assert all(f"{run.name} ({run.id})" in verdict.reason for run in HOLDERS)
    assert judge(transition(scheduled(minutes=1), proposed, room=lambda: Room(3, overlap, HOLDERS)), FLOW_RULES) == Accept(
        new_state(proposed, NOW)
    )


@pytest.mark.parametrize(("limit", "cancelled"), [(3, ()), (2, HOLDERS[:1]), (1, HOLDERS)])
def test_a_run_takes_the_room_of_the_oldest_where_it_may(limit, cancelled):
    room = Room(limit, Overlap.CANCEL_OTHER, HOLDERS)
    assert judge(transition(scheduled(minutes=1), "PENDING", room=lambda: room), FLOW_RULES).superseded == cancelled
    of_backfill = judge(transition(scheduled(minutes=1), "PENDING", room=lambda: room, is_backfill=True), FLOW_RULES)
    assert isinstance(of_backfill, Accept if limit == 3 else Wait)


def test_the_room_of_a_backfill_is_not_taken():
    room = Room(1, Overlap.CANCEL_OTHER, (RunFacts(UUID(int=1), "one", True),))
    assert isinstance(judge(transition(scheduled(minutes=1), "PENDING", room=lambda: room), FLOW_RULES), Wait)


@pytest.mark.parametrize("previous", ["PENDING", "RUNNING"])
def test_who_has_room_needs_no_more_of_it(previous):
    room = Room(1, Overlap.SKIP, HOLDERS)
    assert isinstance(judge(transition(new_state(previous, NOW), "RUNNING", room=lambda: room), FLOW_RULES), Accept)


@pytest.mark.parametrize(
    ("facts", "is_missed"),
    [({}, True), ({"run_count": 1}, False), ({"is_backfill": True}, False), ({"created": NOW - timedelta(seconds=60)}, False)],
)
def test_a_run_that_is_due_for_too_long_ends(facts, is_missed):
    asked = {"policy": StartPolicy(catchup_window_seconds=60), "created": NOW - timedelta(days=1)} | facts
    verdict = judge(transition(scheduled(seconds=60.001), "RUNNING", **asked), FLOW_RULES)
    assert isinstance(verdict, Reject if is_missed else Accept)
    if is_missed:
        assert (verdict.state.type, verdict.state.name) == ("CANCELLED", MISSED)
    assert isinstance(judge(transition(scheduled(seconds=60), "RUNNING", **asked), FLOW_RULES), Accept)


def test_null_clears_and_absence_keeps():
    policy = StartPolicy(concurrency_limit=1, overlap=Overlap.SKIP)
    assert StartPolicyChanges().applied_to(policy) == policy
    assert StartPolicyChanges(overlap=None, pause_after_failures=3).applied_to(policy) == StartPolicy(
        concurrency_limit=1, pause_after_failures=3
    )

"""The rules of orchestration: what becomes of a state that a client proposes for a run.

They are the reference's (Orion 2.0b7), and those by which a deployment says whether its runs start (`app.domain.start_policy`).

A rule is a function of a `Transition` that answers a verdict, or None where it has nothing to say. FLOW_RULES and TASK_RULES are the rules
in the order in which they are asked; adding one is adding it there.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from app.domain.instants import LATEST
from app.domain.start_policy import MISSED, NO_POLICY, Overlap, RunFacts, StartPolicy, missed, no_room
from app.domain.states import HELD, State, StateType, new_state

# seconds
SLOT_WAIT = 30
ROOM_WAIT = 10
# The name of a SCHEDULED state of a run that ended and is to run again
AWAITING_RETRY = "AwaitingRetry"


class TagLimit(NamedTuple):
    """A concurrency limit on one of a task run's tags: at most `limit` may be running, and `taken` others are."""

    tag: str
    limit: int
    taken: int


@dataclass(frozen=True, kw_only=True)
class Transition:
    """A run in `previous` (None: in no state yet) for which `proposed` is proposed at `now`.

    `run_count` says how often it has been running, `max_retries` and `retry_delay_seconds` how it is retried. What only a database knows
    is asked for when a rule wants it: `cached(key)` answers the completed State that stands for a cache key, or None; `limits()` the
    TagLimits that concern the run, in order of tag; `room()` the `Room` under the concurrency limit of its deployment, or None.
    `policy` is that of the deployment, `created` when the run was made; the runs of a backfill are not subject to overlap and catch-up.
    """

    previous: State | None
    proposed: State
    now: datetime
    run_count: int = 0
    max_retries: int = 0
    retry_delay_seconds: float = 0.0
    cached: Callable = field(default=lambda key: None)
    limits: Callable = field(default=lambda: ())
    room: Callable = field(default=lambda: None)
    policy: StartPolicy = NO_POLICY
    created: datetime | None = None
    is_backfill: bool = False

    def leaves(self, *types):
        """Return whether the run is in a state of one of `types`."""
        return self.previous is not None and self.previous.type in types

    def enters(self, *types):
        """Return whether the proposed state is of one of `types`."""
        return self.proposed.type in types

    @property
    def starts(self):
        """Return whether the run would take up room from now on."""
        return self.enters(*HELD) and not self.leaves(*HELD)


@dataclass(frozen=True)
class Verdict:
    """What becomes of a proposal. `rule` is the name of the rule that decided it, None where none had anything to say."""

    rule: str | None = field(default=None, kw_only=True, compare=False)


@dataclass(frozen=True)
class Accept(Verdict):
    """The run enters `state`, and the runs that it has `superseded` (`RunFacts`) are cancelled."""

    state: State
    superseded: tuple[RunFacts, ...] = ()


@dataclass(frozen=True)
class Reject(Verdict):
    """The run enters `state` instead of the one proposed."""

    state: State
    reason: str


@dataclass(frozen=True)
class Wait(Verdict):
    """Nothing changes; the client is to propose it again after `delay_seconds`, a whole number."""

    delay_seconds: int
    reason: str


@dataclass(frozen=True)
class Abort(Verdict):
    """Nothing changes, and the client is to give up."""

    reason: str


@dataclass(frozen=True)
class Rename:
    """The proposed state is to be called `name`; the rules that follow are asked all the same."""

    name: str


@dataclass(frozen=True)
class Supersede:
    """The `runs` are cancelled if this one starts; the rules that follow are asked all the same."""

    runs: tuple[RunFacts, ...]


def keep_terminal_states(transition):
    """A run that is over stays as it is."""
    if transition.previous is not None and transition.previous.is_terminal:
        return Abort("The run is over.")


def wait_for_scheduled_time(transition):
    """A scheduled run starts when its time has come; fractions of a second are not waited for. It may end before that."""
    if transition.proposed.is_terminal:
        return
    if transition.leaves(StateType.SCHEDULED) and transition.previous.scheduled_time is not None:
        seconds = int((transition.previous.scheduled_time - transition.now).total_seconds())
        if seconds > 0:
            return Wait(seconds, "The scheduled time has not come yet.")


def end_missed_runs(transition):
    """A run that has been due for longer than the catch-up window of its deployment ends, and does not start any more."""
    if not (transition.starts and transition.leaves(StateType.SCHEDULED)) or transition.run_count or transition.is_backfill:
        return
    due, policy = transition.previous.scheduled_time, transition.policy
    if transition.created is not None and policy.is_missed(due, transition.created, transition.now):
        message = missed(due, policy.catchup_window_seconds)
        return Reject(new_state(StateType.CANCELLED, transition.now, name=MISSED, message=message), message)


def wait_for_room(transition):
    """A flow run starts only where the concurrency limit of its deployment has room for it, or where it may take that of others."""
    room = transition.room() if transition.starts else None
    if room is None or room.free:
        return
    if room.overlap == Overlap.CANCEL_OTHER and not transition.is_backfill:
        cancelled = room.cancelled_for(1)
        if len(room.holders) - len(cancelled) < room.limit:
            return Supersede(cancelled)
    return Wait(ROOM_WAIT, no_room(room))


def retrieve_cached_result(transition):
    """A task run that would compute what is cached is completed with that instead."""
    key = transition.proposed.details["cache_key"]
    if transition.enters(StateType.RUNNING) and key:
        state = transition.cached(key)
        if state is not None:
            return Reject(replace(state, name="Cached", timestamp=transition.now), "The result is cached.")


def wait_for_concurrency_slots(transition):
    """A task run starts only where each limit on its tags has room for it."""
    if transition.enters(StateType.RUNNING):
        # a limit of nothing first: where it holds, waiting for the others leads nowhere
        for tag, limit, taken in sorted(transition.limits(), key=lambda limit: limit.limit > 0):
            if limit <= 0:
                return Abort(f'The concurrency limit on tag "{tag}" is {limit}, so the task run can never start.')
            if taken >= limit:
                return Wait(SLOT_WAIT, f'Every slot under the concurrency limit on tag "{tag}" is taken.')


def retry_failures(transition):
    """A task run that fails and has retries left waits for the next one instead."""
    if transition.leaves(StateType.RUNNING) and transition.enters(StateType.FAILED) and transition.run_count <= transition.max_retries:
        longest = (LATEST - transition.now).total_seconds()
        due = transition.now + timedelta(seconds=min(transition.retry_delay_seconds, longest))
        failed = transition.proposed
        details = {"scheduled_time": due}
        state = new_state(
            StateType.SCHEDULED, transition.now, name=AWAITING_RETRY, message=failed.message, data=failed.data, state_details=details
        )
        return Reject(state, "The task run has retries left.")


def rename_reruns(transition):
    """What has run before says so when it runs again."""
    if transition.enters(StateType.RUNNING) and transition.run_count > 0:
        retried = transition.previous is not None and transition.previous.name == AWAITING_RETRY
        return Rename("Retrying" if retried else "Rerunning")


FLOW_RULES = (keep_terminal_states, wait_for_scheduled_time, end_missed_runs, wait_for_room)
TASK_RULES = (
    retrieve_cached_result,
    wait_for_concurrency_slots,
    keep_terminal_states,
    wait_for_scheduled_time,
    retry_failures,
    rename_reruns,
)


def judge(transition, rules):
    """Return the verdict on `transition`, an Accept, Reject, Wait or Abort: that of the first rule that has one, Accept if none has."""
    superseded = ()
    for rule in rules:
        verdict = rule(transition)
        if isinstance(verdict, Supersede):
            superseded += verdict.runs
        elif isinstance(verdict, Rename):
            transition = replace(transition, proposed=replace(transition.proposed, name=verdict.name))
        elif verdict is not None:
            return replace(verdict, rule=rule.__name__)
    return Accept(transition.proposed, superseded)

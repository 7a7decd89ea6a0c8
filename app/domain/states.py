"""States of runs: types, values, and what entering one does to its run. The rules are the reference's (Orion 2.0b7).

`enter` is the rule. Statements that take many runs to a state at once repeat it in SQL (`app.repositories.claims`,
`app.repositories.scheduled_runs`); tests/integration/test_bulk_states.py compares them with it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from app.domain.instants import isoformat


class StateType(StrEnum):
    """The six types that every state, whatever its name, is one of."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


# Those in which somebody has a run in hand
HELD = (StateType.PENDING, StateType.RUNNING)
TERMINAL = frozenset({StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED})

NO_DETAILS = {
    "flow_run_id": None,
    "task_run_id": None,
    "child_flow_run_id": None,
    "scheduled_time": None,
    "cache_key": None,
    "cache_expiration": None,
}


@dataclass(frozen=True, kw_only=True)
class State:
    """A state at an instant. `details` has the members of NO_DETAILS, as JSON values; `data` is `{encoding, blob}` or None."""

    type: StateType
    timestamp: datetime
    name: str
    message: str | None = None
    data: dict | None = None
    details: dict = field(default_factory=NO_DETAILS.copy)
    scheduled_time: datetime | None = None

    @property
    def is_terminal(self):
        """Return whether a run in this state is over."""
        return self.type in TERMINAL


def new_state(type, now, *, name=None, message=None, data=None, state_details=None):
    """Return the `State` a client asks for: named after its type unless named, and due now if SCHEDULED without a `scheduled_time`.

    `state_details` maps some of NO_DETAILS to values: ids as UUIDs or text, instants as aware datetimes.
    """
    details = NO_DETAILS | (state_details or {})
    scheduled_time = details["scheduled_time"]
    if type == StateType.SCHEDULED and scheduled_time is None:
        scheduled_time = now
    details |= {name: str(details[name]) for name in ("flow_run_id", "task_run_id", "child_flow_run_id") if details[name] is not None}
    details |= {
        "scheduled_time": scheduled_time and isoformat(scheduled_time),
        "cache_expiration": details["cache_expiration"] and isoformat(details["cache_expiration"]),
    }
    return State(
        type=StateType(type),
        timestamp=now,
        name=type.capitalize() if name is None else name,
        message=message,
        data=data,
        details=details,
        scheduled_time=scheduled_time,
    )


@dataclass(frozen=True, kw_only=True)
class RunTimes:
    """What a run's states have done to it so far. `total_run_time` is in seconds."""

    run_count: int = 0
    total_run_time: float = 0.0
    expected_start_time: datetime | None = None
    next_scheduled_start_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None


def enter(times, previous, state):
    """Return the `RunTimes` of a run that leaves `previous` (a `State`, or None for its first) and enters `state`."""
    running = state.type == StateType.RUNNING
    # a state of another type may carry the time too, and means nothing by it
    due = state.scheduled_time if state.type == StateType.SCHEDULED else None
    start_time = times.start_time or (state.timestamp if running else None)
    end_time = times.end_time if state.is_terminal else None
    if state.is_terminal and start_time is not None and end_time is None:
        end_time = state.timestamp
    elapsed = 0.0
    if previous is not None and previous.type == StateType.RUNNING:
        # clocks of two servers may disagree; a run never takes less than no time
        elapsed = max((state.timestamp - previous.timestamp).total_seconds(), 0.0)
    return RunTimes(
        run_count=times.run_count + running,
        total_run_time=times.total_run_time + elapsed,
        expected_start_time=times.expected_start_time or due or state.timestamp,
        next_scheduled_start_time=due,
        start_time=start_time,
        end_time=end_time,
    )


def estimated_run_time(total_run_time, state_type, state_timestamp, now):
    """Return how many seconds a run has been running up to `now`: the total of earlier stretches, and the present one if it runs."""
    if state_type == StateType.RUNNING and state_timestamp is not None:
        return total_run_time + max((now - state_timestamp).total_seconds(), 0.0)
    return total_run_time


def estimated_start_time_delta(expected_start_time, start_time, state_type, now):
    """Return the seconds between the expected and the actual start, or, for a run that should have started, up to `now`. Never negative."""
    if expected_start_time is None:
        return 0.0
    if start_time is None and state_type in TERMINAL:
        return 0.0
    return max(((start_time or now) - expected_start_time).total_seconds(), 0.0)

"""Whether a due run starts: what a deployment says of it, and the room that its concurrency limit leaves."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from app.domain.states import StateType
from app.domain.unset import UNSET, Unset, given

MAX_CONCURRENCY = 1_000
MAX_FAILURES = 1_000

# The types of the ends that count for `pause_after_failures`
COUNTED = (StateType.FAILED, StateType.COMPLETED)

# Runs that a message names
LISTED = 5

# The names of the CANCELLED states of runs that a policy ended
SKIPPED, SUPERSEDED, MISSED = "Skipped", "Superseded", "Missed"


class Overlap(StrEnum):
    """What becomes of a due run that finds no room under the concurrency limit of its deployment.

    buffer_all: it waits. buffer_one: the longest due waits, the others are skipped. skip: it is skipped. cancel_other: the runs that hold
    the room are cancelled, the oldest first, and it starts.
    """

    BUFFER_ALL = "buffer_all"
    BUFFER_ONE = "buffer_one"
    SKIP = "skip"
    CANCEL_OTHER = "cancel_other"


@dataclass(frozen=True, kw_only=True)
class StartPolicy:
    """What a deployment says of the start of its runs. None: nothing."""

    concurrency_limit: int | None = None
    overlap: Overlap = Overlap.BUFFER_ALL
    catchup_window_seconds: int | None = None
    pause_after_failures: int | None = None

    def is_missed(self, due, created, now):
        """Return whether a run that has never been RUNNING, due since `due` and made at `created`, is not to start any more."""
        if self.catchup_window_seconds is None or due is None:
            return False
        return now - due_since(due, created) > timedelta(seconds=self.catchup_window_seconds)


NO_POLICY = StartPolicy()


@dataclass(frozen=True, kw_only=True)
class StartPolicyChanges:
    """What a request sets of a `StartPolicy`. UNSET keeps the stored value, None clears it."""

    concurrency_limit: int | Unset | None = UNSET
    overlap: Overlap | Unset | None = UNSET
    catchup_window_seconds: int | Unset | None = UNSET
    pause_after_failures: int | Unset | None = UNSET

    def applied_to(self, policy):
        """Return the `StartPolicy` with the changes made."""
        changes: dict[str, Any] = given(self)
        if changes.get("overlap", UNSET) is None:
            changes["overlap"] = Overlap.BUFFER_ALL
        return replace(policy, **changes)


class RunFacts(NamedTuple):
    """What is to be known of a run that holds room or is due. The runs of a backfill wait, whatever the overlap is."""

    id: UUID
    name: str
    is_backfill: bool = False


@dataclass(frozen=True)
class Room:
    """The room under a deployment's concurrency limit: `holders` are the `RunFacts` that take it up, the oldest first."""

    limit: int
    overlap: Overlap
    holders: tuple[RunFacts, ...] = ()

    @property
    def free(self):
        """Return how many more runs may start."""
        return max(self.limit - len(self.holders), 0)

    def cancelled_for(self, number):
        """Return the holders that `number` due runs, none of a backfill, take the room of."""
        needed = max(len(self.holders) + number - self.limit, 0)
        return tuple(holder for holder in self.holders if not holder.is_backfill)[:needed]


class Ending(NamedTuple):
    """A run that a policy ends, in a CANCELLED state with a `name` and a `message`."""

    run: RunFacts
    name: str
    message: str


def buffer_all(room, due):
    """Each waits."""
    return []


def buffer_one(room, due):
    """The longest due waits, the others are skipped."""
    return [Ending(run, SKIPPED, f"Skipped: {named(due[0])} waits for room already.") for run in due[1:]] if not room.free else []


def skip(room, due):
    """Each is skipped."""
    return [Ending(run, SKIPPED, f"Skipped: {_holding(room.holders)}.") for run in due] if not room.free else []


def cancel_other(room, due):
    """Runs that hold the room are cancelled, the oldest first, and so are those that newer due runs would take the room of."""
    newest = due[-room.limit :]
    endings = [Ending(run, SUPERSEDED, superseded_by(newest[0])) for run in due[: -room.limit]]
    cancelled = room.cancelled_for(len(newest))
    # the room that is free goes to those that have been due for longest
    takers = newest[len(newest) - len(cancelled) :]
    return endings + [Ending(run, SUPERSEDED, superseded_by(taker)) for run, taker in zip(cancelled, takers, strict=False)]


OVERLAPS: dict[Overlap, Callable[[Room, list[RunFacts]], list[Ending]]] = {
    Overlap.BUFFER_ALL: buffer_all,
    Overlap.BUFFER_ONE: buffer_one,
    Overlap.SKIP: skip,
    Overlap.CANCEL_OTHER: cancel_other,
}


def endings(room, due):
    """Return the `Ending`s of runs that overlap; `due` are the `RunFacts` of due runs, none of a backfill, the longest due first."""
    return OVERLAPS[room.overlap](room, due)


def missed(due, window_seconds):
    """Return the message of the state of a run that was `due` and is not to start any more."""
    return f"Missed: due at {due.isoformat()}, and not started within the catch-up window of {window_seconds} s."


def no_room(room):
    """Return why a run cannot start."""
    return f"The deployment's concurrency limit is {room.limit}, and {_holding(room.holders)}."


def failures_in_a_row(before, state_type):
    """Return how many runs of a deployment have FAILED in a row, after one has ended in a state of that type.

    A CANCELLED one counts for nothing.
    """
    return {StateType.FAILED: before + 1, StateType.COMPLETED: 0}.get(state_type, before)


def pause_note(failures, run_name, run_id):
    """Return why a deployment was paused after failures."""
    return f"Paused after {failures} failed {'run' if failures == 1 else 'runs in a row'}; the last one is {run_name} ({run_id})."


def named(run):
    """Return the name and the id of a run, for people."""
    return f"{run.name} ({run.id})"


def _holding(holders):
    if not holders:
        return "no run may start"
    shown = ", ".join(named(run) for run in holders[:LISTED])
    more = f" and {len(holders) - LISTED} more" if len(holders) > LISTED else ""
    return f"{shown}{more} {'holds' if len(holders) == 1 else 'hold'} the room"


def superseded_by(run):
    """Return the message of the state of a run whose room `run` takes."""
    return f"Superseded by {named(run)}."


def due_since(next_scheduled_start_time: datetime, created: datetime) -> datetime:
    """Return since when a run could have been started."""
    return max(next_scheduled_start_time, created)

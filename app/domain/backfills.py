"""Backfills: the runs of a schedule for its occurrences in a window, made one after the other."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from app.domain.states import StateType

# Occurrences that a window may have
MAX_OCCURRENCES = 100_000
MAX_ACTIVE = 1_000
# Occurrences that are read at once, in the search for the last ones before an instant
_MOST_READ = 10_000
_TICK = timedelta(microseconds=1)


class BackfillState(StrEnum):
    """Where a backfill is. A PAUSED one makes no more runs until it is resumed; COMPLETED and CANCELLED ones are over."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


OVER = (BackfillState.COMPLETED, BackfillState.CANCELLED)


class Order(StrEnum):
    """The order in which a backfill makes its runs."""

    FORWARD = "forward"
    BACKWARD = "backward"


class Reprocess(StrEnum):
    """For which occurrences a backfill makes a run. none: those that have none; failed: those too whose newest run FAILED; all: each."""

    NONE = "none"
    FAILED = "failed"
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class NewBackfill:
    """What a request asks for. `slug` names the schedule."""

    start: datetime
    end: datetime
    slug: str = "default"
    order: Order = Order.FORWARD
    max_active: int | None = None
    reprocess: Reprocess = Reprocess.NONE
    parameters: dict[str, Any] = field(default_factory=dict)


class Window(NamedTuple):
    """The occurrences of a `schedule` in [start, end], in an order. `total` is how many there are."""

    schedule: Any
    start: datetime
    end: datetime
    order: Order
    total: int

    @property
    def first(self):
        """Return the occurrence to begin with, or None."""
        return self._at_or_beyond(self.start if self.order == Order.FORWARD else self.end)

    def batch(self, position, number):
        """Return up to `number` occurrences from `position` on, in order, and the one that follows them, or None."""
        found = self._from(position, number + 1)
        return found[:number], (found[number] if len(found) > number else None)

    def _at_or_beyond(self, position):
        return next(iter(self._from(position, 1)), None)

    def _from(self, position, number):
        if self.order == Order.FORWARD:
            return list(self.schedule.occurrences(position, self.end, number))
        return self._before(position, number)

    def _before(self, position, number):
        """Return the last `number` occurrences in [start, position], the last first.

        Schedules yield the first ones of a window: one is looked for that holds as many as are wanted, and not many more.
        """
        whole = position - self.start
        # as long as a window of so many would be if the occurrences were even
        length = min((self.end - self.start) * (number + 1) / max(self.total, 1) + _TICK, whole)
        too_short, too_long = timedelta(0), whole
        while True:
            found, read = deque(maxlen=number), 0
            for occurrence in self.schedule.occurrences(position - length, position, _MOST_READ + number):
                found.append(occurrence)
                read += 1
            if read == _MOST_READ + number:
                too_long = length
            elif read >= number or length >= whole:
                return list(reversed(found))
            else:
                too_short = length
            length = min(2 * length, whole) if too_long == whole and read < number else (too_short + too_long) / 2


def wanted(occurrences: Iterable[datetime], newest: dict[datetime, str | None], reprocess: Reprocess) -> list[datetime]:
    """Return those of `occurrences` that get a run, where `newest` maps those that have one to the type of the newest one's state."""
    if reprocess == Reprocess.ALL:
        return list(occurrences)
    again = {StateType.FAILED} if reprocess == Reprocess.FAILED else set()
    return [occurrence for occurrence in occurrences if occurrence not in newest or newest[occurrence] in again]


def run_key(id: UUID, occurrence: datetime) -> str:
    """Return the idempotency key of a backfill's run of an occurrence."""
    return f"backfill {id} {occurrence.isoformat()}"


def run_tag(id: UUID) -> str:
    """Return the tag that all runs of a backfill have."""
    return f"backfill:{id}"

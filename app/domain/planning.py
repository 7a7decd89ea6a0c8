"""How far ahead the runs of a schedule are made, and when the next ones are due to be made."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain import schedules
from app.domain.instants import LATEST

MAX_RETRY_WAIT = timedelta(days=1)
TICK = timedelta(microseconds=1)  # the smallest step between instants


@dataclass(frozen=True)
class Policy:
    """How far ahead runs are made: at most `max_runs`, within `max_time`. `retry` is the wait after a schedule's first failure."""

    max_runs: int = 100
    max_time: timedelta = timedelta(days=100)
    retry: timedelta = timedelta(seconds=60)

    def end(self, start):
        """Return the last instant of a window that begins at `start`."""
        return start + min(self.max_time, LATEST - start)

    def retry_wait(self, failures):
        """Return how long to wait after a failure that follows `failures` others: each time twice as long, at most a day."""
        return min(self.retry * 2 ** min(failures, 20), MAX_RETRY_WAIT)


@dataclass(frozen=True)
class Plan:
    """The instants to make runs for, and when to plan again (None: never)."""

    instants: list
    due: datetime | None


def plan(schedule, now, policy):
    """Return the `Plan` for a top-up of `schedule` at `now`."""
    end = policy.end(now)
    instants = list(schedule.occurrences(now, end, policy.max_runs))
    if len(instants) == policy.max_runs:
        # again once a tenth of them has passed: few writes at a time, but not one transaction for every run that starts
        return Plan(instants, instants[max(policy.max_runs // 10, 1) - 1] + TICK)
    try:
        following = next(iter(schedule.occurrences(end + TICK, LATEST, 1)), None)
    except schedules.ScheduleTooSlow:
        # it may be too far off to be found in one search, or come soon: search again when a tenth of the horizon has passed
        return Plan(instants, now + max((end - now) / 10, TICK))
    return Plan(instants, following and following - policy.max_time)

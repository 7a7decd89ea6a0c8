"""How far ahead the runs of a schedule are made, and when the next ones are due to be made."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain import schedules
from app.domain.instants import LATEST

MAX_RETRY_WAIT = timedelta(days=1)
TICK = timedelta(microseconds=1)  # the smallest step between instants
MAX_BEFORE = (
    10_000  # occurrences looked at in the search for the last one before an instant; there are far fewer where they are a second apart
)


@dataclass(frozen=True)
class Policy:
    """How far ahead runs are made: at most `max_runs`, within `max_time`. `retry` is the wait after a schedule's first failure."""

    max_runs: int = 100
    max_time: timedelta = timedelta(days=100)
    retry: timedelta = timedelta(seconds=60)

    def of(self, schedule):
        """Return the policy for a `DeploymentSchedule`, which may have a number of runs of its own."""
        return self if schedule.max_scheduled_runs is None else replace(self, max_runs=schedule.max_scheduled_runs)

    def end(self, start):
        """Return the last instant of a window that begins at `start`."""
        return start + min(self.max_time, LATEST - start)

    def retry_wait(self, failures):
        """Return how long to wait after a failure that follows `failures` others: each time twice as long, at most a day."""
        return min(self.retry * 2 ** min(failures, 20), MAX_RETRY_WAIT)


@dataclass(frozen=True)
class Plan:
    """The occurrences to make runs for, and when to plan again (None: never)."""

    instants: list
    due: datetime | None


def plan(schedule, now, policy):
    """Return the `Plan` for a top-up of `schedule` at `now`: occurrences from now on, and the one before whose run is still to start."""
    end = policy.end(now)
    instants = list(schedule.occurrences(now, end, policy.max_runs))
    planned = _delayed(schedule, now) + instants
    if len(instants) == policy.max_runs:
        # again once a tenth of them has passed: few writes at a time, but not one transaction for every run that starts
        return Plan(planned, instants[max(policy.max_runs // 10, 1) - 1] + TICK)
    try:
        following = next(iter(schedule.occurrences(end + TICK, LATEST, 1)), None)
    except schedules.ScheduleTooSlow:
        # it may be too far off to be found in one search, or come soon: search again when a tenth of the horizon has passed
        return Plan(planned, now + max((end - now) / 10, TICK))
    return Plan(planned, following and following - policy.max_time)


def _delayed(schedule, now):
    """Return the occurrence before `now` whose run jitter lets start later than that, as a list of one or none.

    It can be the last one alone, for no run starts later than the next occurrence.
    """
    longest, length = schedule.longest_offset, timedelta(seconds=1)
    while longest:
        length = min(length, longest)
        before = list(schedule.occurrences(now - length, now - TICK, MAX_BEFORE))
        if before and len(before) < MAX_BEFORE:
            return [last for last in before[-1:] if last + schedule.offset(last) > now]
        if before or length == longest:
            break
        length *= 4
    return []

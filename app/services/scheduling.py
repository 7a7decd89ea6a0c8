"""From schedules to runs: which instants a deployment is to run at, and the rows that make it so.

Everything here works on deployments whose rows the caller has locked in its transaction.
"""

import json
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain import schedules
from app.domain.ids import new_id
from app.domain.instants import LATEST
from app.domain.names import random_name
from app.errors import InvalidSchedule
from app.repositories.deployments import Deployments
from app.repositories.flow_runs import FlowRuns

AUTO_SCHEDULED_TAG = "auto-scheduled"
log = logging.getLogger("mintaka.scheduler")

LONGEST_RETRY = timedelta(days=1)
TICK = timedelta(microseconds=1)  # the smallest step between instants

# Runs in one statement, and bytes of what they have from their deployments, which every run holds a copy of: it must end well within
# the statement timeout
RUNS_PER_STATEMENT = 5_000
BYTES_PER_STATEMENT = 16_000_000


@dataclass(frozen=True)
class Policy:
    """How far ahead runs are made: at most `max_runs`, within `max_time`; and the wait `retry` after a schedule's first failure."""

    max_runs: int = 100
    max_time: timedelta = timedelta(days=100)
    retry: timedelta = timedelta(seconds=60)

    def end(self, start):
        """The last instant of a window that begins at `start`."""
        return start + min(self.max_time, LATEST - start)


@dataclass(frozen=True)
class Plan:
    """The instants to make runs for, and when the deployment is to be looked at again (None: never)."""

    instants: list
    due: datetime | None


def plan(schedule, now, policy):
    """The `Plan` for a top-up of `schedule` at `now`."""
    end = policy.end(now)
    instants = list(schedule.occurrences(now, end, policy.max_runs))
    if len(instants) == policy.max_runs:
        # again once a tenth of them has passed: few writes at a time, but not one transaction for every run that starts
        return Plan(instants, instants[max(policy.max_runs // 10, 1) - 1] + TICK)
    try:
        following = next(iter(schedule.occurrences(end + TICK, LATEST, 1)), None)
    except schedules.ScheduleTooSlow:
        # it may be so far off that it is not to be found in one go, or come soon: a tenth of the horizon on, more of it is in sight
        return Plan(instants, now + max((end - now) / 10, TICK))
    return Plan(instants, following and following - policy.max_time)


class Scheduling:
    """Makes and removes the runs of schedules."""

    def __init__(self, session, clock, policy):
        self.clock = clock
        self.policy = policy
        self.deployments = Deployments(session, clock)
        self.flow_runs = FlowRuns(session, clock)

    def top_up(self, rows, looking=False):
        """Make the runs that the locked deployments `rows` lack, and note when each is due again. Returns (runs made, failures).

        A deployment whose schedule fails gets no runs and is tried again later, each time twice as late; the others are not affected.
        With `looking`, what is there is looked at first, and nothing is written that it says already: for where it is all there mostly.
        """
        now = self.clock()
        planned, outcomes, failures = [], [], 0
        for row in rows:
            try:
                result = plan(schedules.parse(row.schedule), now, self.policy)
            # whatever is wrong with a schedule, even a fault of ours, must not keep the scheduler from the others
            except Exception as error:
                failures += 1
                expected = isinstance(error, InvalidSchedule)
                reason = str(error) if expected else f"{type(error).__name__}: {error}"
                outcomes.append(_failed(row, now, reason, self.policy, exc_info=not expected))
            else:
                planned.append((row, self._missing(row, result.instants) if looking else result.instants))
                outcomes.append(_outcome(row, result.due, None, 0))
        if looking:
            outcomes = [outcome for row, outcome in zip(rows, outcomes, strict=True) if not _says(row, outcome)]
        created = self._insert(planned)
        self.deployments.record_top_ups(outcomes)
        return created, failures

    def set_back(self, row, reason):
        """Note that the locked deployment `row` could not be topped up, for a `reason` that is none of its schedule's, and try it later."""
        self.deployments.record_top_ups([_failed(row, self.clock(), reason, self.policy)])

    def fill(self, row, start, end, max_runs):
        """Make the runs of the locked deployment `row` in [start, end], at most `max_runs`. Returns a report: a mapping of

        `due` (instants in the window), `created` and `existing` (runs), `truncated` (whether the window holds more than `max_runs`)
        and `reason` (why nothing is due, or None).
        """
        if row.schedule is None or not row.is_schedule_active:
            reason = "The deployment has no schedule." if row.schedule is None else "The deployment's schedule is inactive."
            return {"due": 0, "created": 0, "existing": 0, "truncated": False, "reason": reason}
        found = list(schedules.parse(row.schedule).occurrences(start, end, max_runs + 1))
        instants = found[:max_runs]
        # whoever asks for a window often has most of it
        created = self._insert([(row, self._missing(row, instants))])
        return {
            "due": len(instants),
            "created": created,
            "existing": len(instants) - created,
            "truncated": len(found) > max_runs,
            "reason": None if instants else "The schedule has no occurrence in the window.",
        }

    def remove(self, row):
        """Delete the runs that the schedule of the locked deployment `row` made and that have not been started."""
        self.flow_runs.delete_scheduled(row.id, auto_scheduled_only=True)

    def _missing(self, row, instants):
        # a look costs less than runs that are made for nothing
        there = self.flow_runs.scheduled_instants(row.id, instants[0], instants[-1]) if instants else set()
        return [instant for instant in instants if instant not in there]

    def _insert(self, planned):
        return sum(self.flow_runs.insert_scheduled(*statement) for statement in _statements(planned))


def _statements(planned):
    """Yield (owners, runs), as `FlowRuns.insert_scheduled` takes them, for statements of a bounded size, each with a run at least."""
    owners, runs, size = {}, [], 0
    # in the order of the key, so that new ids are in the order that rows are written in
    for row, instants in sorted(planned, key=lambda pair: pair[0].id):
        owner = {"id": row.id, "flow_id": row.flow_id, "parameters": row.parameters, "tags": [AUTO_SCHEDULED_TAG, *row.tags]}
        owner |= {"flow_runner_type": row.flow_runner_type, "flow_runner_config": row.flow_runner_config}
        weight = len(json.dumps([row.parameters, row.tags, row.flow_runner_config])) if instants else 0
        for instant in instants:
            if runs and (len(runs) == RUNS_PER_STATEMENT or size + weight > BYTES_PER_STATEMENT):
                yield list(owners.values()), runs
                owners, runs, size = {}, [], 0
            owners[row.id] = owner
            runs.append(_run(row.id, instant))
            size += weight
    if runs:
        yield list(owners.values()), runs


def _run(deployment_id, instant):
    # one scheme of keys for whoever makes a run of the occurrence, whatever the zone or window it was asked in
    key = f"scheduled {deployment_id} {instant.isoformat()}"
    return {"id": new_id(), "state_id": new_id(), "deployment_id": deployment_id, "name": random_name(), "key": key, "instant": instant}


def _outcome(row, due, error, failures):
    return {"id": row.id, "top_up_due": due, "schedule_error": error, "schedule_failures": failures}


def _failed(row, now, reason, policy, **logged):
    log.warning("the schedule of deployment %s failed: %s", row.id, reason, extra={"deployment_id": str(row.id)}, **logged)
    wait = min(policy.retry * 2 ** min(row.schedule_failures, 20), LONGEST_RETRY)
    return _outcome(row, now + wait, reason, row.schedule_failures + 1)


def _says(row, outcome):
    return all(getattr(row, name) == value for name, value in outcome.items())

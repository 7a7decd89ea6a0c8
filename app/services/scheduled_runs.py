"""From schedules to runs: the runs that a deployment is to have, made and removed.

Everything here works on deployments that the caller has locked in its transaction.
"""

import logging

from app.domain.deployments import TopUp
from app.domain.planning import plan
from app.errors import InvalidSchedule

log = logging.getLogger("mintaka.scheduler")


class ScheduledRunService:
    """Makes and removes the runs of schedules."""

    def __init__(self, unit):
        self.clock, self.policy = unit.clock, unit.policy
        self.deployments, self.scheduled_runs = unit.deployments, unit.scheduled_runs

    def top_up(self, deployments, *, skip_existing=False):
        """Make the runs that locked deployments lack, and note when each is due again. Return (runs made, failures).

        A deployment whose schedule fails gets no runs and is tried again later, each time after twice as long; the others are not
        affected. With `skip_existing`, the runs that exist are read first and nothing is written twice: for when most of them exist.
        """
        now = self.clock()
        planned, results, failures = [], [], 0
        for deployment in deployments:
            try:
                found = plan(deployment.schedule, now, self.policy)
            # whatever is wrong with one schedule, even a fault of ours, must not keep the scheduler from the others
            except Exception as error:
                failures += 1
                expected = isinstance(error, InvalidSchedule)
                reason = str(error) if expected else f"{type(error).__name__}: {error}"
                results.append(self._failed(deployment, reason, exc_info=not expected))
            else:
                planned.append((deployment, self._missing(deployment, found.instants) if skip_existing else found.instants))
                result = TopUp(deployment_id=deployment.id, due=found.due)
                if not (skip_existing and deployment.has(result)):
                    results.append(result)
        created = self.scheduled_runs.insert(planned)
        self.deployments.record_top_ups(results)
        return created, failures

    def postpone(self, deployment, reason):
        """Note that a locked deployment could not be topped up, for a `reason` apart from its schedule, and try it again later."""
        self.deployments.record_top_ups([self._failed(deployment, reason)])

    def fill(self, deployment, start, end, max_runs):
        """Make the runs of a locked deployment in [start, end], at most `max_runs`. Return a report, a mapping of

        `due` (instants in the window), `created` and `existing` (runs), `truncated` (whether the window holds more than `max_runs`)
        and `reason` (why nothing is due, or None).
        """
        if not deployment.is_scheduled:
            reason = "The deployment has no schedule." if deployment.schedule is None else "The deployment's schedule is inactive."
            return {"due": 0, "created": 0, "existing": 0, "truncated": False, "reason": reason}
        found = list(deployment.schedule.occurrences(start, end, max_runs + 1))
        instants = found[:max_runs]
        # of a window that is asked for, most runs often exist
        created = self.scheduled_runs.insert([(deployment, self._missing(deployment, instants))])
        return {
            "due": len(instants),
            "created": created,
            "existing": len(instants) - created,
            "truncated": len(found) > max_runs,
            "reason": None if instants else "The schedule has no occurrence in the window.",
        }

    def remove(self, deployment):
        """Delete the runs that the schedule of a locked deployment made and that have not been started."""
        self.scheduled_runs.delete(deployment.id, auto_scheduled_only=True)

    def _missing(self, deployment, instants):
        # reading costs less than inserting runs that exist
        existing = self.scheduled_runs.instants(deployment.id, instants[0], instants[-1]) if instants else set()
        return [instant for instant in instants if instant not in existing]

    def _failed(self, deployment, reason, **logged):
        log.warning(
            "the schedule of deployment %s failed: %s", deployment.id, reason, extra={"deployment_id": str(deployment.id)}, **logged
        )
        failures = deployment.schedule_failures
        due = self.clock() + self.policy.retry_wait(failures)
        return TopUp(deployment_id=deployment.id, due=due, error=reason, failures=failures + 1)

"""From schedules to runs: the runs that a deployment is to have, made and removed.

Everything here works on schedules of deployments that the caller has locked in its transaction.
"""

import logging
from collections import defaultdict

from app.domain.deployment_schedules import TopUp, occurrence_of
from app.domain.planning import plan
from app.domain.schedules import rules_version
from app.errors import InvalidSchedule

log = logging.getLogger("mintaka.scheduler")

# Occurrences that are compared with the runs of a schedule, when the rules of its zone have changed
MAX_COMPARED = 20_000
IDS_PER_STATEMENT = 500


class ScheduledRunService:
    """Makes and removes the runs of schedules."""

    def __init__(self, unit):
        self.clock, self.policy = unit.clock, unit.policy
        self.schedules, self.scheduled_runs = unit.deployment_schedules, unit.scheduled_runs

    def top_up(self, templates, *, skip_existing=False, record=None):
        """Make the runs that locked schedules lack, and note when each is due again. Return (runs made, failures).

        `templates` are `RunTemplate`s. A schedule that fails gets no runs and is tried again later, each time after twice as long; the
        others are not affected. With `skip_existing`, the runs that exist are read first and nothing is written twice: for when most of
        them exist. `record` writes the `TopUp`s where they are to become part of rows that are not there yet.
        """
        now = self.clock()
        planned, results, outdated, failures = [], [], [], 0
        for template in templates:
            schedule = template.schedule
            try:
                found = plan(schedule.schedule, now, self.policy.of(schedule))
                version = rules_version(schedule.schedule)
            # whatever is wrong with one schedule, even a fault of ours, must not keep the scheduler from the others
            except Exception as error:
                failures += 1
                expected = isinstance(error, InvalidSchedule)
                reason = str(error) if expected else f"{type(error).__name__}: {error}"
                results.append(self._failed(template, reason, exc_info=not expected))
            else:
                if schedule.rules_version != version and record is None:
                    outdated.append(template)
                planned.append((template, self._missing(template, found.instants) if skip_existing else found.instants))
                result = TopUp(schedule_id=schedule.id, due=found.due, rules_version=version)
                if not (skip_existing and schedule.topped_up(result) == schedule):
                    results.append(result)
        if outdated:
            self._remove_outdated(outdated, now)
        created = self.scheduled_runs.insert(planned)
        (record or self.schedules.record_top_ups)(results)
        return created, failures

    def postpone(self, template, reason):
        """Note that a locked schedule could not be topped up, for a `reason` apart from itself, and try it again later."""
        self.schedules.record_top_ups([self._failed(template, reason)])

    def fill(self, template, start, end, max_runs):
        """Make the runs of a locked schedule whose occurrences are in [start, end], at most `max_runs`. Return a report, a mapping of

        `due` (occurrences in the window), `created` and `existing` (runs), `truncated` (whether the window holds more than `max_runs`)
        and `reason` (why nothing is due, or None).
        """
        if not template.is_active:
            return nothing_due("The deployment's schedule is inactive.")
        found = list(template.schedule.schedule.occurrences(start, end, max_runs + 1))
        occurrences = found[:max_runs]
        # of a window that is asked for, most runs often exist
        created = self.scheduled_runs.insert([(template, self._missing(template, occurrences))])
        return {
            "due": len(occurrences),
            "created": created,
            "existing": len(occurrences) - created,
            "truncated": len(found) > max_runs,
            "reason": None if occurrences else "The schedule has no occurrence in the window.",
        }

    def remove(self, deployment_id, slug=None):
        """Delete the runs that a locked deployment's schedules, or one, made ahead of their time and that have never been started."""
        self.scheduled_runs.delete_made_ahead([deployment_id], slug)

    def remove_all(self, deployment_ids):
        """Delete the runs of many locked deployments that `remove` would delete."""
        for ids in batched(deployment_ids):
            self.scheduled_runs.delete_made_ahead(ids)

    def _missing(self, template, occurrences):
        if not occurrences:
            return []
        # reading costs less than inserting runs that exist
        longest = template.schedule.schedule.longest_offset
        existing = self.scheduled_runs.keys(template, occurrences[0], occurrences[-1] + longest)
        return [occurrence for occurrence in occurrences if template.run_key(occurrence) not in existing]

    def _remove_outdated(self, templates, now):
        """Delete what was made ahead, by rules that have changed since, for occurrences that the schedules no longer have."""
        deployment_ids, made = list({template.deployment.id for template in templates}), defaultdict(dict)
        for run in self.scheduled_runs.lock_made_ahead(deployment_ids):
            occurrence = occurrence_of(run.idempotency_key)
            if occurrence >= now:
                made[run.deployment_id, run.schedule_slug][run.id] = occurrence
        gone = []
        for template in templates:
            occurrences = made.get((template.deployment.id, template.schedule.slug))
            if occurrences:
                gone += self._no_longer_named(template.schedule, occurrences)
        if gone:
            number = self.scheduled_runs.delete_these(deployment_ids, gone)
            log.info("rules of time zones or holidays have changed: %s runs removed", number)

    @staticmethod
    def _no_longer_named(schedule, made):
        """Return the ids of those runs, a mapping of ids to occurrences, whose occurrences a `DeploymentSchedule` no longer has."""
        try:
            named = set(schedule.schedule.occurrences(min(made.values()), max(made.values()), MAX_COMPARED))
        except InvalidSchedule as error:
            log.warning("the runs of %s cannot be compared with its schedule: %s", schedule.key, error)
            return []
        return [id for id, occurrence in made.items() if occurrence not in named]

    def _failed(self, template, reason, **logged):
        deployment, schedule = template.deployment, template.schedule
        named = {"deployment_id": str(deployment.id), "schedule_slug": schedule.slug}
        log.warning("the schedule %s of deployment %s failed: %s", schedule.slug, deployment.id, reason, extra=named, **logged)
        failures = schedule.schedule_failures
        due = self.clock() + self.policy.retry_wait(failures)
        return TopUp(schedule_id=schedule.id, due=due, error=reason, failures=failures + 1, rules_version=schedule.rules_version)


def batched(ids):
    """Yield `ids` in lists that a statement can take."""
    for start in range(0, len(ids), IDS_PER_STATEMENT):
        yield ids[start : start + IDS_PER_STATEMENT]


def nothing_due(reason):
    """Return the report of `fill` for a schedule that makes no runs, for a `reason`."""
    return {"due": 0, "created": 0, "existing": 0, "truncated": False, "reason": reason}

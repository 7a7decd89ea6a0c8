"""The scheduler: keeps the runs of active schedules made ahead of time. Any number of processes may run it on PostgreSQL."""

import logging
import time
from dataclasses import dataclass

from app.db.failures import driver_message
from app.domain.plurals import counted
from app.domain.schedules import is_current
from app.errors import Unavailable
from app.repositories.scheduled_runs import BYTES_PER_STATEMENT, copied_size
from app.scheduler.passes import repeat
from app.services.unit_of_work import UnitOfWork

log = logging.getLogger("mintaka.scheduler")

# Runs made in one transaction, and bytes of what they copy from their deployments: a client that wants to change one of these deployments
# waits for it, some two seconds for this many. Where one schedule's runs are more than that, the transaction makes them alone
MAX_RUNS_PER_BATCH = 20_000
MAX_BYTES_PER_BATCH = BYTES_PER_STATEMENT


class _TooMuch(Exception):
    """A batch would hold more than it may; `fitting` schedules of it can be topped up at once."""

    def __init__(self, fitting):
        super().__init__(fitting)
        self.fitting = fitting


@dataclass
class PassReport:
    """What a pass did. `deployments` were topped up, `failures` of their schedules failed; `seconds` is how long it took.

    `skipped` more schedules were to be topped up too, and other processes held them each time.
    """

    deployments: int = 0
    runs: int = 0
    failures: int = 0
    skipped: int = 0
    seconds: float = 0.0

    def __post_init__(self):
        self._seen = set()

    def add(self, deployment_ids):
        """Count deployments, each once however many of its schedules are topped up."""
        self._seen |= deployment_ids
        self.deployments = len(self._seen)

    def __str__(self):
        failed = f", {self.failures} failed" if self.failures else ""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        made = f"{counted(self.runs, 'run')} for {counted(self.deployments, 'deployment')}"
        return f"{made} in {self.seconds:.3f} s{failed}{skipped}"


class Scheduler:
    """Tops up schedules in batches, one transaction each, so that a client waits for no more than one batch.

    `parts` are those that `create_app` put together.
    """

    def __init__(self, parts, batch_size=20):
        self.parts, self.database, self.clock = parts, parts.database, parts.clock
        self.batch_size = max(1, min(batch_size, MAX_RUNS_PER_BATCH // parts.policy.max_runs))

    def run_once(self, all_active=False, should_stop=lambda: False, progress=lambda report: None, follow_rules=False):
        """Top up every schedule that is due, or with `all_active` every one that is active. Return a PassReport.

        With `follow_rules`, top up those, too, whose runs were made by rules of a time zone that have changed since: a process does so
        when it starts, as it reads the rules once. Call `should_stop()` and `progress(report)` after every batch.
        """
        report = PassReport()
        began = time.perf_counter()

        def top_up(claim, limit):
            if report.deployments:
                self.database.take_turns()
            topped_up, limit = self._batch(report, claim, limit)
            report.seconds = time.perf_counter() - began
            progress(report)
            return {template.schedule.id for template in topped_up}, limit

        if all_active:
            report.skipped = self._listed(self._active_after, top_up, should_stop)
        else:
            if follow_rules:
                report.skipped = self._outdated(top_up, should_stop)
            self._due(top_up, should_stop)
        self.parts.metrics.runs_made.inc(report.runs)
        self.parts.metrics.schedule_failures.inc(report.failures)
        log.info(
            "scheduled %s", report, extra={"runs": report.runs, "deployments": report.deployments, "seconds": round(report.seconds, 6)}
        )
        return report

    def run(self, loop_seconds, wait, all_active=False, around=lambda work: work):
        """Make a pass every `loop_seconds` until `wait(seconds)` returns true; with `all_active`, the first over every active deployment.

        Log a pass that raises, and go on. `around(work)` returns what is called in place of `work`, a pass.
        """
        first = {"all_active": all_active, "follow_rules": True}

        def work():
            self.run_once(**first, should_stop=lambda: wait(0))
            first.clear()

        repeat(around(work), loop_seconds, wait)

    def _due(self, top_up, should_stop):
        # those that fall due during the pass wait for the next one, so that a pass ends
        now, more = self.clock(), True
        while more and not should_stop():
            taken, limit = top_up(lambda schedules, limit: schedules.claim_due(now, limit), self.batch_size)
            more = len(taken) == limit

    def _outdated(self, top_up, should_stop):
        """Top up the schedules whose runs were made by rules that have changed since. Return how many others hold."""
        versions = self._read(lambda schedules: schedules.rules_versions())
        outdated = [version for version in versions if not is_current(version)]
        if not outdated:
            return 0
        return self._listed(
            lambda last: self._read(lambda schedules: schedules.made_by(outdated, last, self.batch_size)), top_up, should_stop
        )

    def _listed(self, page, top_up, should_stop):
        """Top up what `page(last_id)` lists, and try those that others held once more, without waiting. Return how many they still hold."""
        held, last_id, more = [], None, True
        while more and not should_stop():
            ids = page(last_id)
            held += self._these(ids, top_up, should_stop)
            more = len(ids) == self.batch_size
            last_id = ids[-1] if ids else None
        batches = (held[start : start + self.batch_size] for start in range(0, len(held), self.batch_size))
        return sum(len(self._these(ids, top_up, should_stop)) for ids in batches)

    def _these(self, ids, top_up, should_stop):
        """Top up those of `ids` that nobody holds. Return the others."""
        held = []
        while ids and not should_stop():
            taken, limit = top_up(lambda schedules, limit, ids=ids: schedules.claim(ids[:limit]), len(ids))
            held += (id for id in ids[:limit] if id not in taken)
            ids = ids[limit:]
        return held + ids

    def _unit(self, session):
        return UnitOfWork(session, self.parts)

    def _active_after(self, last_id):
        return self._read(lambda schedules: schedules.active_after(last_id, self.batch_size))

    def _read(self, ask):
        return self.database.run(lambda session: ask(self._unit(session).deployment_schedules), read_only=True)

    def _batch(self, report, claim, limit):
        """Top up what `claim` locks, up to `limit` schedules, in one transaction or, where that fails, each in its own.

        Return them, and the limit, which is lower where so many would have been more than a batch may hold.
        """
        claimed = []

        def work(session):
            unit = self._unit(session)
            claimed[:] = claim(unit.deployment_schedules, limit)
            fitting = self._fitting(claimed)
            if fitting < len(claimed):
                raise _TooMuch(fitting)
            return unit.scheduled_run_service.top_up(claimed) if claimed else (0, 0)

        try:
            runs, failures = self.database.run(work)
        except _TooMuch as error:
            # the locks on the others are gone with the transaction
            return self._batch(report, claim, error.fitting)
        except Unavailable:
            if not claimed:
                raise
            # one of them may be what the database cannot do in time: it would be claimed first again in every pass, before all others
            return [template for template in claimed if self._alone(report, template.schedule.id)], limit
        _add(report, claimed, runs, failures)
        return claimed, limit

    def _fitting(self, claimed):
        """Return how many of the claimed schedules, from the first on, a batch may hold: at least one."""
        runs = size = 0
        for number, template in enumerate(claimed):
            most = self.parts.policy.of(template.schedule).max_runs
            runs, size = runs + most, size + copied_size(template) * most
            if number and (runs > MAX_RUNS_PER_BATCH or size > MAX_BYTES_PER_BATCH):
                return number
        return len(claimed)

    def _alone(self, report, id):
        """Top up the schedule `id`, or note that it cannot be done. Return whether it existed and was free."""

        def top_up(session):
            unit = self._unit(session)
            claimed = unit.deployment_schedules.claim([id])
            return claimed, *unit.scheduled_run_service.top_up(claimed)

        def postpone(session, reason):
            unit = self._unit(session)
            claimed = unit.deployment_schedules.claim([id])
            for template in claimed:
                unit.scheduled_run_service.postpone(template, reason)
            return claimed, 0, len(claimed)

        try:
            found, runs, failures = self.database.run(top_up)
        except Unavailable as error:
            # when it is the database that fails, this raises too, and ends the pass
            reason = f"Its runs could not be written: {driver_message(error) or error}"
            found, runs, failures = self.database.run(lambda session: postpone(session, reason))
        _add(report, found, runs, failures)
        return len(found) > 0


def _add(report, templates, runs, failures):
    report.add({template.deployment.id for template in templates})
    report.runs += runs
    report.failures += failures

"""The scheduler: keeps the runs of active schedules made ahead of time. Any number of processes may run it on PostgreSQL."""

import logging
import time
from dataclasses import dataclass

from app.db.failures import driver_message
from app.domain.plurals import counted
from app.errors import Unavailable
from app.scheduler.passes import repeat
from app.services.unit_of_work import UnitOfWork

log = logging.getLogger("mintaka.scheduler")

# Runs made in one transaction: a client that wants to change one of its deployments waits for it, some two seconds for this many
MAX_RUNS_PER_BATCH = 20_000


@dataclass
class PassReport:
    """What a pass did. `deployments` were topped up, `failures` of them have a schedule that failed; `seconds` is how long it took.

    `skipped` more were to be topped up too, and other processes held them each time.
    """

    deployments: int = 0
    runs: int = 0
    failures: int = 0
    skipped: int = 0
    seconds: float = 0.0

    def __str__(self):
        failed = f", {self.failures} failed" if self.failures else ""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        made = f"{counted(self.runs, 'run')} for {counted(self.deployments, 'deployment')}"
        return f"{made} in {self.seconds:.3f} s{failed}{skipped}"


class Scheduler:
    """Tops up deployments in batches, one transaction each, so that a client waits for no more than one batch.

    `parts` are those that `create_app` put together.
    """

    def __init__(self, parts, batch_size=20):
        self.parts, self.database, self.clock = parts, parts.database, parts.clock
        self.batch_size = max(1, min(batch_size, MAX_RUNS_PER_BATCH // parts.policy.max_runs))

    def run_once(self, all_active=False, should_stop=lambda: False, progress=lambda report: None):
        """Top up every deployment that is due, or with `all_active` every one with an active schedule. Return a PassReport.

        Call `should_stop()` and `progress(report)` after every batch.
        """
        report = PassReport()
        began = time.perf_counter()

        def top_up(claim):
            if report.deployments:
                self.database.take_turns()
            topped_up = self._batch(report, claim)
            report.seconds = time.perf_counter() - began
            progress(report)
            return {deployment.id for deployment in topped_up}

        if all_active:
            report.skipped = self._all_active(top_up, should_stop)
        else:
            self._due(top_up, should_stop)
        log.info(
            "scheduled %s", report, extra={"runs": report.runs, "deployments": report.deployments, "seconds": round(report.seconds, 6)}
        )
        return report

    def run(self, loop_seconds, wait, all_active=False):
        """Make a pass every `loop_seconds` until `wait(seconds)` returns true; with `all_active`, the first over every active deployment.

        Log a pass that raises, and go on.
        """
        first_all_active = [all_active]

        def work():
            self.run_once(first_all_active[0], should_stop=lambda: wait(0))
            first_all_active[0] = False

        repeat(work, loop_seconds, wait)

    def _due(self, top_up, should_stop):
        # those that fall due during the pass wait for the next one, so that a pass ends
        now, more = self.clock(), True
        while more and not should_stop():
            more = len(top_up(lambda deployments: deployments.claim_due(now, self.batch_size))) == self.batch_size

    def _all_active(self, top_up, should_stop):
        """Top up every active deployment, and try those that others held once more, without waiting. Return how many they still hold."""
        held, last_id, more = [], None, True
        while more and not should_stop():
            ids = self._active_after(last_id)
            taken = top_up(lambda deployments, ids=ids: deployments.claim(ids))
            held += (id for id in ids if id not in taken)
            more = len(ids) == self.batch_size
            last_id = ids[-1] if ids else None
        skipped = 0
        for start in range(0, len(held), self.batch_size):
            ids = held[start : start + self.batch_size]
            taken = set() if should_stop() else top_up(lambda deployments, ids=ids: deployments.claim(ids))
            skipped += len(ids) - len(taken)
        return skipped

    def _unit(self, session):
        return UnitOfWork(session, self.parts)

    def _active_after(self, last_id):
        return self.database.run(lambda session: self._unit(session).deployments.active_after(last_id, self.batch_size), read_only=True)

    def _batch(self, report, claim):
        """Top up the deployments that `claim` locks, in one transaction or, where that fails, each in its own. Return them."""
        claimed = []

        def work(session):
            unit = self._unit(session)
            claimed[:] = claim(unit.deployments)
            return unit.scheduled_run_service.top_up(claimed) if claimed else (0, 0)

        try:
            runs, failures = self.database.run(work)
        except Unavailable:
            if not claimed:
                raise
            # one of them may be what the database cannot do in time: it would be claimed first again in every pass, before all others
            return [deployment for deployment in claimed if self._alone(report, deployment.id)]
        _add(report, len(claimed), runs, failures)
        return claimed

    def _alone(self, report, id):
        """Top up the deployment `id`, or note that it cannot be done. Return whether it existed and was free."""

        def top_up(session):
            unit = self._unit(session)
            claimed = unit.deployments.claim([id])
            return len(claimed), *unit.scheduled_run_service.top_up(claimed)

        def postpone(session, reason):
            unit = self._unit(session)
            claimed = unit.deployments.claim([id])
            for deployment in claimed:
                unit.scheduled_run_service.postpone(deployment, reason)
            return len(claimed), 0, len(claimed)

        try:
            found, runs, failures = self.database.run(top_up)
        except Unavailable as error:
            # when it is the database that fails, this raises too, and ends the pass
            reason = f"Its runs could not be written: {driver_message(error) or error}"
            found, runs, failures = self.database.run(lambda session: postpone(session, reason))
        _add(report, found, runs, failures)
        return found > 0


def _add(report, deployments, runs, failures):
    report.deployments += deployments
    report.runs += runs
    report.failures += failures

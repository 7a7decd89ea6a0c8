"""The scheduler: keeps the runs of active schedules made ahead of time. Any number of processes may run it on PostgreSQL."""

import logging
import time
from dataclasses import dataclass

from app.repositories.deployments import Deployments
from app.services.passes import repeat
from app.services.scheduling import Scheduling

log = logging.getLogger("mintaka.scheduler")

# Runs made in one transaction: a client that wants to change one of its deployments waits for it, some two seconds for this many
MOST_RUNS = 20_000


@dataclass
class PassReport:
    """What a pass did. `deployments` were looked at, `failures` of them have a schedule that failed; `seconds` is how long it took."""

    deployments: int = 0
    runs: int = 0
    failures: int = 0
    seconds: float = 0.0

    def __str__(self):
        failed = f", {self.failures} failed" if self.failures else ""
        return f"{self.runs} runs for {self.deployments} deployments in {self.seconds:.3f} s{failed}"


class Scheduler:
    """Tops up deployments in batches, one transaction each, so that a client waits for no more than one batch."""

    def __init__(self, database, clock, policy, batch_size=20):
        self.database = database
        self.clock = clock
        self.policy = policy
        self.batch_size = max(1, min(batch_size, MOST_RUNS // policy.max_runs))

    def run_once(self, all_active=False, should_stop=lambda: False, progress=lambda report: None):
        """Top up every deployment that is due, or with `all_active` every one with an active schedule. Returns a PassReport.

        `should_stop()` is asked, and `progress(report)` told, after every batch.
        """
        report = PassReport()
        began = time.perf_counter()
        # those that fall due during the pass wait for the next one, so that a pass ends
        now = self.clock()
        last_id, more = None, True
        while more and not should_stop():
            if report.deployments:
                self.database.take_turns()
            last_id, more = self._batch(report, now, all_active, last_id)
            report.seconds = time.perf_counter() - began
            progress(report)
        log.info(
            "scheduled %s", report, extra={"runs": report.runs, "deployments": report.deployments, "seconds": round(report.seconds, 6)}
        )
        return report

    def run(self, loop_seconds, wait, all_active=False):
        """Make a pass every `loop_seconds` until `wait(seconds)` answers true; with `all_active`, the first of them at every active one.

        A pass that raises is logged and does not end the loop.
        """
        to_look_at_all = [all_active]

        def work():
            self.run_once(to_look_at_all[0], should_stop=lambda: wait(0))
            to_look_at_all[0] = False

        repeat(work, loop_seconds, wait)

    def _batch(self, report, now, all_active, last_id):
        def work(session):
            deployments = Deployments(session, self.clock)
            if all_active:
                rows = deployments.lock_active_after(last_id, self.batch_size)
            else:
                rows = deployments.claim_due(now, self.batch_size)
            return rows, Scheduling(session, self.clock, self.policy).top_up(rows) if rows else (0, 0)

        rows, (runs, failures) = self.database.run(work)
        report.deployments += len(rows)
        report.runs += runs
        report.failures += failures
        return (rows[-1].id if rows else last_id), len(rows) == self.batch_size

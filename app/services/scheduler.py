"""The scheduler: keeps the runs of active schedules made ahead of time. Any number of processes may run it on PostgreSQL."""

import logging
import time
from dataclasses import dataclass

from app.db.failures import drivers_words
from app.errors import Unavailable
from app.repositories.deployments import Deployments
from app.services.passes import repeat
from app.services.scheduling import Scheduling

log = logging.getLogger("mintaka.scheduler")

# Runs made in one transaction: a client that wants to change one of its deployments waits for it, some two seconds for this many
MOST_RUNS = 20_000


@dataclass
class PassReport:
    """What a pass did. `deployments` were looked at, `failures` of them have a schedule that failed; `seconds` is how long it took.

    `skipped` more were to be looked at too, and others held them every time.
    """

    deployments: int = 0
    runs: int = 0
    failures: int = 0
    skipped: int = 0
    seconds: float = 0.0

    def __str__(self):
        failed = f", {self.failures} failed" if self.failures else ""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.runs} runs for {self.deployments} deployments in {self.seconds:.3f} s{failed}{skipped}"


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

        def look_at(claim):
            if report.deployments:
                self.database.take_turns()
            rows = self._batch(report, claim)
            report.seconds = time.perf_counter() - began
            progress(report)
            return {row.id for row in rows}

        if all_active:
            report.skipped = self._all_active(look_at, should_stop)
        else:
            self._due(look_at, should_stop)
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

    def _due(self, look_at, should_stop):
        # those that fall due during the pass wait for the next one, so that a pass ends
        now, more = self.clock(), True
        while more and not should_stop():
            more = len(look_at(lambda deployments: deployments.claim_due(now, self.batch_size))) == self.batch_size

    def _all_active(self, look_at, should_stop):
        """Look at every active deployment, and again at those that others held, none of which is waited for. Returns how many they hold."""
        held, last_id, more = [], None, True
        while more and not should_stop():
            ids = self._active_after(last_id)
            taken = look_at(lambda deployments, ids=ids: deployments.claim(ids))
            held += (id for id in ids if id not in taken)
            more = len(ids) == self.batch_size
            last_id = ids[-1] if ids else None
        skipped = 0
        for start in range(0, len(held), self.batch_size):
            ids = held[start : start + self.batch_size]
            taken = set() if should_stop() else look_at(lambda deployments, ids=ids: deployments.claim(ids))
            skipped += len(ids) - len(taken)
        return skipped

    def _active_after(self, last_id):
        return self.database.run(lambda session: Deployments(session, self.clock).active_after(last_id, self.batch_size), read_only=True)

    def _batch(self, report, claim):
        """Top up the rows that `claim(deployments)` locks, in one transaction or, where that fails, each in its own. Returns them."""
        rows = []

        def work(session):
            rows[:] = claim(Deployments(session, self.clock))
            return Scheduling(session, self.clock, self.policy).top_up(rows) if rows else (0, 0)

        try:
            runs, failures = self.database.run(work)
        except Unavailable:
            if not rows:
                raise
            # one of them may be what the database cannot do in time: it would be claimed first again in every pass, before all others
            return [row for row in rows if self._alone(report, row.id)]
        _add(report, len(rows), runs, failures)
        return rows

    def _alone(self, report, id):
        """Top up the deployment `id`, or note that it cannot be done. Returns whether it was there and free."""

        def top_up(session):
            rows = Deployments(session, self.clock).claim([id])
            return len(rows), *Scheduling(session, self.clock, self.policy).top_up(rows)

        def set_back(session, reason):
            rows = Deployments(session, self.clock).claim([id])
            for row in rows:
                Scheduling(session, self.clock, self.policy).set_back(row, reason)
            return len(rows), 0, len(rows)

        try:
            found, runs, failures = self.database.run(top_up)
        except Unavailable as error:
            # when it is the database that fails, this raises too, and ends the pass
            reason = f"Its runs could not be written: {drivers_words(error) or error}"
            found, runs, failures = self.database.run(lambda session: set_back(session, reason))
        _add(report, found, runs, failures)
        return found > 0


def _add(report, deployments, runs, failures):
    report.deployments += deployments
    report.runs += runs
    report.failures += failures

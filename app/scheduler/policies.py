"""Runs that are not to start, by the policies of their deployments: they end, though nobody asks for them."""

import time
from uuid import UUID

from app.scheduler.passes import BatchedPass, BatchReport
from app.services.unit_of_work import UnitOfWork

BATCH_SIZE = 20
FIRST = UUID(int=0)


class PolicyPass(BatchedPass):
    """Skips, supersedes and gives up due runs (`app.domain.start_policy`). Any number of processes may run it."""

    name = "policies"
    noun, done = "run", "skipped, superseded or missed"

    def __init__(self, parts, batch_size=BATCH_SIZE):
        super().__init__(parts, batch_size)

    def run_once(self, should_stop=lambda: False):
        """Look at each deployment once. Return a BatchReport. Call `should_stop()` before every batch."""
        report, began, after = BatchReport(self.noun, self.done), time.perf_counter(), FIRST
        while after is not None and not should_stop():
            if after != FIRST:
                self.database.take_turns()
            ended, after = self.database.run(lambda session, after=after: self._settle(session, after))
            report.number += ended
        report.seconds = time.perf_counter() - began
        self.tell(report)
        return report

    def _settle(self, session, after):
        return UnitOfWork(session, self.parts).start_service.settle_all(after, self.batch_size)

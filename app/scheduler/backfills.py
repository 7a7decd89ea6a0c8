"""Backfills with runs to be made that no end of a run makes: those without `max_active`, and those whose runs were deleted."""

import time
from uuid import UUID

from app.scheduler.passes import BatchedPass, BatchReport
from app.services.unit_of_work import UnitOfWork

FIRST = UUID(int=0)
IDS_AT_ONCE = 100


class BackfillPass(BatchedPass):
    """Makes the runs of backfills. Any number of processes may run it: each backfill is worked at by one.

    Backfills take turns, a transaction each, so that a long one does not keep the others waiting.
    """

    name = "backfills"
    noun, done = "run", "made for backfills"

    def __init__(self, parts):
        super().__init__(parts, IDS_AT_ONCE)

    def run_once(self, should_stop=lambda: False):
        """Make what there is to make now. Return a BatchReport. Call `should_stop()` before every transaction."""
        report, began, ids = BatchReport(self.noun, self.done), time.perf_counter(), self._running()
        while ids:
            again = []
            for id in ids:
                if should_stop():
                    ids = again = []
                    break
                made, more = self.database.run(lambda session, id=id: UnitOfWork(session, self.parts).backfill_service.work(id))
                report.number += made
                again += [id] if more else []
                if made:
                    self.database.take_turns()
            ids = again
        report.seconds = time.perf_counter() - began
        self.tell(report)
        return report

    def _running(self):
        """Return the ids of all backfills that make runs."""
        ids = []
        while True:
            after = ids[-1] if ids else FIRST
            page = self.database.run(
                lambda session, after=after: UnitOfWork(session, self.parts).backfills.running(after, IDS_AT_ONCE), read_only=True
            )
            ids += page
            if len(page) < IDS_AT_ONCE:
                return ids

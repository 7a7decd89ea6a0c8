"""Late runs: those that nobody has started in time are marked, so that people and queries see them."""

from datetime import timedelta

from app.domain.states import StateType, new_state
from app.repositories.late_runs import LATE, LateRuns
from app.services.orchestration import Orchestration
from app.services.passes import BatchedPass

BATCH_SIZE = 400


class LateRunMarker(BatchedPass):
    """Puts runs that are overdue for `after_seconds` into the state SCHEDULED / `Late`. Any number of processes may run it."""

    name = "late runs"
    what = "runs marked late"

    def __init__(self, database, clock, after_seconds, batch_size=BATCH_SIZE):
        super().__init__(database, clock, batch_size)
        self.after = timedelta(seconds=after_seconds)

    def batch(self, session, now):
        """Mark the runs that have been overdue for longest. Returns how many."""
        runs = LateRuns(session, self.clock)
        overdue = runs.lock_overdue(now - self.after, self.batch_size)
        if overdue:
            runs.mark(overdue)
        orchestration = Orchestration(session, self.clock)
        for run in sorted((run for run in overdue if run.parent_task_run_id), key=lambda run: run.parent_task_run_id):
            state = new_state(StateType.SCHEDULED, now, name=LATE, state_details={"scheduled_time": run.next_scheduled_start_time})
            orchestration.tell_parent(run.id, run.parent_task_run_id, state)
        return len(overdue)

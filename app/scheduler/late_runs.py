"""Late runs: those that nobody has started in time are marked, so that people and queries see them."""

from datetime import timedelta

from app.domain.states import State, StateType, new_state
from app.scheduler.passes import BatchedPass

LATE = "Late"
BATCH_SIZE = 400


class LateRunMarker(BatchedPass):
    """Puts runs that are overdue for `after_seconds` into the state SCHEDULED / `Late`. Any number of processes may run it."""

    name = "late runs"
    noun, done = "run", "marked late"

    def __init__(self, parts, after_seconds, batch_size=BATCH_SIZE):
        super().__init__(parts, batch_size)
        self.after = timedelta(seconds=after_seconds)

    def batch(self, unit, now):
        """Mark the runs that have been overdue for longest. Return how many."""
        overdue = unit.late_runs.lock_overdue(self.after, self.batch_size)
        transitions = [(run, _scheduled(run, now), _late(run, self.clock())) for run in overdue]
        if transitions:
            unit.flow_runs.enter_many(transitions)
        subflows = [(run, state) for run, _, state in transitions if run.parent_task_run_id]
        for run, state in sorted(subflows, key=lambda pair: pair[0].parent_task_run_id):
            unit.orchestration.tell_parent(run.id, run.parent_task_run_id, state)
        return len(overdue)


def _scheduled(run, now):
    return State(type=StateType.SCHEDULED, timestamp=now, name=run.state_name, scheduled_time=run.next_scheduled_start_time)


def _late(run, now):
    return new_state(StateType.SCHEDULED, now, name=LATE, state_details={"scheduled_time": run.next_scheduled_start_time})

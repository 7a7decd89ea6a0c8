"""Leases that run out: the runs that their workers held can be claimed again."""

from app.domain.instants import isoformat
from app.domain.states import HELD, StateType, new_state
from app.scheduler.passes import BatchedPass

BATCH_SIZE = 50


class LeaseExpiry(BatchedPass):
    """Returns runs whose lease has run out to SCHEDULED, due when they were to start or at once. Any number of processes may run it."""

    name = "expired leases"
    noun, done = "lease", "expired"

    def __init__(self, parts, batch_size=BATCH_SIZE):
        super().__init__(parts, batch_size)

    def batch(self, unit, now):
        """End the leases that ran out longest ago. Return how many."""
        leases, orchestration = unit.leases, unit.orchestration
        expired = leases.lock_expired(self.batch_size)
        if not expired:
            return 0
        leases.delete_many([lease.id for lease in expired])
        held = [lease for lease in expired if lease.state_type in HELD]
        due = leases.scheduled_times([lease.flow_run_id for lease in held])
        for lease in held:
            worker = f"of {lease.worker} " if lease.worker else ""
            message = f"Returned to be claimed again: the lease {worker}ran out at {isoformat(lease.expires_at)}"
            # one that was claimed ahead of its time has that time still to come
            details = {"scheduled_time": max(now, due.get(lease.flow_run_id, now))}
            state = new_state(StateType.SCHEDULED, now, message=message, state_details=details)
            orchestration.set_flow_run_state(lease.flow_run_id, state, force=True)
        return len(expired)

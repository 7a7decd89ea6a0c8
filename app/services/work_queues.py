"""What agents and workers get from a work queue: a look at the runs that are due, or runs of their own."""

from dataclasses import replace
from datetime import timedelta
from operator import itemgetter
from uuid import UUID

from app.domain.states import HELD, StateType, new_state
from app.errors import Conflict
from app.repositories.claims import Claims
from app.services.orchestration import why_it_ended

# How exactly it is known when a queue was asked
NOTED_EVERY = timedelta(seconds=15)


class WorkQueueService:
    """Work queues and the flow runs in them."""

    def __init__(self, unit):
        self.unit, self.clock = unit, unit.clock
        self.queues, self.flow_runs, self.leases = unit.work_queues, unit.flow_runs, unit.leases
        self.claims = Claims(unit.session, unit.flow_runs)

    def note_poll(self, id):
        """Note that queue `id` has been asked for runs: to some seconds, so that few of those who ask write."""
        self.queues.note_poll(id, self.clock() - NOTED_EVERY)

    def is_noted(self, queue):
        """Return whether it need not be noted that the queue in the row `queue` has been asked for runs."""
        return queue.last_polled is not None and queue.last_polled >= self.clock() - NOTED_EVERY

    def look(self, id, limit, scheduled_before=None, agent_id=None):
        """Return up to `limit` runs of queue `id` that are due, longest due first, and whether `note_poll` is to be called.

        Note that the agent `agent_id` has asked. Raise NotFound.
        """
        if agent_id is not None:
            self.queues.record_poll(id, agent_id)
        queue = self.queues.row(id)
        return self._runs(queue, limit, scheduled_before), not self.is_noted(queue)

    def runs(self, id, limit):
        """Return up to `limit` runs of queue `id` that are due, longest due first, without having asked for them. Raise NotFound."""
        return self._runs(self.queues.row(id), limit, None)

    def _runs(self, queue, limit, scheduled_before):
        limit = self._room(queue, limit)
        if not limit:
            return []
        due = self._due(queue, scheduled_before or self.clock())
        if queue.policies_exist:
            due = {"flow_runs": {"id": {"any_": self.unit.start_service.offered(due, limit)}}}
        return self.flow_runs.find(due, limit, sort="NEXT_SCHEDULED_START_TIME_ASC")

    def claim(self, id, limit, lease_seconds, scheduled_before=None, worker=None):
        """Take up to `limit` runs of queue `id` that are due to PENDING, each under a lease of its own for `lease_seconds`.

        Return mappings of `lease_id`, `lease_expires_at` and `flow_run`, longest due first. Raise NotFound.
        """
        queue = self.queues.row(id)
        if queue.concurrency_limit is not None and not queue.is_paused:
            # whoever claims from a limited queue counts after those before have committed
            queue = self.queues.row(id, lock=True)
        if not self.is_noted(queue):
            self.note_poll(id)
        limit = self._room(queue, limit)
        if not limit:
            return []
        # one instant for all of it: a run that falls due a moment later is not claimed before it was due
        now = self.clock()
        expires_at = now + timedelta(seconds=lease_seconds)
        by = f"by {worker} " if worker else ""
        state = new_state(StateType.PENDING, now, message=f"Claimed {by}from the work queue {queue.name}")
        due = self._due(queue, scheduled_before or now)
        lease = {"expires_at": expires_at, "work_queue_id": id, "worker": worker}
        if queue.policies_exist:

            def take(limit, chosen):
                # who has waited for a deployment starts after whoever held it has let go
                return self.claims.claim(due, limit, replace(state, timestamp=self.clock()), **lease, chosen=chosen)

            claimed = self.unit.start_service.claim(take, due, limit)
        else:
            claimed = self.claims.claim(due, limit, state, **lease)
        subflows = [run for _, run in claimed if run["parent_task_run_id"]]
        for run in sorted(subflows, key=itemgetter("parent_task_run_id")):
            self.unit.orchestration.tell_parent(run["id"], run["parent_task_run_id"], state)
        if claimed:
            self.unit.trail.note(id, queue.name, worker=worker, flow_run_ids=[str(run["id"]) for _, run in claimed])
        return [{"lease_id": lease_id, "lease_expires_at": expires_at, "flow_run": run} for lease_id, run in claimed]

    def holders(self, id, limit, offset=0):
        """Return up to `limit` of the runs of queue `id` that count towards its concurrency limit. Raise NotFound."""
        return self.queues.holders(filter_of(self.queues.row(id), state={"type": {"any_": HELD}}), limit, offset)

    def heartbeat(self, flow_run_id, lease_id, lease_seconds):
        """Let a lease last for `lease_seconds` from now. Return when it runs out.

        Raise NotFound for an unknown run, Conflict for a lease that does not hold it (any more).
        """
        expires_at = self.clock() + timedelta(seconds=lease_seconds)
        if not self.leases.renew(lease_id, flow_run_id, expires_at):
            said = why_it_ended(self.flow_runs.require_current_state(flow_run_id))
            raise Conflict(
                f"Stop working on the run: {said}."
                if said
                else "This lease does not hold the flow run: it has run out, the run has ended, or another worker has it."
            )
        return expires_at

    def _room(self, queue, limit):
        """Return how many of `limit` runs the queue may hand out."""
        if queue.is_paused:
            return 0
        if queue.concurrency_limit is None:
            return limit
        executing = self.flow_runs.count(filter_of(queue, state={"type": {"any_": HELD}}))
        return max(0, min(limit, queue.concurrency_limit - executing))

    @staticmethod
    def _due(queue, before):
        return filter_of(queue, state={"type": {"any_": [StateType.SCHEDULED]}}, next_scheduled_start_time={"before_": before})


def filter_of(queue, **criteria):
    """Return the filter of a queue's runs: of those that have a deployment, those that the queue's own filter names."""
    asked = queue.filter
    deployments = asked.get("deployment_ids")
    own = {
        "tags": {"all_": asked.get("tags")},
        "deployment_id": {"any_": None if deployments is None else [UUID(id) for id in deployments], "is_null_": False},
        "flow_runner_type": {"any_": asked.get("flow_runner_types")},
    }
    return {"flow_runs": own | criteria}

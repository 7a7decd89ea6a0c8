"""Making runs, each with its first state, changing them, and their history as dashboards draw it."""

from dataclasses import replace
from datetime import timedelta

from app.domain.audit import differences
from app.domain.history import interval_starts
from app.domain.names import random_name
from app.domain.orchestration import AWAITING_RETRY
from app.domain.runs import retry_columns
from app.domain.states import TERMINAL, StateType, new_state
from app.domain.unset import given
from app.errors import Conflict
from app.repositories.history import RunHistory


class RunService:
    """Flow runs and task runs, as clients ask for them."""

    def __init__(self, unit):
        self.unit, self.clock = unit, unit.clock
        self.flow_runs, self.task_runs = unit.flow_runs, unit.task_runs

    def create_flow_run(self, run):
        """Create a flow run from a `NewFlowRun`. Return its answer, and whether it is new.

        One with the same flow and idempotency key that exists already is returned as it is.
        """
        state = self._first_state(run)
        if run.deployment_id is not None:
            state = self.unit.start_service.first_state(run.deployment_id, state)
        document, created = self.flow_runs.create(_columns(run), state)
        if created:
            self.unit.orchestration.tell_parent(document["id"], document["parent_task_run_id"], state)
        return document, created

    def create_of_deployment(self, deployment_id, run, most_tags):
        """Create a run of a deployment from a `NewFlowRun`, if one statement can. Return its answer, or None.

        `FlowRuns.create_of_deployment` says what one statement can do.
        """
        if run.parent_task_run_id is not None:
            return None
        columns = {name: value for name, value in _columns(run).items() if name not in ("flow_id", "deployment_id")}
        return self.flow_runs.create_of_deployment(deployment_id, columns, self._first_state(run), most_tags)

    def retry(self, id):
        """Make a flow run that is over SCHEDULED again, due now, with its history kept. Return its answer. Raise NotFound, Conflict."""
        run = self._over(id)
        if run.parent_task_run_id is not None:
            raise Conflict("The run is that of a subflow. Retry the run that it is part of, or make a new one.")
        state = new_state(StateType.SCHEDULED, self.clock(), name=AWAITING_RETRY, message=f"Retried after {run.state_name}")
        # the rules keep what is over
        self.unit.orchestration.set_flow_run_state(id, state, force=True)
        before = {"state_type": run.state_type, "state_name": run.state_name}
        self.unit.trail.note(id, run.name, differences(before, {"state_type": state.type, "state_name": state.name}))
        return self.flow_runs.require(id)

    def retry_as_new(self, id):
        """Make a new run, SCHEDULED and due now, of what a flow run that is over was made from. Return its answer.

        A tag links it to that run. It belongs to no schedule, backfill or parent. Raise NotFound, Conflict.
        """
        run = self._over(id)
        state = new_state(StateType.SCHEDULED, self.clock(), message=f"Retry of {run.name} ({run.id})")
        document, _ = self.flow_runs.create(retry_columns(run), state)
        return document

    def _over(self, id):
        run = self.flow_runs.lock_to_retry(id)
        if run.state_type not in TERMINAL:
            raise Conflict(f"The run is not over: it is {run.state_type}.")
        return run

    def create_task_run(self, run):
        """Create a task run from a `NewTaskRun`, which its flow run, task key and dynamic key identify. Return the same."""
        return self.task_runs.create(_columns(run), self._first_state(run))

    def update_flow_run(self, id, changes):
        """Set what the `FlowRunChanges` name. Raise NotFound."""
        self.flow_runs.update(id, given(changes))

    def history(self, kind, filters, start, end, seconds):
        """Return the intervals of `seconds` each that cover [start, end), each with the states of the runs that were to start in it.

        `kind` is `flow_runs` or `task_runs`, `filters` say which of them are counted.
        """
        runs = {"flow_runs": self.flow_runs, "task_runs": self.task_runs}[kind]
        length = timedelta(seconds=seconds)
        starts = interval_starts(start, end, length)
        history = [{"interval_start": start, "interval_end": start + length, "states": []} for start in starts]
        counts = RunHistory(self.unit.session, self.clock, runs).count_by_interval(filters, start, length, len(starts))
        for interval, state_type, state_name, count, run_time, lateness in counts:
            history[interval]["states"].append(
                {
                    "state_type": state_type,
                    "state_name": state_name,
                    "count_runs": count,
                    "sum_estimated_run_time": float(run_time),
                    "sum_estimated_lateness": float(lateness),
                }
            )
        return history

    def _first_state(self, run):
        now = self.clock()
        # a state begins when it is entered
        return new_state(StateType.PENDING, now) if run.state is None else replace(run.state, timestamp=now)


def _columns(run):
    columns = {name: value for name, value in given(run).items() if name != "state"}
    return columns | {"name": run.name or random_name()}

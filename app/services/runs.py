"""Making runs, each with its first state."""

from app.domain.names import random_name
from app.domain.states import StateType, new_state
from app.repositories.flow_runs import FlowRuns
from app.repositories.task_runs import TaskRuns
from app.services.orchestration import Orchestration


class RunService:
    """Flow runs and task runs, as clients ask for them."""

    def __init__(self, session, clock):
        self.clock = clock
        self.flow_runs = FlowRuns(session, clock)
        self.task_runs = TaskRuns(session, clock)
        self.orchestration = Orchestration(session, clock)

    def create_flow_run(self, fields):
        """The run that `fields` describe, PENDING unless they name a state. Returns its document, and whether it is new.

        One with the same flow and idempotency key that exists already is answered as it is.
        """
        state = self._first_state(fields)
        document, created = self.flow_runs.create(self._values(flow_runner_columns(fields)), state)
        if created:
            self.orchestration.tell_parent(document["id"], document["parent_task_run_id"], state)
        return document, created

    def create_task_run(self, fields):
        """The same for a task run, which its flow run, task key and dynamic key identify."""
        return self.task_runs.create(self._values(fields), self._first_state(fields))

    def _first_state(self, fields):
        return new_state(now=self.clock(), **(fields.get("state") or {"type": StateType.PENDING}))

    @staticmethod
    def _values(fields):
        values = {name: value for name, value in fields.items() if name != "state"}
        return values | {"name": values.get("name") or random_name()}


def flow_runner_columns(fields):
    """`fields` of a flow run or a deployment, with `flow_runner` taken apart into its two columns."""
    columns = {name: value for name, value in fields.items() if name != "flow_runner"}
    if "flow_runner" in fields:
        runner = fields["flow_runner"] or {}
        columns |= {"flow_runner_type": runner.get("type"), "flow_runner_config": runner.get("config")}
    return columns

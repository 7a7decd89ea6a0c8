"""The dependencies between the task runs of a flow run."""

from sqlalchemy import bindparam, exists, select

from app.db.models import FlowRun, TaskRun, TaskRunState
from app.domain.states import estimated_run_time
from app.errors import NotFound
from app.repositories.runs import STATE_MEMBERS, with_state

FLOW_RUN, TASK_RUN = FlowRun.__table__, TaskRun.__table__
MEMBERS = ("id", "expected_start_time", "start_time", "end_time", "total_run_time")
# the inputs are read, so that they are selected as values
COLUMNS = [TASK_RUN.c[name] for name in (*MEMBERS, "state_id", "state_type", "task_inputs")]
NODES = with_state(TASK_RUN, TaskRunState.__table__, *COLUMNS)
NODES = NODES.where(TASK_RUN.c.flow_run_id == bindparam("flow_run_id")).order_by(TASK_RUN.c.id)
FLOW_RUN_EXISTS = select(exists().where(FLOW_RUN.c.id == bindparam("flow_run_id")))


class TaskRunGraph:
    """Task runs as the nodes of a graph: each names those whose results it takes."""

    def __init__(self, session, clock):
        self.session, self.clock = session, clock

    def read(self, flow_run_id):
        """Return the nodes of a flow run, the oldest first. Raise NotFound."""
        now = self.clock()
        nodes = [_node(row, now) for row in self.session.execute(NODES, {"flow_run_id": flow_run_id})]
        if not nodes and not self.session.execute(FLOW_RUN_EXISTS, {"flow_run_id": flow_run_id}).scalar_one():
            raise NotFound("Flow run")
        return nodes


def _node(row, now):
    state = {name: getattr(row, f"current_{name}") for name in STATE_MEMBERS}
    # a task run on which it depends in several ways is named once
    upstream = dict.fromkeys(source["id"] for inputs in row.task_inputs.values() for source in inputs if source["input_type"] == "task_run")
    return {name: getattr(row, name) for name in MEMBERS} | {
        "state": None if row.state_id is None else {"id": row.state_id, **state},
        "estimated_run_time": estimated_run_time(row.total_run_time, row.state_type, row.current_timestamp, now),
        "upstream_dependencies": [{"input_type": "task_run", "id": id} for id in upstream],
    }

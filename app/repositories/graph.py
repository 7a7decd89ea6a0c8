"""The dependencies between the task runs of a flow run."""

from functools import cache

from sqlalchemy import exists, select

from app.db.dialects import Json, raw
from app.db.models import FlowRun
from app.errors import NotFound
from app.repositories.task_runs import TASK_RUN, TaskRuns

FLOW_RUN = FlowRun.__table__
MEMBERS = ("id", "state", "expected_start_time", "start_time", "end_time", "total_run_time", "estimated_run_time")


class TaskRunGraph(TaskRuns):
    """Task runs as the nodes of a graph: each knows those whose results it takes."""

    @classmethod
    @cache
    def columns(cls):
        """The run's own columns; its inputs are read, all other JSON is passed on."""
        return [raw(column) if isinstance(column.type, Json) and column is not TASK_RUN.c.task_inputs else column for column in TASK_RUN.c]

    def document(self, row, now):
        """One node. A task run on which it depends in several ways is named once."""
        run = super().document(row, now)
        sources = [source for inputs in run["task_inputs"].values() for source in inputs if source["input_type"] == "task_run"]
        upstream = [{"input_type": "task_run", "id": id} for id in dict.fromkeys(source["id"] for source in sources)]
        return {name: run[name] for name in MEMBERS} | {"upstream_dependencies": upstream}

    def read(self, flow_run_id):
        """The nodes of a flow run, the oldest first. Raises NotFound."""
        nodes = self._documents(self.selection().where(TASK_RUN.c.flow_run_id == flow_run_id).order_by(TASK_RUN.c.id))
        if not nodes and not self.session.execute(select(exists().where(FLOW_RUN.c.id == flow_run_id))).scalar_one():
            raise NotFound("Flow run")
        return nodes

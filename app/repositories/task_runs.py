"""Task runs."""

from app.db.models import TaskRun, TaskRunState
from app.repositories.flow_runs import FLOW_RUN, subflows_of
from app.repositories.runs import Runs, run_sorts

TASK_RUN = TaskRun.__table__


class TaskRuns(Runs):
    """Runs of tasks, unique by flow run, task key and dynamic key."""

    table = TASK_RUN
    state_table = TaskRunState.__table__
    entity = "task_runs"
    kind = "Task"  # the reference's word for it
    sorts = run_sorts(TASK_RUN)
    unique = ("flow_run_id", "task_key", "dynamic_key")

    def subflows(self, id):
        """The SELECT that locks the flow run that it stands for."""
        return subflows_of(FLOW_RUN.c.parent_task_run_id == id)

    def state_references(self, document):
        """The task run, and the flow run it is part of."""
        return {"flow_run_id": str(document["flow_run_id"]), "task_run_id": str(document["id"])}

"""Task runs."""

from sqlalchemy import bindparam

from app.db.models import TaskRun, TaskRunState
from app.repositories.flow_runs import FLOW_RUN, lock_flow_runs
from app.repositories.runs import SHARED_COLUMNS, Runs, RunStatements, RunWriter, answer_columns, run_sorts

TASK_RUN = TaskRun.__table__
TASK_RUN_STATE = TaskRunState.__table__

UNIQUE = ("flow_run_id", "task_key", "dynamic_key")
OWN_COLUMNS = (*UNIQUE, "cache_key", "cache_expiration", "task_version", "empirical_policy", "task_inputs")
COLUMNS = answer_columns(TASK_RUN, SHARED_COLUMNS + OWN_COLUMNS)


class TaskRuns(Runs):
    """Runs of tasks, unique by flow run, task key and dynamic key."""

    table = TASK_RUN
    state_table = TASK_RUN_STATE
    entity = "task_runs"
    kind = "Task"  # the reference's word for it
    sorts = run_sorts(TASK_RUN)
    unique = UNIQUE
    statements = RunStatements(TASK_RUN, TASK_RUN_STATE, COLUMNS, UNIQUE, locked=("flow_run_id", "tags", "empirical_policy"))
    selection = statements.selection
    writer = RunWriter(selection, {column.name: column.name for column in COLUMNS} | RunWriter.computed)
    # the one that the task run stands for: its transitions lock it before the task run, and a deletion would do so after
    locks_for_delete = (lock_flow_runs(FLOW_RUN.c.parent_task_run_id == bindparam("wanted")),)

    @staticmethod
    def state_references(run):
        """Return the ids of the task run and of the flow run it is part of."""
        return {"flow_run_id": str(run["flow_run_id"]), "task_run_id": str(run["id"])}

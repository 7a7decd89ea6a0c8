"""The histories of task runs."""

from app.api.http import Blueprint, fences, needs, transaction, unit_of_work
from app.schemas.states import State, TaskRunStatesQuery

blueprint = Blueprint("Task Run States", __name__, url_prefix="/api/task_run_states", description="The states that a task run has been in.")


@blueprint.get("/<id:id>")
@needs("runs:read", "worker")
@blueprint.response(200, State)
@transaction(read_only=True)
@fences.fenced(fences.by_id("Task run state"))
def read_task_run_state(id):
    """Read a state of a task run.

    By its own id.
    """
    return unit_of_work().task_runs.require_state(id)


@blueprint.get("/")
@needs("runs:read", "worker")
@blueprint.arguments(TaskRunStatesQuery, location="query")
@blueprint.response(200, State(many=True))
@transaction(read_only=True)
@fences.fenced(fences.history("Task run", "task_run_id"))
def read_task_run_states(query):
    """Read the history of a task run.

    Its states, the first one first; none for one that does not exist.
    """
    return unit_of_work().task_runs.history(query["task_run_id"])

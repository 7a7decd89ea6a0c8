"""Task runs."""

from app.api.decisions import decided
from app.api.http import LINK, Blueprint, fences, list_page, needs, transaction, unit_of_work
from app.schemas.base import COUNT
from app.schemas.filters import Filters
from app.schemas.runs import HistoryInterval, HistoryQuery
from app.schemas.states import WAITS, SetTaskRunState, StateAnswer
from app.schemas.task_runs import COUNTED, HISTORY, TaskRun, TaskRunCreate, TaskRunPage

blueprint = Blueprint("Task Runs", __name__, url_prefix="/api/task_runs", description="Runs of tasks inside flow runs.")


@blueprint.post("/")
@needs("runs:write", "worker")
@blueprint.arguments(TaskRunCreate)
@blueprint.response(201, TaskRun)
@blueprint.alt_response(200, schema=TaskRun, description="The run that was there already", success=True)
@blueprint.alt_response(409, "Conflict")
@transaction()
@fences.fenced(fences.new_task_run)
def create_task_run(new):
    """Create a task run.

    One with the same flow run, task key and dynamic key is answered as it is. Without `state` it is PENDING.
    """
    run, created = unit_of_work().run_service.create_task_run(new)
    return run, 201 if created else 200


@blueprint.get("/<id:id>")
@needs("runs:read", "worker")
@blueprint.response(200, TaskRun)
@transaction(read_only=True)
@fences.fenced(fences.by_id("Task run"))
def read_task_run(id):
    """Read a task run.

    With its current state.
    """
    return unit_of_work().task_runs.require_json(id)


@blueprint.post("/filter")
@needs("runs:read")
@blueprint.list_arguments(TaskRunPage)
@blueprint.response(200, TaskRun(many=True), headers=LINK)
@transaction(read_only=True)
@fences.fenced(fences.listing("task_runs"))
def read_task_runs(body):
    """List task runs.

    Those that meet all criteria. Runs without the value that is sorted by come last.
    """
    return list_page(unit_of_work().task_runs, body, body["sort"])


@blueprint.post("/count")
@needs("runs:read")
@blueprint.arguments(Filters, required=False, example=COUNTED)
@blueprint.response(200, COUNT)
@transaction(read_only=True)
@fences.fenced(fences.listing("task_runs"))
def count_task_runs(body):
    """Count task runs.

    How many meet all criteria.
    """
    return unit_of_work().task_runs.count(body)


@blueprint.post("/history")
@needs("runs:read")
@blueprint.arguments(HistoryQuery, example=HISTORY)
@blueprint.response(200, HistoryInterval(many=True))
@transaction(read_only=True)
@fences.fenced(fences.listing("task_runs"))
def task_run_history(body):
    """Read the history of task runs.

    How many of those that meet all criteria were expected to start in each interval, by the state they are in now, with how long they
    have been running and how late they were.
    """
    return unit_of_work().run_service.history(
        "task_runs", body, body["history_start"], body["history_end"], body["history_interval_seconds"]
    )


@blueprint.post("/<id:id>/set_state")
@needs("runs:write", "worker")
@blueprint.arguments(SetTaskRunState)
@blueprint.response(201, StateAnswer, description="ACCEPT or REJECT")
@blueprint.alt_response(200, schema=StateAnswer, description="WAIT or ABORT: nothing changed", example=WAITS, success=True)
@transaction()
@fences.fenced(fences.by_id("Task run"))
def set_task_run_state(body, id):
    """Set the state of a task run.

    The rules of orchestration decide: the state is entered, or another one instead, or none; `status` says which.
    """
    outcome = unit_of_work().orchestration.set_task_run_state(id, body["state"], bool(body["force"]))
    return decided("task_run", outcome)


@blueprint.delete("/<id:id>")
@needs("runs:write")
@blueprint.response(204)
@transaction()
@fences.fenced(fences.by_id("Task run"))
def delete_task_run(id):
    """Delete a task run.

    Its history goes with it.
    """
    unit_of_work().task_runs.delete(id)
    return None, 204

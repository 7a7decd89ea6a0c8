"""Task runs."""

from app.api.blueprint import Blueprint, page, services
from app.api.values import new_task_run
from app.db.session import get_session
from app.domain.states import new_state
from app.repositories.task_runs import TaskRuns
from app.schemas import answers, examples, history, orchestration
from app.schemas.filters import Filters, sorted_page
from app.schemas.requests import TaskRunCreate
from app.services.unit_of_work import UnitOfWork

blueprint = Blueprint("Task Runs", __name__, url_prefix="/api/task_runs", description="Runs of tasks inside flow runs.")
TaskRunPage = sorted_page("TaskRunPage", TaskRuns.sorts)


def task_runs():
    """The stored task runs."""
    return TaskRuns(get_session(), services().clock)


def unit_of_work():
    """What the request's transaction works with."""
    return UnitOfWork(get_session(), services())


@blueprint.post("/")
@blueprint.arguments(TaskRunCreate, example=examples.TASK_RUN)
@blueprint.answers(201, answers.TaskRun, also={200: "The run that was there already"}, errors=(409,), description="Created")
def create_task_run(body):
    """Create a task run.

    One with the same flow run, task key and dynamic key is answered as it is. Without `state` it is PENDING.
    """
    document, created = unit_of_work().run_service.create_task_run(new_task_run(body, services().clock))
    return document, 201 if created else 200


@blueprint.get("/<id:id>")
@blueprint.answers(200, answers.TaskRun, errors=(404, 422), read_only=True)
def read_task_run(id):
    """Read a task run.

    With its current state.
    """
    return task_runs().require(id)


@blueprint.post("/filter")
@blueprint.arguments(TaskRunPage, required=False, example=examples.TASK_RUN_FILTER)
@blueprint.answers(200, answers.TaskRun(many=True), read_only=True)
def read_task_runs(body):
    """List task runs.

    Those that meet all criteria. Runs without the value that is sorted by come last.
    """
    return task_runs().find(body, *page(body), sort=body.get("sort"))


@blueprint.post("/count")
@blueprint.arguments(Filters, required=False, example=examples.TASK_RUN_COUNT)
@blueprint.answers(200, answers.COUNT, read_only=True)
def count_task_runs(body):
    """Count task runs.

    How many meet all criteria.
    """
    return task_runs().count(body)


@blueprint.post("/history")
@blueprint.arguments(history.HistoryQuery, example=history.TASK_RUN_HISTORY)
@blueprint.answers(200, history.HistoryInterval(many=True), read_only=True)
def task_run_history(body):
    """Read the history of task runs.

    How many of those that meet all criteria were expected to start in each interval, by the state they are in now, with how long they
    have been running and how late they were.
    """
    asked = (body["history_start"], body["history_end"], body["history_interval_seconds"])
    return unit_of_work().run_service.history("task_runs", body, *asked)


@blueprint.post("/<id:id>/set_state")
@blueprint.arguments(orchestration.SetTaskRunState, example=orchestration.SET_STATE)
@blueprint.answers(
    201, orchestration.StateAnswer, also={200: "WAIT or ABORT: nothing changed"}, errors=(404,), description="ACCEPT or REJECT"
)
def set_task_run_state(body, id):
    """Set the state of a task run.

    The rules of orchestration decide: the state is entered, or another one instead, or none; `status` says which.
    """
    state = new_state(now=services().clock(), **body["state"])
    outcome = unit_of_work().orchestration.set_task_run_state(id, state, body.get("force", False))
    return outcome, 200 if outcome["state"] is None else 201


@blueprint.delete("/<id:id>")
@blueprint.answers(204, errors=(404, 422))
def delete_task_run(id):
    """Delete a task run.

    Its history goes with it.
    """
    task_runs().delete(id)
    return None, 204

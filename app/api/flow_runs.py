"""Flow runs."""

from app.api.blueprint import Blueprint, page, services
from app.api.values import flow_run_changes, new_flow_run
from app.db.session import get_session
from app.domain.states import new_state
from app.repositories.flow_runs import FlowRuns
from app.repositories.task_run_graph import TaskRunGraph
from app.schemas import answers, examples, graph, history, orchestration, work_queues
from app.schemas.filters import Filters, sorted_page
from app.schemas.requests import FlowRunCreate, FlowRunUpdate
from app.services.unit_of_work import UnitOfWork

blueprint = Blueprint("Flow Runs", __name__, url_prefix="/api/flow_runs", description="Runs of flows, scheduled or made by hand.")
FlowRunPage = sorted_page("FlowRunPage", FlowRuns.sorts)


def flow_runs():
    """The stored flow runs."""
    return FlowRuns(get_session(), services().clock)


def unit_of_work():
    """What the request's transaction works with."""
    return UnitOfWork(get_session(), services())


@blueprint.post("/")
@blueprint.arguments(FlowRunCreate, example=examples.FLOW_RUN)
@blueprint.answers(201, answers.FlowRun, also={200: "The run that the idempotency key made before"}, errors=(409,), description="Created")
def create_flow_run(body):
    """Create a flow run.

    One of the same flow with the same idempotency key is answered as it is. Without `state` it is PENDING.
    """
    document, created = unit_of_work().run_service.create_flow_run(new_flow_run(body, services().clock))
    return document, 201 if created else 200


@blueprint.get("/<id:id>")
@blueprint.answers(200, answers.FlowRun, errors=(404, 422), read_only=True)
def read_flow_run(id):
    """Read a flow run.

    With its current state.
    """
    return flow_runs().require(id)


@blueprint.patch("/<id:id>")
@blueprint.arguments(FlowRunUpdate, required=False, example=examples.FLOW_RUN_UPDATE)
@blueprint.answers(204, errors=(404,))
def update_flow_run(body, id):
    """Change a flow run.

    An absent field keeps its value. Its state is not changed this way.
    """
    unit_of_work().run_service.update_flow_run(id, flow_run_changes(body))
    return None, 204


@blueprint.post("/filter")
@blueprint.arguments(FlowRunPage, required=False, examples=examples.FLOW_RUN_FILTERS)
@blueprint.answers(200, answers.FlowRun(many=True), read_only=True)
def read_flow_runs(body):
    """List flow runs.

    Those that meet all criteria. Runs without the value that is sorted by come last.
    """
    return flow_runs().find(body, *page(body), sort=body.get("sort"))


@blueprint.post("/count")
@blueprint.arguments(Filters, required=False, example=examples.FLOW_RUN_COUNT)
@blueprint.answers(200, answers.COUNT, read_only=True)
def count_flow_runs(body):
    """Count flow runs.

    How many meet all criteria.
    """
    return flow_runs().count(body)


@blueprint.post("/<id:id>/heartbeat")
@blueprint.arguments(work_queues.Heartbeat, example=work_queues.HEARTBEAT)
@blueprint.answers(200, work_queues.Lease, errors=(404, 409))
def renew_lease(body, id):
    """Renew a lease.

    The worker that claimed the run says that it is still at it. 409 says that the run is no longer the worker's: it must stop, since the
    lease has run out, the run has ended, or another worker has it.
    """
    service = unit_of_work().work_queue_service
    expires_at = service.heartbeat(id, body["lease_id"], body.get("lease_seconds") or services().settings.lease_seconds)
    return {"lease_id": body["lease_id"], "lease_expires_at": expires_at}


@blueprint.post("/history")
@blueprint.arguments(history.HistoryQuery, example=history.FLOW_RUN_HISTORY)
@blueprint.answers(200, history.HistoryInterval(many=True), read_only=True)
def flow_run_history(body):
    """Read the history of flow runs.

    How many of those that meet all criteria were expected to start in each interval, by the state they are in now, with how long they
    have been running and how late they were.
    """
    asked = (body["history_start"], body["history_end"], body["history_interval_seconds"])
    return unit_of_work().run_service.history("flow_runs", body, *asked)


@blueprint.get("/<id:id>/graph")
@blueprint.answers(200, graph.GraphNode(many=True), errors=(404, 422), read_only=True)
def read_flow_run_graph(id):
    """Read the graph of a flow run.

    Its task runs, each with the task runs whose results it takes.
    """
    return TaskRunGraph(get_session(), services().clock).read(id)


@blueprint.post("/<id:id>/set_state")
@blueprint.arguments(orchestration.SetFlowRunState, example=orchestration.SET_STATE)
@blueprint.answers(
    201, orchestration.StateAnswer, also={200: "WAIT or ABORT: nothing changed"}, errors=(404, 409), description="ACCEPT or REJECT"
)
def set_flow_run_state(body, id):
    """Set the state of a flow run.

    The rules of orchestration decide: the state is entered, or another one instead, or none; `status` says which.
    A worker that claimed the run shows its `lease_id`, and is refused with 409 when the lease is over.
    """
    state = new_state(now=services().clock(), **body["state"])
    outcome = unit_of_work().orchestration.set_flow_run_state(id, state, body.get("force", False), body.get("lease_id"))
    return outcome, 200 if outcome["state"] is None else 201


@blueprint.delete("/<id:id>")
@blueprint.answers(204, errors=(404, 422))
def delete_flow_run(id):
    """Delete a flow run.

    Its task runs and its history go with it.
    """
    flow_runs().delete(id)
    return None, 204

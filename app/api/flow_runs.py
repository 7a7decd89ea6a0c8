"""Flow runs."""

from app.api.decisions import decided
from app.api.http import LINK, Blueprint, fences, list_page, needs, parts, transaction, unit_of_work
from app.schemas.base import COUNT
from app.schemas.bulk_runs import BulkChange, BulkChanged, SetFlowRunStates
from app.schemas.filters import Filters
from app.schemas.flow_runs import COUNTED, HISTORY, FlowRun, FlowRunCreate, FlowRunPage, FlowRunRetry, FlowRunUpdate, GraphNode
from app.schemas.runs import HistoryInterval, HistoryQuery
from app.schemas.states import WAITS, SetFlowRunState, StateAnswer
from app.schemas.work_queues import Heartbeat, Lease

blueprint = Blueprint("Flow Runs", __name__, url_prefix="/api/flow_runs", description="Runs of flows, scheduled or made by hand.")


@blueprint.post("/")
@needs("runs:write", "worker")
@blueprint.arguments(FlowRunCreate)
@blueprint.response(201, FlowRun)
@blueprint.alt_response(200, schema=FlowRun, description="The run that the idempotency key made before", success=True)
@blueprint.alt_response(409, "Conflict")
@transaction()
@fences.fenced(fences.new_flow_run)
def create_flow_run(new):
    """Create a flow run.

    One of the same flow with the same idempotency key is answered as it is. Without `state` it is PENDING.
    """
    run, created = unit_of_work().run_service.create_flow_run(new)
    return run, 201 if created else 200


@blueprint.get("/<id:id>")
@needs("runs:read", "worker")
@blueprint.response(200, FlowRun)
@transaction(read_only=True)
@fences.fenced(fences.by_id("Flow run"))
def read_flow_run(id):
    """Read a flow run.

    With its current state.
    """
    return unit_of_work().flow_runs.require_json(id)


@blueprint.patch("/<id:id>")
@needs("runs:write", "worker")
@blueprint.arguments(FlowRunUpdate, required=False)
@blueprint.response(204)
@transaction()
@fences.fenced(fences.change("Flow run"))
def update_flow_run(changes, id):
    """Change a flow run.

    An absent field keeps its value. Its state is not changed this way.
    """
    unit_of_work().run_service.update_flow_run(id, changes)
    return None, 204


@blueprint.post("/filter")
@needs("runs:read", "worker")
@blueprint.list_arguments(FlowRunPage)
@blueprint.response(200, FlowRun(many=True), headers=LINK)
@transaction(read_only=True)
@fences.fenced(fences.listing("flow_runs"))
def read_flow_runs(body):
    """List flow runs.

    Those that meet all criteria. Runs without the value that is sorted by come last.
    """
    return list_page(unit_of_work().flow_runs, body, body["sort"])


@blueprint.post("/count")
@needs("runs:read")
@blueprint.arguments(Filters, required=False, example=COUNTED)
@blueprint.response(200, COUNT)
@transaction(read_only=True)
@fences.fenced(fences.listing("flow_runs"))
def count_flow_runs(body):
    """Count flow runs.

    How many meet all criteria.
    """
    return unit_of_work().flow_runs.count(body)


@blueprint.post("/<id:id>/heartbeat")
@needs("worker")
@blueprint.arguments(Heartbeat)
@blueprint.response(200, Lease)
@blueprint.alt_response(409, "Conflict")
@transaction()
@fences.fenced(fences.by_id("Flow run"))
def renew_lease(body, id):
    """Renew a lease.

    The worker that claimed the run says that it is still at it. 409 says that the run is no longer the worker's: it must stop, since the
    lease has run out, the run has ended, or another worker has it.
    """
    seconds = body["lease_seconds"] or parts().settings.lease_seconds
    expires_at = unit_of_work().work_queue_service.heartbeat(id, body["lease_id"], seconds)
    return {"lease_id": body["lease_id"], "lease_expires_at": expires_at}


@blueprint.post("/history")
@needs("runs:read")
@blueprint.arguments(HistoryQuery, example=HISTORY)
@blueprint.response(200, HistoryInterval(many=True))
@transaction(read_only=True)
@fences.fenced(fences.listing("flow_runs"))
def flow_run_history(body):
    """Read the history of flow runs.

    How many of those that meet all criteria were expected to start in each interval, by the state they are in now, with how long they
    have been running and how late they were.
    """
    return unit_of_work().run_service.history(
        "flow_runs", body, body["history_start"], body["history_end"], body["history_interval_seconds"]
    )


@blueprint.get("/<id:id>/graph")
@needs("runs:read")
@blueprint.response(200, GraphNode(many=True))
@transaction(read_only=True)
@fences.fenced(fences.by_id("Flow run"))
def read_flow_run_graph(id):
    """Read the graph of a flow run.

    Its task runs, each with the task runs whose results it takes.
    """
    return unit_of_work().task_run_graph.read(id)


@blueprint.post("/<id:id>/set_state")
@needs("runs:write", "worker")
@blueprint.arguments(SetFlowRunState)
@blueprint.response(201, StateAnswer, description="ACCEPT or REJECT")
@blueprint.alt_response(200, schema=StateAnswer, description="WAIT or ABORT: nothing changed", example=WAITS, success=True)
@blueprint.alt_response(409, "Conflict")
@transaction()
@fences.fenced(fences.by_id("Flow run"))
def set_flow_run_state(body, id):
    """Set the state of a flow run.

    The rules of orchestration decide: the state is entered, or another one instead, or none; `status` says which.
    A worker that claimed the run shows its `lease_id`, and is refused with 409 when the lease is over.
    """
    outcome = unit_of_work().orchestration.set_flow_run_state(id, body["state"], bool(body["force"]), body["lease_id"])
    return decided("flow_run", outcome)


@blueprint.post("/set_state")
@needs("runs:write")
@blueprint.arguments(SetFlowRunStates)
@blueprint.response(200, BulkChanged)
@transaction()
@fences.fenced(fences.listing("flow_runs"))
def set_flow_run_states(body):
    """Set the states of flow runs.

    The state is proposed for each of those that meet all criteria, as if it were the only one, in one transaction. With `dry_run`
    nothing is stored, and the answer is the same.
    """
    asked = body.pop("state"), body.pop("limit")
    options = {"is_dry": body.pop("dry_run"), "force": body.pop("force")}
    return unit_of_work().bulk_run_service.set_state(body, *asked, **options)


@blueprint.post("/delete")
@needs("runs:write")
@blueprint.arguments(BulkChange)
@blueprint.response(200, BulkChanged)
@transaction()
@fences.fenced(fences.listing("flow_runs"))
def delete_flow_runs(body):
    """Delete flow runs.

    Those that meet all criteria, with their task runs and their histories, in one transaction. With `dry_run` nothing is deleted, and the
    answer is the same.
    """
    limit, is_dry = body.pop("limit"), body.pop("dry_run")
    return unit_of_work().bulk_run_service.delete(body, limit, is_dry=is_dry)


@blueprint.post("/<id:id>/retry")
@needs("runs:write")
@blueprint.arguments(FlowRunRetry, required=False)
@blueprint.response(200, FlowRun)
@blueprint.alt_response(201, schema=FlowRun, description="The new run, with `new`", success=True)
@blueprint.alt_response(409, "Conflict")
@transaction()
@fences.fenced(fences.by_id("Flow run"))
def retry_flow_run(body, id):
    """Retry a flow run.

    One that is over is SCHEDULED again, due now, with its history kept. With `new`, a new run with the same parameters and tags is
    made. 409 says that it is not over, or that it is a subflow's, which is retried with its parent.
    """
    if body["new"]:
        return unit_of_work().run_service.retry_as_new(id), 201
    return unit_of_work().run_service.retry(id), 200


@blueprint.delete("/<id:id>")
@needs("runs:write")
@blueprint.response(204)
@transaction()
@fences.fenced(fences.by_id("Flow run"))
def delete_flow_run(id):
    """Delete a flow run.

    Its task runs and its history go with it.
    """
    unit_of_work().flow_runs.delete(id)
    return None, 204

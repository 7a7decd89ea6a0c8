"""Work queues: what agents poll, and what workers claim runs from."""

from app.api.blueprint import Blueprint, page, services
from app.db.session import get_session, in_transaction
from app.repositories.work_queues import WorkQueues
from app.schemas import answers, work_queues
from app.schemas.filters import Part
from app.services.unit_of_work import UnitOfWork

blueprint = Blueprint(
    "Work Queues", __name__, url_prefix="/api/work_queues", description="Views of the runs that are due, for agents and workers."
)


def registry():
    """The stored work queues."""
    return WorkQueues(get_session(), services().clock)


def queues():
    """What agents and workers get from them."""
    return UnitOfWork(get_session(), services()).work_queue_service


def _columns(body):
    return body | {"description": body["description"] or ""} if "description" in body else body


@blueprint.post("/")
@blueprint.arguments(work_queues.WorkQueueCreate, example=work_queues.WORK_QUEUE)
@blueprint.answers(201, work_queues.WorkQueue, errors=(409,), description="Created")
def create_work_queue(body):
    """Create a work queue.

    Names are unique. Whatever queue a run is in, it is handed out once to workers that claim it.
    """
    return registry().create(_columns(body))


@blueprint.get("/<id:id>")
@blueprint.answers(200, work_queues.WorkQueue, errors=(404, 422), read_only=True)
def read_work_queue(id):
    """Read a work queue.

    By its id.
    """
    return registry().require(id)


@blueprint.get("/name/<name>")
@blueprint.answers(200, work_queues.WorkQueue, errors=(404,), read_only=True)
def read_work_queue_by_name(name):
    """Read a work queue by name.

    Names of work queues are unique.
    """
    return registry().read_by_name(name)


@blueprint.patch("/<id:id>")
@blueprint.arguments(work_queues.WorkQueueUpdate, required=False, example=work_queues.WORK_QUEUE_UPDATE)
@blueprint.answers(204, errors=(404, 409))
def update_work_queue(body, id):
    """Change a work queue.

    An absent field keeps its value. Runs that are claimed or running already stay so.
    """
    registry().update(id, _columns(body))
    return None, 204


@blueprint.post("/filter")
@blueprint.arguments(Part, required=False, example=work_queues.WORK_QUEUE_FILTER)
@blueprint.answers(200, work_queues.WorkQueue(many=True), read_only=True)
def read_work_queues(body):
    """List work queues.

    All of them, ordered by name.
    """
    return registry().list(*page(body))


@blueprint.delete("/<id:id>")
@blueprint.answers(204, errors=(404, 422))
def delete_work_queue(id):
    """Delete a work queue.

    Its runs stay, and so do the leases on them.
    """
    registry().delete(id)
    return None, 204


@blueprint.post("/<id:id>/get_runs")
@blueprint.arguments(work_queues.GetRuns, required=False, example=work_queues.GET_RUNS)
@blueprint.answers(200, answers.FlowRun(many=True), errors=(404, 503), transaction=False)
def read_work_queue_runs(body, id):
    """Look at the runs that are due.

    Those in a SCHEDULED state, longest due first, as many as the queue's concurrency limit leaves room for; none while it is paused.
    Nothing is taken: two agents that ask at the same time see the same runs.
    """
    limit, _ = page(body)
    agent_id = body.get("agent_id")

    def look():
        return queues().runs(id, limit, body.get("scheduled_before"), agent_id)

    # most agents do not say who they are, and then there is nothing to write
    return in_transaction(services().database, look, read_only=agent_id is None)


@blueprint.post("/<id:id>/claim_runs")
@blueprint.arguments(work_queues.ClaimRuns, required=False, example=work_queues.CLAIM_RUNS)
@blueprint.answers(200, work_queues.Claim(many=True), errors=(404, 409))
def claim_work_queue_runs(body, id):
    """Claim runs that are due.

    They become PENDING, and each is the asking worker's alone while its lease lasts, however many workers ask at the same time and through
    whichever queues. A lease that is not renewed in time puts its run back to SCHEDULED. `scheduled_before` in the future claims runs ahead
    of their time, which is then the worker's to wait for.
    """
    limit, _ = page(body)
    lease_seconds = body.get("lease_seconds") or services().settings.lease_seconds
    return queues().claim(id, limit, lease_seconds, body.get("scheduled_before"), body.get("worker"))

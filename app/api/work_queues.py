"""Work queues: what agents poll, and what workers claim runs from."""

from contextlib import suppress

from app.api.http import Blueprint, count, fences, in_transaction, json_response, needs, parts, transaction, unit_of_work
from app.errors import Unavailable
from app.schemas.base import Part
from app.schemas.flow_runs import FlowRun
from app.schemas.work_queues import Claim, ClaimRuns, GetRuns, Holder, WorkQueue, WorkQueueCreate, WorkQueueUpdate

blueprint = Blueprint(
    "Work Queues", __name__, url_prefix="/api/work_queues", description="Views of the runs that are due, for agents and workers."
)


@blueprint.post("/")
@needs("deployments:write", "worker")
@blueprint.arguments(WorkQueueCreate)
@blueprint.response(201, WorkQueue)
@blueprint.alt_response(409, "Conflict")
@transaction()
@fences.fenced(fences.new_queue)
def create_work_queue(body):
    """Create a work queue.

    Names are unique. Whatever queue a run is in, it is handed out once to workers that claim it.
    """
    return unit_of_work().work_queues.create(body), 201


@blueprint.get("/<id:id>")
@needs("deployments:read", "worker")
@blueprint.response(200, WorkQueue)
@transaction(read_only=True)
@fences.fenced(fences.queue_by_id)
def read_work_queue(id):
    """Read a work queue.

    By its id.
    """
    return unit_of_work().work_queues.require(id)


@blueprint.get("/name/<name>")
@needs("deployments:read", "worker")
@blueprint.response(200, WorkQueue)
@transaction(read_only=True)
@fences.fenced(fences.queue_by_name)
def read_work_queue_by_name(name):
    """Read a work queue by name.

    Names of work queues are unique.
    """
    return unit_of_work().work_queues.read_by_name(name)


@blueprint.patch("/<id:id>")
@needs("deployments:write")
@blueprint.arguments(WorkQueueUpdate, required=False)
@blueprint.response(204)
@blueprint.alt_response(409, "Conflict")
@transaction()
@fences.fenced(fences.queue_change)
def update_work_queue(body, id):
    """Change a work queue.

    An absent field keeps its value. Runs that are claimed or running already stay so.
    """
    unit_of_work().work_queues.update(id, body)
    return None, 204


@blueprint.post("/filter")
@needs("deployments:read", "worker")
@blueprint.arguments(Part, required=False)
@blueprint.response(200, WorkQueue(many=True))
@transaction(read_only=True)
@fences.fenced(fences.queues)
def read_work_queues(body):
    """List work queues.

    All of them, ordered by name.
    """
    return unit_of_work().work_queues.list(body["limit"], body["offset"])


@blueprint.delete("/<id:id>")
@needs("deployments:write")
@blueprint.response(204)
@transaction()
@fences.fenced(fences.queue_by_id)
def delete_work_queue(id):
    """Delete a work queue.

    Its runs stay, and so do the leases on them.
    """
    unit_of_work().work_queues.delete(id)
    return None, 204


@blueprint.post("/<id:id>/holders")
@needs("deployments:read", "runs:read")
@blueprint.arguments(Part, required=False)
@blueprint.response(200, Holder(many=True))
@transaction(read_only=True)
@fences.fenced(fences.queue_by_id)
def read_work_queue_holders(body, id):
    """List the runs that take up room in a work queue.

    Those that are PENDING or RUNNING, which its concurrency limit counts, the longest held first: who holds them, and since when.
    """
    return unit_of_work().work_queue_service.holders(id, body["limit"], body["offset"])


@fences.fenced(fences.queue_by_id)
def _look(body, *, id):
    return unit_of_work().work_queue_service.look(id, body["limit"], body["scheduled_before"], body["agent_id"])


@blueprint.post("/<id:id>/get_runs")
@needs("runs:read", "worker")
@blueprint.arguments(GetRuns, required=False)
@blueprint.response(200, FlowRun(many=True))
@blueprint.alt_response(503, "ServiceUnavailable")
@fences.fenced_within
def read_work_queue_runs(body, id):
    """Look at the runs that are due.

    Those in a SCHEDULED state, longest due first, as many as the queue's concurrency limit leaves room for; none while it is paused.
    Nothing is taken: two agents that ask at the same time see the same runs.
    """

    # most agents do not say who they are, and then there is seldom something to write
    runs, is_unnoted = in_transaction(lambda: _look(body, id=id), read_only=body["agent_id"] is None)
    if is_unnoted:
        # the runs are the answer, whether or not it can be noted that somebody asked for them
        with suppress(Unavailable):
            in_transaction(lambda: unit_of_work().work_queue_service.note_poll(id))
    return json_response(runs)


@blueprint.post("/<id:id>/claim_runs")
@needs("worker")
@blueprint.arguments(ClaimRuns, required=False)
@blueprint.response(200, Claim(many=True))
@blueprint.alt_response(409, "Conflict")
@transaction()
@fences.fenced(fences.queue_by_id)
def claim_work_queue_runs(body, id):
    """Claim runs that are due.

    They become PENDING, and each is the asking worker's alone while its lease lasts, however many workers ask at the same time and through
    whichever queues. A lease that is not renewed in time puts its run back to SCHEDULED. `scheduled_before` in the future claims runs ahead
    of their time, which is then the worker's to wait for.
    """
    seconds = body["lease_seconds"] or parts().settings.lease_seconds
    claimed = unit_of_work().work_queue_service.claim(id, body["limit"], seconds, body["scheduled_before"], body["worker"])
    count(parts().metrics.claims, len(claimed))
    return claimed

"""Concurrency limits: how many task runs with a tag may be running at a time."""

from app.api.http import Blueprint, needs, transaction, unit_of_work
from app.schemas.base import NOTHING, Part
from app.schemas.concurrency_limits import ConcurrencyLimit, ConcurrencyLimitCreate

blueprint = Blueprint(
    "Concurrency Limits", __name__, url_prefix="/api/concurrency_limits", description="How many task runs with a tag run at a time."
)


@blueprint.post("/")
@needs("deployments:write")
@blueprint.arguments(ConcurrencyLimitCreate)
@blueprint.response(200, ConcurrencyLimit)
@transaction()
def create_concurrency_limit(body):
    """Limit a tag.

    A limit on the same tag is replaced; task runs that hold a slot under it go on. With a limit of 0 none starts.
    """
    return unit_of_work().concurrency_limits.put(body["tag"], body["concurrency_limit"])


@blueprint.get("/<id:id>")
@needs("deployments:read", "worker")
@blueprint.response(200, ConcurrencyLimit)
@transaction(read_only=True)
def read_concurrency_limit(id):
    """Read a concurrency limit.

    With the task runs that hold its slots.
    """
    return unit_of_work().concurrency_limits.require(id)


@blueprint.get("/tag/<tag>")
@needs("deployments:read", "worker")
@blueprint.response(200, ConcurrencyLimit)
@transaction(read_only=True)
def read_concurrency_limit_by_tag(tag):
    """Read the limit on a tag.

    With the task runs that hold its slots.
    """
    return unit_of_work().concurrency_limits.read_by_tag(tag)


@blueprint.post("/filter")
@needs("deployments:read", "worker")
@blueprint.arguments(Part, required=False)
@blueprint.response(200, ConcurrencyLimit(many=True))
@transaction(read_only=True)
def read_concurrency_limits(body):
    """List concurrency limits.

    In order of tag.
    """
    return unit_of_work().concurrency_limits.list(body["limit"], body["offset"])


@blueprint.post("/tag/<tag>/reset")
@needs("deployments:write")
@blueprint.response(200, ConcurrencyLimit)
@transaction()
def reset_concurrency_limit_by_tag(tag):
    """Give back every slot under the limit on a tag.

    For slots of task runs that nobody works on any more: what ends, or loses its lease, gives them back by itself. A task run that is
    running after all goes on without a slot.
    """
    return unit_of_work().concurrency_limits.reset(tag)


@blueprint.delete("/<id:id>")
@needs("deployments:write")
@blueprint.response(200, NOTHING)
@transaction()
def delete_concurrency_limit(id):
    """Delete a concurrency limit.

    Task runs with its tag start freely from then on.
    """
    unit_of_work().concurrency_limits.delete(id)


@blueprint.delete("/tag/<tag>")
@needs("deployments:write")
@blueprint.response(200, NOTHING)
@transaction()
def delete_concurrency_limit_by_tag(tag):
    """Delete the limit on a tag.

    Task runs with the tag start freely from then on.
    """
    unit_of_work().concurrency_limits.delete_tag(tag)

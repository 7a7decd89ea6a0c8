"""Concurrency limits: how many task runs with a tag may be running at a time."""

from app.api.blueprint import Blueprint, page, services
from app.db.session import get_session
from app.repositories.concurrency_limits import ConcurrencyLimits
from app.schemas import orchestration

blueprint = Blueprint(
    "Concurrency Limits", __name__, url_prefix="/api/concurrency_limits", description="How many task runs with a tag run at a time."
)


def limits():
    """The stored limits."""
    return ConcurrencyLimits(get_session(), services().clock)


@blueprint.post("/")
@blueprint.arguments(orchestration.ConcurrencyLimitCreate, example=orchestration.CONCURRENCY_LIMIT)
@blueprint.answers(200, orchestration.ConcurrencyLimit)
def create_concurrency_limit(body):
    """Limit a tag.

    A limit on the same tag is replaced; task runs that hold a slot under it go on. With a limit of 0 none starts.
    """
    return limits().put(body["tag"], body["concurrency_limit"])


@blueprint.get("/<id:id>")
@blueprint.answers(200, orchestration.ConcurrencyLimit, errors=(404, 422), read_only=True)
def read_concurrency_limit(id):
    """Read a concurrency limit.

    With the task runs that hold its slots.
    """
    return limits().require(id)


@blueprint.get("/tag/<tag>")
@blueprint.answers(200, orchestration.ConcurrencyLimit, errors=(404,), read_only=True)
def read_concurrency_limit_by_tag(tag):
    """Read the limit on a tag.

    With the task runs that hold its slots.
    """
    return limits().read_by_tag(tag)


@blueprint.post("/filter")
@blueprint.arguments(orchestration.ConcurrencyLimitPage, required=False, example=orchestration.CONCURRENCY_LIMITS)
@blueprint.answers(200, orchestration.ConcurrencyLimit(many=True), read_only=True)
def read_concurrency_limits(body):
    """List concurrency limits.

    In order of tag.
    """
    return limits().list(*page(body))


@blueprint.delete("/<id:id>")
@blueprint.answers(200, errors=(404, 422))
def delete_concurrency_limit(id):
    """Delete a concurrency limit.

    Task runs with its tag start freely from then on.
    """
    limits().delete(id)


@blueprint.delete("/tag/<tag>")
@blueprint.answers(200, errors=(404,))
def delete_concurrency_limit_by_tag(tag):
    """Delete the limit on a tag.

    Task runs with the tag start freely from then on.
    """
    limits().delete_tag(tag)

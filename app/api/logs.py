"""Logs of runs."""

from app.api.http import LINK, Blueprint, fences, list_page, needs, transaction, unit_of_work
from app.schemas.base import NOTHING
from app.schemas.logs import LOGS, Log, LogCreate, LogPage

blueprint = Blueprint("Logs", __name__, url_prefix="/api/logs", description="What runs logged.")


@blueprint.post("/")
@needs("runs:write", "worker")
@blueprint.arguments(LogCreate(many=True), example=LOGS)
@blueprint.response(201, NOTHING)
@blueprint.alt_response(409, "Conflict")
@transaction()
@fences.fenced(fences.new_logs)
def create_logs(given):
    """Create logs.

    All of them, or none if one is not valid. Their runs need not be known here, unless the key has tags.
    """
    unit_of_work().logs.create(given)
    return None, 201


@blueprint.post("/filter")
@needs("runs:read")
@blueprint.list_arguments(LogPage)
@blueprint.response(200, Log(many=True), headers=LINK)
@transaction(read_only=True)
@fences.fenced(fences.listing("logs"))
def read_logs(body):
    """List logs.

    Those that meet all criteria, the oldest first unless another order is asked for.
    """
    return list_page(unit_of_work().logs, body, body["sort"])

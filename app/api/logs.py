"""Logs of runs."""

from app.api.blueprint import Blueprint, page, services
from app.db.session import get_session
from app.repositories.logs import Logs
from app.schemas import answers
from app.schemas.filters import LogFilters, sorted_page
from app.schemas.logs import LOG_FILTER, LOGS, Log, LogCreate

blueprint = Blueprint("Logs", __name__, url_prefix="/api/logs", description="What runs logged.")
LogPage = sorted_page("LogPage", Logs.sorts, LogFilters)


def logs():
    """The stored logs."""
    return Logs(get_session(), services().clock)


@blueprint.post("/")
@blueprint.arguments(LogCreate, many=True, example=LOGS)
@blueprint.answers(201, answers.NOTHING, description="Created")
def create_logs(body):
    """Create logs.

    All of them, or none if one is not valid. Their runs need not be known here.
    """
    logs().create(body)


@blueprint.post("/filter")
@blueprint.arguments(LogPage, required=False, example=LOG_FILTER)
@blueprint.answers(200, Log(many=True), read_only=True)
def read_logs(body):
    """List logs.

    Those that meet all criteria, the oldest first unless another order is asked for.
    """
    return logs().find(body, *page(body), sort=body.get("sort"))

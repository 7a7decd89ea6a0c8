"""What operators and clients ask of the server itself."""

from app.api.http import Blueprint, fences, in_transaction, json_response, needs, parts, unit_of_work
from app.db import migrate
from app.domain.keys import SCOPES
from app.errors import NotReady
from app.repositories.heartbeats import SCHEDULER
from app.schemas.root import GREETING, TRUE, ReadyQuery

blueprint = Blueprint("Root", __name__, url_prefix="/api", description="The server itself.")


@blueprint.get("/health")
@blueprint.response(200, TRUE)
def health():
    """Is the process alive?

    Always true; a dead process does not answer.
    """
    return json_response(True)


@blueprint.get("/ready")
@blueprint.arguments(ReadyQuery, location="query")
@blueprint.response(200, TRUE)
@blueprint.alt_response(503, "ServiceUnavailable")
def ready(query):
    """Can the server do its work?

    true when the database answers and its migrations are current; 503 otherwise. With `for=scheduler`, a scheduler must have made a pass
    within three of its loops, too.
    """
    if pending := migrate.pending(parts().database):
        raise NotReady(pending)
    if query["service"] == SCHEDULER:
        found = in_transaction(lambda: unit_of_work().heartbeats.last_of(SCHEDULER), read_only=True)
        if found is None or found["silent"]:
            raise NotReady("no scheduler has made a pass within three of its loops; mintaka scheduler status shows those there were")
    return json_response(True)


@blueprint.get("/hello")
@needs(*SCOPES)
@blueprint.response(200, GREETING)
@fences.unfenced
def hello():
    """Say hello.

    Any key will do. Clients of the reference ask this to see whether a server is there.
    """
    return json_response("\N{WAVING HAND SIGN}")

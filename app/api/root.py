"""What operators and clients ask of the server itself."""

from app.api.http import Blueprint, json_response, parts
from app.db import migrate
from app.errors import NotReady
from app.schemas.root import GREETING, TRUE

blueprint = Blueprint("Root", __name__, url_prefix="/api", description="The server itself.")


@blueprint.get("/health")
@blueprint.response(200, TRUE)
def health():
    """Is the process alive?

    Always true; a dead process does not answer.
    """
    return json_response(True)


@blueprint.get("/ready")
@blueprint.response(200, TRUE)
@blueprint.alt_response(503, "ServiceUnavailable")
def ready():
    """Can the server do its work?

    true when the database answers and its migrations are current; 503 otherwise.
    """
    if pending := migrate.pending(parts().database):
        raise NotReady(pending)
    return json_response(True)


@blueprint.get("/hello")
@blueprint.response(200, GREETING)
def hello():
    """Say hello.

    Clients of the reference ask this to see whether a server is there.
    """
    return json_response("\N{WAVING HAND SIGN}")

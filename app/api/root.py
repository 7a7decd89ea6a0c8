"""What operators and clients ask of the server itself."""

from app.api.blueprint import Blueprint, services
from app.db import migrate
from app.errors import NotReady
from app.schemas import answers

blueprint = Blueprint("Root", __name__, url_prefix="/api", description="The server itself.")


@blueprint.get("/health")
@blueprint.answers(200, answers.TRUE, transaction=False)
def health():
    """Is the process alive?

    Always true; a dead process does not answer.
    """
    return True


@blueprint.get("/ready")
@blueprint.answers(200, answers.TRUE, errors=(503,), transaction=False)
def ready():
    """Can the server do its work?

    true when the database answers and its migrations are current; 503 otherwise.
    """
    if pending := migrate.pending(services().database):
        raise NotReady(pending)
    return True


@blueprint.get("/hello")
@blueprint.answers(200, answers.TEXT, transaction=False)
def hello():
    """Say hello.

    Clients of the reference ask this to see whether a server is there.
    """
    return "\N{WAVING HAND SIGN}"

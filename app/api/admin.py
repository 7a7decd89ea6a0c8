"""What administrators ask of the server."""

from flask import abort

from app.api.http import Blueprint, json_response, needs, parts, transaction, unit_of_work
from app.db import migrate
from app.db.engine import shown
from app.domain.audit import Entry
from app.schemas.admin import SETTINGS, VERSION, Confirmation

ORION_VERSION = "2.0b7"

blueprint = Blueprint("Admin", __name__, url_prefix="/api/admin", description="For administrators.")


def require_permission(body):
    """Refuse what would change the database for all, unless the settings let it through and the request means it."""
    if not parts().settings.admin_database_routes:
        abort(403, "Switched off on this server; MINTAKA_ADMIN_DATABASE_ROUTES=true lets whoever reaches it do this.")
    if not body["confirm"]:
        abort(400, 'Nothing was done. Send {"confirm": true} to say that it is meant.')


@blueprint.get("/version")
@needs("admin")
@blueprint.response(200, VERSION)
def read_version():
    """Which version is this?

    The version of the reference whose API is spoken, which its clients compare with their own.
    """
    return json_response(ORION_VERSION)


@blueprint.get("/settings")
@needs("admin")
@blueprint.response(200, SETTINGS)
def read_settings():
    """Which settings are in force?

    By the names of their variables. Durations are in seconds, and passwords in the URLs of databases are not shown.
    """
    database = parts().database
    replica = shown(database.read_url) if database.read_url else ""
    return json_response(parts().settings.in_force(database_url=shown(database.url), database_read_url=replica))


@blueprint.post("/database/clear")
@needs("admin")
@blueprint.arguments(Confirmation, required=False)
@blueprint.response(204)
@transaction()
def clear_database(body):
    """Clear the database.

    Every row is deleted but those of the audit trail and of API keys, and the tables stay. Switched off unless
    `MINTAKA_ADMIN_DATABASE_ROUTES` is true.
    """
    require_permission(body)
    migrate.clear(unit_of_work().session)
    unit_of_work().trail.add(Entry(action="clear", object_kind="database"))
    return None, 204


@blueprint.post("/database/drop")
@needs("admin")
@blueprint.arguments(Confirmation, required=False)
@blueprint.response(204)
@blueprint.alt_response(503, "ServiceUnavailable")
def drop_database(body):
    """Drop the database.

    The tables go, with all that they hold, and the server is not ready before they are created again. Switched off unless
    `MINTAKA_ADMIN_DATABASE_ROUTES` is true.
    """
    require_permission(body)
    migrate.downgrade(parts().database, "base")
    return json_response(None, 204)


@blueprint.post("/database/create")
@needs("admin")
@blueprint.arguments(Confirmation, required=False)
@blueprint.response(204)
@blueprint.alt_response(503, "ServiceUnavailable")
def create_database(body):
    """Create the database.

    Migrates it to the newest revision; one that is there already stays as it is. Switched off unless `MINTAKA_ADMIN_DATABASE_ROUTES` is
    true.
    """
    require_permission(body)
    migrate.upgrade(parts().database)
    return json_response(None, 204)

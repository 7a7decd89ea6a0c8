"""Backfills (the contract's section 10)."""

from app.api.http import Blueprint, fences, needs, transaction, unit_of_work
from app.schemas.backfills import Backfill, BackfillCreate, BackfillDryRun, BackfillPage

blueprint = Blueprint("Backfills", __name__, url_prefix="/api", description="Runs for a window of a schedule, made one after the other.")


@blueprint.post("/deployments/<id:id>/backfills")
@needs("runs:write")
@blueprint.arguments(BackfillCreate)
@blueprint.response(201, Backfill)
@blueprint.alt_response(200, schema=BackfillDryRun, description="What it would do, with `dry_run`", success=True)
@transaction()
@fences.fenced(fences.by_id("Deployment"))
def create_backfill(asked, id):
    """Begin a backfill.

    A schedule that is not active, and a deployment that is paused, can be backfilled too. Bounds and exclusions of the schedule hold,
    jitter does not. Changes of the schedule that come later do not concern it. With `dry_run`, 200 says what it would do.
    """
    new, is_dry = asked
    if is_dry:
        return unit_of_work().backfill_service.dry_run(id, new), 200
    return unit_of_work().backfill_service.begin(id, new), 201


@blueprint.get("/backfills/<id:id>")
@needs("runs:read")
@blueprint.response(200, Backfill)
@transaction(read_only=True)
@fences.fenced(fences.by_id("Backfill"))
def read_backfill(id):
    """Read a backfill.

    With how far it is.
    """
    return unit_of_work().backfills.require(id)


@blueprint.post("/backfills/filter")
@needs("runs:read")
@blueprint.arguments(BackfillPage, required=False)
@blueprint.response(200, Backfill(many=True))
@transaction(read_only=True)
@fences.fenced(fences.listing("deployments"))
def read_backfills(body):
    """List backfills.

    Those that meet all criteria, the newest first.
    """
    return unit_of_work().backfills.find(body, body["limit"], body["offset"])


@blueprint.post("/backfills/<id:id>/pause")
@needs("runs:write")
@blueprint.response(200, Backfill)
@blueprint.alt_response(409, "Conflict")
@transaction()
@fences.fenced(fences.by_id("Backfill"))
def pause_backfill(id):
    """Pause a backfill.

    It makes no more runs; those that it has made go on. 409 says that it is over.
    """
    return unit_of_work().backfill_service.pause(id)


@blueprint.post("/backfills/<id:id>/resume")
@needs("runs:write")
@blueprint.response(200, Backfill)
@blueprint.alt_response(409, "Conflict")
@transaction()
@fences.fenced(fences.by_id("Backfill"))
def resume_backfill(id):
    """Resume a backfill.

    It makes runs again, from where it was paused. 409 says that it is over.
    """
    return unit_of_work().backfill_service.resume(id)


@blueprint.post("/backfills/<id:id>/cancel")
@needs("runs:write")
@blueprint.response(200, Backfill)
@blueprint.alt_response(409, "Conflict")
@transaction()
@fences.fenced(fences.by_id("Backfill"))
def cancel_backfill(id):
    """Cancel a backfill.

    Its runs that have not been started are deleted; the others go on. 409 says that it is over.
    """
    return unit_of_work().backfill_service.cancel(id)

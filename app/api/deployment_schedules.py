"""The schedules of deployments (the contract's section 8), and previews of schedules."""

from app.api.http import Blueprint, fences, json_response, needs, parts, transaction, unit_of_work
from app.schemas.deployment_schedules import DeploymentSchedule, PreviewedDate, SchedulePreview, ScheduleSet, ScheduleUpdate
from app.services.deployment_schedules import preview

blueprint = Blueprint("Schedules", __name__, url_prefix="/api", description="When deployments run, what shapes that, and previews of it.")


@blueprint.get("/deployments/<id:id>/schedules")
@needs("deployments:read")
@blueprint.response(200, DeploymentSchedule(many=True))
@transaction(read_only=True)
@fences.fenced(fences.by_id("Deployment"))
def read_schedules(id):
    """List a deployment's schedules.

    All of them, in order of slug.
    """
    return unit_of_work().deployment_schedule_service.list(id)


@blueprint.get("/deployments/<id:id>/schedules/<slug:slug>")
@needs("deployments:read")
@blueprint.response(200, DeploymentSchedule)
@transaction(read_only=True)
@fences.fenced(fences.by_id("Deployment"))
def read_schedule(id, slug):
    """Read a schedule.

    By its deployment and its slug.
    """
    return unit_of_work().deployment_schedule_service.read(id, slug)


@blueprint.put("/deployments/<id:id>/schedules/<slug:slug>")
@needs("deployments:write")
@blueprint.arguments(ScheduleSet)
@blueprint.response(201, DeploymentSchedule)
@blueprint.alt_response(200, schema=DeploymentSchedule, description="Replaced", success=True)
@transaction()
@fences.fenced(fences.by_id("Deployment"))
def set_schedule(changes, id, slug):
    """Create or replace a schedule.

    Its runs are made before the answer; those of the one that it replaces are deleted in the same transaction. Other schedules of the
    deployment keep their runs, and so does this one where nothing changes.
    """
    schedule, created = unit_of_work().deployment_schedule_service.put(id, slug, changes)
    return schedule, 201 if created else 200


@blueprint.route("/deployments/<id:id>/schedules/<slug:slug>", methods=["PATCH"])
@needs("deployments:write")
@blueprint.arguments(ScheduleUpdate, required=False)
@blueprint.response(200, DeploymentSchedule)
@transaction()
@fences.fenced(fences.by_id("Deployment"))
def update_schedule(changes, id, slug):
    """Change a schedule.

    What is absent keeps its value, null gives it its default. Its runs follow as after a replacement.
    """
    return unit_of_work().deployment_schedule_service.change(id, slug, changes)


@blueprint.delete("/deployments/<id:id>/schedules/<slug:slug>")
@needs("deployments:write")
@blueprint.response(204)
@transaction()
@fences.fenced(fences.by_id("Deployment"))
def delete_schedule(id, slug):
    """Delete a schedule.

    The runs it made ahead of their time that have never been started go with it; all others stay.
    """
    unit_of_work().deployment_schedule_service.delete(id, slug)
    return None, 204


@blueprint.post("/schedules/preview")
@needs("deployments:read", "deployments:write")
@blueprint.arguments(SchedulePreview)
@blueprint.response(200, PreviewedDate(many=True))
@fences.unfenced
def preview_schedule(asked):
    """Preview a schedule.

    The first dates in a window of a schedule that is not stored. A note says where a change of clocks moves or doubles a date and what
    jitter does; with `explain`, dates that are left out are listed too, with the reason.
    """
    changes, window = asked
    ours = parts()
    return json_response(preview(changes, ours.settings.bounds, ours.clock(), **window))

"""Deployments."""

from app.api.http import LINK, Blueprint, fences, list_page, needs, prefers, transaction, unit_of_work
from app.schemas.base import COUNT, NOTHING
from app.schemas.deployment_schedules import Changed, Pause, PauseCreate, PauseMany
from app.schemas.deployments import (
    COUNTED,
    LISTED,
    PAUSED,
    PREFER,
    PREFERENCE_APPLIED,
    SCHEDULED,
    Deployment,
    DeploymentCreate,
    DeploymentUpdate,
    ScheduleRuns,
)
from app.schemas.filters import Filters, Page
from app.schemas.flow_runs import DeploymentFlowRunCreate, FlowRun

blueprint = Blueprint("Deployments", __name__, url_prefix="/api/deployments", description="Flows with parameters and a schedule.")


@blueprint.post("/")
@needs("deployments:write")
@blueprint.arguments(DeploymentCreate)
@blueprint.response(201, Deployment)
@blueprint.alt_response(200, schema=Deployment, description="Updated", success=True)
@blueprint.alt_response(409, "Conflict")
@transaction()
@fences.fenced(fences.new_deployment)
def create_deployment(changes):
    """Create or update a deployment.

    A deployment with the same flow and name is updated: an absent field keeps its value, null clears it. With an active schedule, its
    runs are made before the answer; those of an earlier schedule are deleted in the same transaction.
    """
    deployment, created = unit_of_work().deployment_service.upsert(changes)
    return deployment, 201 if created else 200


@blueprint.get("/<id:id>")
@needs("deployments:read", "worker")
@blueprint.response(200, Deployment)
@transaction(read_only=True)
@fences.fenced(fences.by_id("Deployment"))
def read_deployment(id):
    """Read a deployment.

    By its id.
    """
    return unit_of_work().deployments.require_json(id)


@blueprint.get("/name/<flow_name>/<deployment_name>")
@needs("deployments:read")
@blueprint.response(200, Deployment)
@transaction(read_only=True)
@fences.fenced(fences.deployment_by_names)
def read_deployment_by_name(flow_name, deployment_name):
    """Read a deployment by name.

    By the name of its flow and its own.
    """
    return unit_of_work().deployments.read_json_by_names(flow_name, deployment_name)


@blueprint.patch("/<id:id>")
@needs("deployments:write")
@blueprint.arguments(DeploymentUpdate, required=False)
@blueprint.response(200, Deployment)
@blueprint.alt_response(409, "Conflict")
@transaction()
@fences.fenced(fences.change("Deployment"))
def update_deployment(changes, id):
    """Change a deployment.

    An absent field keeps its value, null clears it; another name leaves everything else as it is. Its runs follow as they do when it is
    updated by its flow and name. 409 says that the flow has another deployment of that name.
    """
    return unit_of_work().deployment_service.change(id, changes)


@blueprint.post("/filter")
@needs("deployments:read")
@blueprint.list_arguments(Page, example=LISTED)
@blueprint.response(200, Deployment(many=True), headers=LINK)
@transaction(read_only=True)
@fences.fenced(fences.listing("deployments"))
def read_deployments(body):
    """List deployments.

    Those that meet all criteria, ordered by name, then id.
    """
    return list_page(unit_of_work().deployments, body)


@blueprint.post("/count")
@needs("deployments:read")
@blueprint.arguments(Filters, required=False, example=COUNTED)
@blueprint.response(200, COUNT)
@transaction(read_only=True)
@fences.fenced(fences.listing("deployments"))
def count_deployments(body):
    """Count deployments.

    How many meet all criteria.
    """
    return unit_of_work().deployments.count(body)


@blueprint.delete("/<id:id>")
@needs("deployments:write")
@blueprint.response(204)
@transaction()
@fences.fenced(fences.by_id("Deployment"))
def delete_deployment(id):
    """Delete a deployment.

    Its runs in a SCHEDULED state go with it; all others stay, with `deployment_id` null.
    """
    unit_of_work().deployment_service.delete(id)
    return None, 204


@blueprint.post("/<id:id>/set_schedule_active")
@needs("deployments:write")
@blueprint.response(200, NOTHING)
@transaction()
@fences.fenced(fences.by_id("Deployment"))
def set_schedule_active(id):
    """Activate a schedule.

    Runs are made before the answer. Doing it twice makes no duplicates.
    """
    unit_of_work().deployment_service.activate(id)


@blueprint.post("/<id:id>/set_schedule_inactive")
@needs("deployments:write")
@blueprint.arguments(PauseCreate, required=False)
@blueprint.response(200, NOTHING)
@transaction()
@fences.fenced(fences.by_id("Deployment"))
def set_schedule_inactive(pause, id):
    """Pause a deployment's schedules.

    The runs they made ahead of their time that have never started are deleted; runs made by hand and backfills stay. With `until`, the
    scheduler activates them again then.
    """
    unit_of_work().deployment_service.pause(id, **pause)


@blueprint.get("/<id:id>/pause")
@needs("deployments:read")
@blueprint.response(200, Pause)
@transaction(read_only=True)
@fences.fenced(fences.by_id("Deployment"))
def read_pause(id):
    """Read a deployment's pause.

    Whether its schedules are paused, why, until when and since when.
    """
    return unit_of_work().deployments.pause_of(id)


@blueprint.post("/pause")
@needs("deployments:write")
@blueprint.arguments(PauseMany, required=False)
@blueprint.response(200, Changed)
@transaction()
@fences.fenced(fences.bulk_pause)
def pause_deployments(asked):
    """Pause deployments.

    Those that meet all criteria, in one transaction. The answer counts those that were active, or whose note or end has changed.
    """
    pause, filters = asked
    return {"changed": unit_of_work().deployment_service.pause_all(filters, **pause)}


@blueprint.post("/resume")
@needs("deployments:write")
@blueprint.arguments(Filters, required=False, example=PAUSED)
@blueprint.response(200, Changed)
@transaction()
@fences.fenced(fences.listing("deployments"))
def resume_deployments(filters):
    """Resume deployments.

    Those that meet all criteria and are paused, in one transaction. The runs of the first 200 are made before the answer, the others' by
    the scheduler's next pass.
    """
    return {"changed": unit_of_work().deployment_service.resume_all(filters)}


@blueprint.post("/<id:id>/schedule")
@needs("runs:write")
@blueprint.doc(parameters=[PREFER])
@blueprint.arguments(ScheduleRuns, required=False)
@blueprint.response(200, SCHEDULED, headers=PREFERENCE_APPLIED)
@transaction()
@fences.fenced(fences.by_id("Deployment"))
def schedule_deployment(body, id):
    """Schedule runs in a window.

    A window in the past is a backfill. Runs that exist already are not made again. An inactive deployment, or one without a schedule,
    gets none. With `Prefer: return=representation` the answer says what was done; without it, it is null.
    """
    report = unit_of_work().deployment_service.schedule(id, body["start_time"], body["end_time"], body["max_runs"])
    if prefers("return=representation"):
        return report, 200, {"Preference-Applied": "return=representation"}
    return None


@blueprint.post("/<id:id>/create_flow_run")
@needs("runs:write")
@blueprint.arguments(DeploymentFlowRunCreate, required=False)
@blueprint.response(201, FlowRun)
@blueprint.alt_response(200, schema=FlowRun, description="The run that the idempotency key made before", success=True)
@blueprint.alt_response(409, "Conflict")
@transaction()
@fences.fenced(fences.new_flow_run)
def create_flow_run_from_deployment(run, id):
    """Create a run of a deployment.

    Its parameters are the deployment's with the request's over them, its tags those of both. Without `state` it is PENDING.
    """
    document, created = unit_of_work().deployment_service.create_flow_run(id, run)
    return document, 201 if created else 200

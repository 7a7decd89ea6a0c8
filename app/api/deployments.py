"""Deployments: the ten routes of the contract's section 2."""

from app.api.blueprint import Blueprint, page, services
from app.api.requests import prefers
from app.api.values import deployment_changes, new_flow_run
from app.db.session import get_session
from app.repositories.deployments import Deployments
from app.schemas import answers, examples
from app.schemas.filters import Filters, Page
from app.schemas.requests import DeploymentCreate, DeploymentFlowRunCreate, ScheduleRuns
from app.services.unit_of_work import UnitOfWork

blueprint = Blueprint("Deployments", __name__, url_prefix="/api/deployments", description="Flows with parameters and a schedule.")


def registry():
    """The stored deployments."""
    return Deployments(get_session(), services().clock)


def deployments():
    """What can be done to deployments."""
    return UnitOfWork(get_session(), services()).deployment_service


@blueprint.post("/")
@blueprint.arguments(DeploymentCreate, examples=examples.DEPLOYMENTS)
@blueprint.answers(201, answers.Deployment, also={200: "Updated"}, errors=(409,), description="Created")
def create_deployment(body):
    """Create or update a deployment.

    A deployment with the same flow and name is updated: an absent field keeps its value, null clears it. With an active schedule, its
    runs are made before the answer; those of an earlier schedule are deleted in the same transaction.
    """
    document, created = deployments().upsert(deployment_changes(body))
    return document, 201 if created else 200


@blueprint.get("/<id:id>")
@blueprint.answers(200, answers.Deployment, errors=(404, 422), read_only=True)
def read_deployment(id):
    """Read a deployment.

    By its id.
    """
    return registry().require(id)


@blueprint.get("/name/<flow_name>/<deployment_name>")
@blueprint.answers(200, answers.Deployment, errors=(404,), read_only=True)
def read_deployment_by_name(flow_name, deployment_name):
    """Read a deployment by name.

    By the name of its flow and its own.
    """
    return registry().read_by_names(flow_name, deployment_name)


@blueprint.post("/filter")
@blueprint.arguments(Page, required=False, example=examples.DEPLOYMENT_FILTER)
@blueprint.answers(200, answers.Deployment(many=True), read_only=True)
def read_deployments(body):
    """List deployments.

    Those that meet all criteria, ordered by name, then id.
    """
    return registry().find(body, *page(body))


@blueprint.post("/count")
@blueprint.arguments(Filters, required=False, example=examples.DEPLOYMENT_COUNT)
@blueprint.answers(200, answers.COUNT, read_only=True)
def count_deployments(body):
    """Count deployments.

    How many meet all criteria.
    """
    return registry().count(body)


@blueprint.delete("/<id:id>")
@blueprint.answers(204, errors=(404, 422))
def delete_deployment(id):
    """Delete a deployment.

    Its runs in a SCHEDULED state go with it; all others stay, with `deployment_id` null.
    """
    deployments().delete(id)
    return None, 204


@blueprint.post("/<id:id>/set_schedule_active")
@blueprint.answers(200, answers.NOTHING, errors=(404, 422))
def set_schedule_active(id):
    """Activate a schedule.

    Runs are made before the answer. Doing it twice makes no duplicates.
    """
    deployments().activate(id)


@blueprint.post("/<id:id>/set_schedule_inactive")
@blueprint.answers(200, answers.NOTHING, errors=(404, 422))
def set_schedule_inactive(id):
    """Pause a schedule.

    The runs it made that have not been started are deleted; runs made by hand stay.
    """
    deployments().pause(id)


@blueprint.post("/<id:id>/schedule")
@blueprint.doc(parameters=[answers.PREFER])
@blueprint.arguments(ScheduleRuns, required=False, example=examples.SCHEDULE_WINDOW)
@blueprint.answers(200, answers.SCHEDULED, errors=(404,), headers=answers.PREFERENCE_APPLIED)
def schedule_deployment(body, id):
    """Schedule runs in a window.

    A window in the past is a backfill. Runs that exist already are not made again. An inactive deployment, or one without a schedule,
    gets none. With `Prefer: return=representation` the answer says what was done; without it, it is null.
    """
    report = deployments().schedule(id, body.get("start_time"), body.get("end_time"), body.get("max_runs"))
    if prefers("return=representation"):
        return report, 200, {"Preference-Applied": "return=representation"}
    return None


@blueprint.post("/<id:id>/create_flow_run")
@blueprint.arguments(DeploymentFlowRunCreate, required=False, example=examples.DEPLOYMENT_FLOW_RUN)
@blueprint.answers(
    201, answers.FlowRun, also={200: "The run that the idempotency key made before"}, errors=(404, 409), description="Created"
)
def create_flow_run_from_deployment(body, id):
    """Create a run of a deployment.

    Its parameters are the deployment's with the request's over them, its tags those of both. Without `state` it is PENDING.
    """
    document, created = deployments().create_flow_run(id, new_flow_run(body, services().clock))
    return document, 201 if created else 200

"""Whether due runs of a deployment start (the contract's section 9)."""

from app.api.http import Blueprint, fences, needs, transaction, unit_of_work
from app.schemas.policies import StartPolicy, StartPolicyUpdate

blueprint = Blueprint("Policies", __name__, url_prefix="/api/deployments", description="Whether the due runs of deployments start.")


@blueprint.get("/<id:id>/policy")
@needs("deployments:read")
@blueprint.response(200, StartPolicy)
@transaction(read_only=True)
@fences.fenced(fences.by_id("Deployment"))
def read_policy(id):
    """Read a deployment's policy.

    How many of its runs may be held at once, what becomes of those that find no room or are missed, and when failures pause it.
    """
    return vars(unit_of_work().deployments.start_policy_of(id))


@blueprint.route("/<id:id>/policy", methods=["PATCH"])
@needs("deployments:write")
@blueprint.arguments(StartPolicyUpdate, required=False)
@blueprint.response(200, StartPolicy)
@transaction()
@fences.fenced(fences.by_id("Deployment"))
def update_policy(changes, id):
    """Change a deployment's policy.

    An absent field keeps its value, null gives it its default. What has started already goes on, though it be more than a new limit; what
    begins after the answer keeps it.
    """
    return vars(unit_of_work().deployment_service.change_start_policy(id, changes))

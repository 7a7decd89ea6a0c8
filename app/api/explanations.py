"""Why a deployment does not run (the contract's section 11)."""

from app.api.http import Blueprint, needs, transaction, unit_of_work
from app.schemas.explanations import Explanation

blueprint = Blueprint("Explanations", __name__, url_prefix="/api/deployments", description="Why a deployment does not run.")


@blueprint.get("/<id:id>/explain")
@needs("deployments:read")
@blueprint.response(200, Explanation)
@transaction(read_only=True)
def explain_deployment(id):
    """Explain why a deployment does not run.

    From its schedules to the queues that its runs are in and to who holds them. Nothing is changed by asking.
    """
    found = unit_of_work().explanation_service.deployment(id)
    return vars(found) | {"reasons": [reason._asdict() for reason in found.reasons]}

"""The histories of flow runs."""

from app.api.http import Blueprint, fences, needs, transaction, unit_of_work
from app.schemas.states import FlowRunStatesQuery, State

blueprint = Blueprint("Flow Run States", __name__, url_prefix="/api/flow_run_states", description="The states that a flow run has been in.")


@blueprint.get("/<id:id>")
@needs("runs:read", "worker")
@blueprint.response(200, State)
@transaction(read_only=True)
@fences.fenced(fences.by_id("Flow run state"))
def read_flow_run_state(id):
    """Read a state of a flow run.

    By its own id.
    """
    return unit_of_work().flow_runs.require_state(id)


@blueprint.get("/")
@needs("runs:read", "worker")
@blueprint.arguments(FlowRunStatesQuery, location="query")
@blueprint.response(200, State(many=True))
@transaction(read_only=True)
@fences.fenced(fences.history("Flow run", "flow_run_id"))
def read_flow_run_states(query):
    """Read the history of a flow run.

    Its states, the first one first; none for one that does not exist.
    """
    return unit_of_work().flow_runs.history(query["flow_run_id"])

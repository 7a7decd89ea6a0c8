"""Flows."""

from app.api.http import LINK, Blueprint, fences, list_page, needs, transaction, unit_of_work
from app.schemas.base import COUNT
from app.schemas.filters import Filters
from app.schemas.flows import COUNTED, Flow, FlowCreate, FlowPage, FlowUpdate

blueprint = Blueprint("Flows", __name__, url_prefix="/api/flows", description="The names under which deployments and runs come together.")


@blueprint.post("/")
@needs("deployments:write", "worker")
@blueprint.arguments(FlowCreate)
@blueprint.response(201, Flow)
@blueprint.alt_response(200, schema=Flow, description="The flow of that name, as it is", success=True)
@transaction()
@fences.fenced(fences.any_flow)
def create_flow(body):
    """Create a flow.

    One of that name that exists already is answered as it is.
    """
    flow, created = unit_of_work().flows.create(body["name"], body["tags"])
    return flow, 201 if created else 200


@blueprint.get("/<id:id>")
@needs("deployments:read", "worker")
@blueprint.response(200, Flow)
@transaction(read_only=True)
@fences.fenced(fences.by_id("Flow"))
def read_flow(id):
    """Read a flow.

    By its id.
    """
    return unit_of_work().flows.require_json(id)


@blueprint.get("/name/<name>")
@needs("deployments:read")
@blueprint.response(200, Flow)
@transaction(read_only=True)
@fences.fenced(fences.flow_by_name)
def read_flow_by_name(name):
    """Read a flow by name.

    Flow names are unique.
    """
    return unit_of_work().flows.read_by_name(name)


@blueprint.patch("/<id:id>")
@needs("deployments:write")
@blueprint.arguments(FlowUpdate, required=False)
@blueprint.response(204)
@transaction()
def update_flow(body, id):
    """Change a flow's tags.

    An absent field keeps its value.
    """
    unit_of_work().flows.update(id, body)
    return None, 204


@blueprint.post("/filter")
@needs("deployments:read")
@blueprint.list_arguments(FlowPage)
@blueprint.response(200, Flow(many=True), headers=LINK)
@transaction(read_only=True)
@fences.fenced(fences.listing("flows"))
def read_flows(body):
    """List flows.

    Those that meet all criteria.
    """
    return list_page(unit_of_work().flows, body, body["sort"])


@blueprint.post("/count")
@needs("deployments:read")
@blueprint.arguments(Filters, required=False, example=COUNTED)
@blueprint.response(200, COUNT)
@transaction(read_only=True)
@fences.fenced(fences.listing("flows"))
def count_flows(body):
    """Count flows.

    How many meet all criteria.
    """
    return unit_of_work().flows.count(body)


@blueprint.delete("/<id:id>")
@needs("deployments:write")
@blueprint.response(204)
@transaction()
def delete_flow(id):
    """Delete a flow.

    Its deployments and runs go with it.
    """
    unit_of_work().flows.delete(id)
    return None, 204

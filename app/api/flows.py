"""Flows."""

from app.api.blueprint import Blueprint, page, services
from app.db.session import get_session
from app.repositories.flows import Flows
from app.schemas import answers, examples
from app.schemas.filters import Filters, sorted_page
from app.schemas.requests import FlowCreate, FlowUpdate

blueprint = Blueprint("Flows", __name__, url_prefix="/api/flows", description="The names under which deployments and runs come together.")
FlowPage = sorted_page("FlowPage", Flows.sorts)


def flows():
    """The stored flows."""
    return Flows(get_session(), services().clock)


@blueprint.post("/")
@blueprint.arguments(FlowCreate, example=examples.FLOW)
@blueprint.answers(201, answers.Flow, also={200: "The flow of that name, as it is"}, description="Created")
def create_flow(body):
    """Create a flow.

    One of that name that exists already is answered as it is.
    """
    document, created = flows().create(body["name"], body.get("tags", []))
    return document, 201 if created else 200


@blueprint.get("/<id:id>")
@blueprint.answers(200, answers.Flow, errors=(404, 422), read_only=True)
def read_flow(id):
    """Read a flow.

    By its id.
    """
    return flows().require(id)


@blueprint.get("/name/<name>")
@blueprint.answers(200, answers.Flow, errors=(404,), read_only=True)
def read_flow_by_name(name):
    """Read a flow by name.

    Flow names are unique.
    """
    return flows().read_by_name(name)


@blueprint.patch("/<id:id>")
@blueprint.arguments(FlowUpdate, required=False, example=examples.FLOW_UPDATE)
@blueprint.answers(204, errors=(404,))
def update_flow(body, id):
    """Change a flow's tags.

    An absent field keeps its value.
    """
    flows().update(id, body)
    return None, 204


@blueprint.post("/filter")
@blueprint.arguments(FlowPage, required=False, example=examples.FLOW_FILTER)
@blueprint.answers(200, answers.Flow(many=True), read_only=True)
def read_flows(body):
    """List flows.

    Those that meet all criteria.
    """
    return flows().find(body, *page(body), sort=body.get("sort"))


@blueprint.post("/count")
@blueprint.arguments(Filters, required=False, example=examples.FLOW_COUNT)
@blueprint.answers(200, answers.COUNT, read_only=True)
def count_flows(body):
    """Count flows.

    How many meet all criteria.
    """
    return flows().count(body)


@blueprint.delete("/<id:id>")
@blueprint.answers(204, errors=(404, 422))
def delete_flow(id):
    """Delete a flow.

    Its deployments and runs go with it.
    """
    flows().delete(id)
    return None, 204

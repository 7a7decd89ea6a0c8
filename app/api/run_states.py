"""The histories of flow runs and of task runs: one blueprint each, made alike."""

from app.api.blueprint import Blueprint, services
from app.api.requests import query_id
from app.db.session import get_session
from app.repositories.flow_runs import FlowRuns
from app.repositories.task_runs import TaskRuns
from app.schemas import answers
from app.schemas.examples import ANY_ID


def histories(runs, thing):
    """The blueprint of the states of `runs`, a repository class; `thing` is what one of them is called."""
    kind = runs.table.name
    description = f"The states that a {thing} has been in."
    blueprint = Blueprint(f"{thing.title()} States", f"{__name__}.{kind}", url_prefix=f"/api/{kind}_states", description=description)
    owner = {"in": "query", "name": f"{kind}_id", "required": True, "description": f"The {thing}.", "example": ANY_ID}
    owner |= {"schema": {"type": "string", "format": "uuid"}}

    def repository():
        return runs(get_session(), services().clock)

    def read_state(id):
        return repository().require_state(id)

    def read_states():
        return repository().history(query_id(f"{kind}_id"))

    read_state.__name__, read_states.__name__ = f"read_{kind}_state", f"read_{kind}_states"
    read_state.__doc__ = f"Read a state of a {thing}.\n\nBy its own id."
    read_states.__doc__ = f"Read the history of a {thing}.\n\nIts states, the first one first; none for one that does not exist."
    one = blueprint.answers(200, answers.State, errors=(404, 422), read_only=True)
    blueprint.get("/<id:id>")(one(read_state))
    several = blueprint.answers(200, answers.State(many=True), errors=(422,), read_only=True)
    blueprint.get("/")(blueprint.doc(parameters=[owner])(several(read_states)))
    return blueprint


flow_run_states = histories(FlowRuns, "flow run")
task_run_states = histories(TaskRuns, "task run")

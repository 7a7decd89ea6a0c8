"""Flow runs, and their graphs: what comes in, what is answered, and examples."""

from marshmallow import post_load

from app.domain.runs import FlowRunChanges, NewFlowRun
from app.schemas import fields
from app.schemas.base import (
    ANY_ID,
    DEPLOYMENT_ID,
    FLOW_ID,
    NO_RUNNER,
    TASK_RUN_ID,
    Answer,
    Body,
    FlowRunner,
    FlowRunnerAnswer,
    flow_runner_columns,
)
from app.schemas.context import Bound
from app.schemas.fields import MAX_RUN_NAME
from app.schemas.filters import Page
from app.schemas.runs import FIRST_STATE, NAME, POLICY, TAGS, WEEK, FlowRunSort, Run, RunTimesAnswer
from app.schemas.states import StateCreate

PARAMETERS = "What the flow is called with."
CONTEXT = "What the client wants to keep beside the run."
KEY = "Unique in the flow: a second request with it makes no second run."
FLOW, DEPLOYMENT = "The flow that is run.", "The deployment that is run; null: none, or one that was deleted."
VERSION = "The version of the flow."
PARENT = "For a subflow: the task run that stands for it in its parent."
COUNTED = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED", "PENDING"]}}}}
HISTORY = WEEK | {"flows": {"name": {"any_": ["etl"]}}}


class RunFields(Body):
    """What every way to make a flow run takes."""

    name = fields.String(NAME, max=MAX_RUN_NAME, allow_none=True, example="first-try")
    parameters = fields.Object(PARAMETERS, example={"limit": 5})
    context = fields.Object(CONTEXT, example={"ticket": "OPS-7"})
    tags = fields.Tags(TAGS, example=["adhoc"])
    idempotency_key = fields.String(
        KEY, max=Bound("idempotency_key_length"), error="Longer than {max} characters.", allow_none=True, example="orders-2022-06-01"
    )
    flow_runner = fields.Nested(FlowRunner, allow_none=True)
    state = fields.Nested(StateCreate, FIRST_STATE, allow_none=True)

    @post_load
    def _run(self, body, **kwargs):
        # null is what absence is: the runner of the deployment, if there is one
        runner = flow_runner_columns(body) if body.get("flow_runner") is not None else {}
        body.pop("flow_runner", None)
        return NewFlowRun(**body, **runner)


class DeploymentFlowRunCreate(RunFields):
    """A run of a deployment; its parameters go over the deployment's, its tags beside them."""

    example = {"parameters": {"limit": 5}, "tags": ["adhoc"]}


class FlowRunCreate(RunFields):
    """A run of a flow."""

    flow_id = fields.UUID(FLOW, required=True)
    deployment_id = fields.UUID("The deployment that is run, if one is.", allow_none=True)
    flow_version = fields.String(VERSION, max=MAX_RUN_NAME, allow_none=True, example="1.0")
    parent_task_run_id = fields.UUID(PARENT, allow_none=True)

    example = {"flow_id": ANY_ID, "parameters": {"limit": 5}, "tags": ["adhoc"], "state": {"type": "SCHEDULED"}}


class FlowRunUpdate(Body):
    """What to change of a flow run."""

    name = fields.String("The run's name; null leaves it as it is.", min=1, max=MAX_RUN_NAME, allow_none=True, example="second-try")
    flow_version = fields.String(VERSION, max=MAX_RUN_NAME, allow_none=True)
    parameters = fields.Object(PARAMETERS)
    tags = fields.Tags(TAGS, example=["checked"])
    flow_runner = fields.Nested(FlowRunner, allow_none=True)

    example = {"tags": ["checked"]}

    @post_load
    def _changes(self, body, **kwargs):
        if body.get("name", "") is None:
            del body["name"]
        runner = flow_runner_columns(body)
        return FlowRunChanges(**body, **runner)


class FlowRunRetry(Body):
    """How to retry a flow run."""

    new = fields.Boolean(
        "true: make a new run, with the tag `retry_of:` and the id of this one. false: this run is SCHEDULED again.",
        load_default=False,
        example=False,
    )

    example = {"new": False}


class FlowRunPage(Page):
    """Criteria, which part of what meets them, and its order."""

    sort = fields.Enum(FlowRunSort, "The order; ID_DESC if not given.", allow_none=True, load_default=None)

    examples = {
        "next": {
            "summary": "The next 100 runs of a deployment",
            "value": {
                "flow_runs": {"deployment_id": {"any_": [ANY_ID]}, "state": {"type": {"any_": ["SCHEDULED"]}}},
                "sort": "EXPECTED_START_TIME_ASC",
                "limit": 100,
            },
        },
        "by_hand": {
            "summary": "The newest runs with a tag",
            "value": {"flow_runs": {"tags": {"all_": ["adhoc"]}}, "sort": "ID_DESC", "limit": 20},
        },
        "across": {
            "summary": "Runs of flows by that name, of paused deployments",
            "value": {"flows": {"name": {"any_": ["etl"]}}, "deployments": {"is_schedule_active": {"eq_": False}}, "limit": 20},
        },
    }


class FlowRun(Run):
    """A run of a flow."""

    flow_id = fields.UUID(FLOW, required=True)
    deployment_id = fields.UUID(DEPLOYMENT, required=True, allow_none=True)
    flow_version = fields.String(VERSION, required=True, allow_none=True)
    parameters = fields.Object(PARAMETERS, required=True)
    idempotency_key = fields.String(KEY, required=True, allow_none=True)
    context = fields.Object(CONTEXT, required=True)
    empirical_policy = fields.Object(POLICY, required=True)
    empirical_config = fields.Object("Always empty; clients of the reference expect it.", required=True)
    parent_task_run_id = fields.UUID(PARENT, required=True, allow_none=True)
    auto_scheduled = fields.Boolean("Whether a schedule made it.", required=True)
    flow_runner = fields.Nested(FlowRunnerAnswer, required=True)

    example = Run.example | {
        "flow_id": FLOW_ID,
        "deployment_id": DEPLOYMENT_ID,
        "flow_version": None,
        "parameters": {"table": "orders", "limit": 5},
        "idempotency_key": None,
        "context": {},
        "empirical_policy": {},
        "empirical_config": {},
        "parent_task_run_id": None,
        "auto_scheduled": False,
        "flow_runner": NO_RUNNER,
    }


class Upstream(Answer):
    """A task run on whose result another depends."""

    input_type = fields.Constant("task_run", "Always a task run.", required=True)
    id = fields.UUID("The task run.", required=True)


class GraphNode(RunTimesAnswer):
    """A task run, and those that it depends on. Durations are in seconds."""

    id = fields.UUID("The task run.", required=True)
    upstream_dependencies = fields.List(fields.Nested(Upstream), "The task runs whose results it takes.", required=True)

    example = {
        "id": TASK_RUN_ID,
        "upstream_dependencies": [{"input_type": "task_run", "id": "0197a9f2-6b1c-7d5e-9c3a-0000000000aa"}],
    } | {name: Run.example[name] for name in RunTimesAnswer().fields}

"""Request bodies, one schema a route."""

from marshmallow import ValidationError, fields, post_load

from app.domain import bounds
from app.schemas.base import (
    Body,
    Boolean,
    Choice,
    DataDocument,
    FlowRunner,
    Id,
    IdempotencyKey,
    IdText,
    Instant,
    Mapping,
    Name,
    Number,
    Object,
    Schedule,
    StateCreate,
    Tags,
    Text,
    Whole,
)

# Characters. Clients name a task run after its task or subflow, whose own names are shorter; an index holds no more than this
RUN_NAME = 512

LIST_OF_INPUTS = {"x": [{"input_type": "constant", "type": "int"}]}


class FlowCreate(Body):
    """A flow to create, or to find by its name."""

    name = Name(required=True, metadata={"description": "Unique among flows.", "example": "etl"})
    tags = Tags(metadata={"example": ["team-data"]})


class FlowUpdate(Body):
    """What to change of a flow."""

    tags = Tags(metadata={"example": ["team-data", "nightly"]})


class DeploymentCreate(Body):
    """A deployment to create, or to update by its flow and name. On an update an absent field keeps its value and null clears it."""

    name = Name(required=True, metadata={"description": "Unique in its flow.", "example": "nightly"})
    flow_id = Id(required=True, metadata={"description": "The flow that is deployed."})
    flow_data = fields.Nested(DataDocument, metadata={"description": "The flow's code. Required for a new deployment."})
    schedule = Schedule(allow_none=True, metadata={"description": "When to run."})
    is_schedule_active = Boolean(metadata={"description": "Whether the schedule makes runs; true for a new deployment.", "example": True})
    parameters = Object(allow_none=True, metadata={"description": "Parameters of every run.", "example": {"table": "orders"}})
    tags = Tags(allow_none=True, metadata={"example": ["nightly"]})
    flow_runner = fields.Nested(FlowRunner, allow_none=True)


class ScheduleRuns(Body):
    """The window to make runs in; one in the past is a backfill."""

    start_time = Instant(allow_none=True, metadata={"description": "First instant; now if not given."})
    end_time = Instant(allow_none=True, metadata={"description": "Last instant; 100 days after the start if not given."})
    max_runs = Whole(
        1,
        lambda: bounds.in_force().runs_per_request,
        allow_none=True,
        metadata={"description": "At most so many; 100 if not given.", "example": 10},
    )


class RunFields(Body):
    """What every way to make a flow run takes."""

    name = Text(RUN_NAME, allow_none=True, metadata={"description": "Two random words if not given.", "example": "first-try"})
    parameters = Object(metadata={"example": {"limit": 5}})
    context = Object(metadata={"example": {"ticket": "OPS-7"}})
    tags = Tags(metadata={"example": ["adhoc"]})
    idempotency_key = IdempotencyKey(
        allow_none=True, metadata={"description": "Unique in the flow: a second request with it makes no second run."}
    )
    flow_runner = fields.Nested(FlowRunner, allow_none=True)
    state = fields.Nested(StateCreate, allow_none=True, metadata={"description": "The first state; PENDING if not given."})


class DeploymentFlowRunCreate(RunFields):
    """A run of a deployment; its parameters go over the deployment's, its tags beside them."""


class FlowRunCreate(RunFields):
    """A run of a flow."""

    flow_id = Id(required=True)
    deployment_id = Id(allow_none=True)
    flow_version = Text(RUN_NAME, allow_none=True, metadata={"example": "1.0"})
    parent_task_run_id = Id(allow_none=True, metadata={"description": "For a subflow: the task run that stands for it in its parent."})


class FlowRunUpdate(Body):
    """What to change of a flow run."""

    name = Text(RUN_NAME, shortest=1, allow_none=True, metadata={"description": "null leaves it as it is.", "example": "second-try"})
    flow_version = Text(RUN_NAME, allow_none=True)
    parameters = Object()
    tags = Tags(metadata={"example": ["checked"]})
    flow_runner = fields.Nested(FlowRunner, allow_none=True)

    @post_load
    def _null_keeps_the_name(self, body, **kwargs):
        return {name: value for name, value in body.items() if (name, value) != ("name", None)}


class TaskRunPolicy(Body):
    """How a task run is retried."""

    max_retries = Whole(0, 2**31 - 1, load_default=0)
    retry_delay_seconds = Number(load_default=0.0)


class TaskRunInput(Body):
    """An input that is another task run's result."""

    input_type = Choice(["task_run"], load_default="task_run")
    id = IdText(required=True, metadata={"description": "The task run."})


class ParameterInput(Body):
    """An input that is a parameter of the flow."""

    input_type = Choice(["parameter"], load_default="parameter")
    name = Text(longest=None, required=True, metadata={"description": "The parameter's name."})


class ConstantInput(Body):
    """An input that is a constant."""

    input_type = Choice(["constant"], load_default="constant")
    type = Text(longest=None, required=True, metadata={"description": "The name of the constant's type.", "example": "int"})


class TaskInput(Object):
    """Where one input of a task run comes from. Without `input_type`, its other member says which kind it is."""

    kinds = {"task_run": TaskRunInput, "parameter": ParameterInput, "constant": ConstantInput}
    members = {"id": "task_run", "name": "parameter", "type": "constant"}

    def _deserialize(self, value, attr, data, **kwargs):
        given = super()._deserialize(value, attr, data, **kwargs)
        kind = given.get("input_type", next((kind for member, kind in self.members.items() if member in given), None))
        if not isinstance(kind, str) or kind not in self.kinds:
            raise ValidationError({"input_type": [f"Must be one of {', '.join(self.kinds)}."]})
        return self.kinds[kind]().load(given)


class TaskRunCreate(Body):
    """A run of a task, identified by its flow run, task key and dynamic key."""

    name = Text(RUN_NAME, allow_none=True, metadata={"description": "Two random words if not given.", "example": "extract-0"})
    flow_run_id = Id(required=True)
    task_key = Text(required=True, metadata={"description": "Which task.", "example": "extract"})
    dynamic_key = Text(required=True, metadata={"description": "Which run of it in the flow run.", "example": "0"})
    cache_key = Text(longest=None, allow_none=True)
    cache_expiration = Instant(allow_none=True)
    task_version = Text(longest=None, allow_none=True)
    empirical_policy = fields.Nested(TaskRunPolicy, load_default=lambda: {"max_retries": 0, "retry_delay_seconds": 0.0})
    tags = Tags(metadata={"example": ["extract"]})
    task_inputs = Mapping(
        keys=fields.String(),
        values=fields.List(TaskInput()),
        metadata={"description": "By argument.", "example": LIST_OF_INPUTS},
    )
    state = fields.Nested(StateCreate, allow_none=True, metadata={"description": "The first state; PENDING if not given."})

"""Task runs: what comes in, what is answered, and examples."""

from marshmallow import ValidationError, post_load

from app.domain.runs import NewTaskRun
from app.schemas import fields
from app.schemas.base import ANY_ID, FLOW_RUN_ID, Body
from app.schemas.fields import MAX_INT32, MAX_RUN_NAME, MAX_TEXT
from app.schemas.filters import Page
from app.schemas.runs import FIRST_STATE, NAME, POLICY, TAGS, WEEK, Run, TaskRunSort
from app.schemas.states import CACHE_EXPIRATION, CACHE_KEY, StateCreate

TASK, DYNAMIC = "Which task.", "Which run of it in the flow run."
VERSION = "The version of the task."
INPUTS = "Where its inputs come from, by argument."
# Some 30 million years
MAX_SECONDS = 10**15

COUNTED = {"task_runs": {"subflow_runs": {"exists_": False}}}
HISTORY = WEEK | {"task_runs": {"state": {"type": {"any_": ["RUNNING", "COMPLETED", "FAILED"]}}}}


class TaskRunPolicy(Body):
    """How a task run is retried."""

    max_retries = fields.Integer("How often at most.", max=MAX_INT32, load_default=0)
    retry_delay_seconds = fields.Float("Seconds to wait before each retry.", max=MAX_SECONDS, load_default=0.0)


def _no_retries():
    return {"max_retries": 0, "retry_delay_seconds": 0.0}


class TaskRunInput(Body):
    """An input that is another task run's result."""

    input_type = fields.Constant("task_run", "Which kind of input it is.", load_default="task_run")
    id = fields.UUIDText("The task run.", required=True)


class ParameterInput(Body):
    """An input that is a parameter of the flow."""

    input_type = fields.Constant("parameter", "Which kind of input it is.", load_default="parameter")
    name = fields.String("The parameter's name.", required=True)


class ConstantInput(Body):
    """An input that is a constant."""

    input_type = fields.Constant("constant", "Which kind of input it is.", load_default="constant")
    type = fields.String("The name of the constant's type.", required=True, example="int")


class TaskInput(fields.Object):
    """Where one input of a task run comes from. Without `input_type`, its other member says which kind it is."""

    one_of = {"task_run": TaskRunInput, "parameter": ParameterInput, "constant": ConstantInput}
    members = {"id": "task_run", "name": "parameter", "type": "constant"}

    def __init__(self, description=None, **options):
        super().__init__(description, **options)
        self.schemas = {kind: schema() for kind, schema in self.one_of.items()}

    def _deserialize(self, value, attr, data, **kwargs):
        given = super()._deserialize(value, attr, data, **kwargs)
        kind = given.get("input_type", next((kind for member, kind in self.members.items() if member in given), None))
        if not isinstance(kind, str) or kind not in self.schemas:
            raise ValidationError({"input_type": [f"Must be one of {', '.join(self.schemas)}."]})
        return self.schemas[kind].load(given)


class TaskRunCreate(Body):
    """A run of a task, identified by its flow run, task key and dynamic key."""

    name = fields.String(NAME, max=MAX_RUN_NAME, allow_none=True, example="extract-0")
    flow_run_id = fields.UUID("The flow run that it belongs to.", required=True)
    task_key = fields.String(TASK, max=MAX_TEXT, required=True, example="extract")
    dynamic_key = fields.String(DYNAMIC, max=MAX_TEXT, required=True, example="0")
    cache_key = fields.String(CACHE_KEY, allow_none=True)
    cache_expiration = fields.Instant(CACHE_EXPIRATION, allow_none=True)
    task_version = fields.String(VERSION, allow_none=True)
    empirical_policy = fields.Nested(TaskRunPolicy, load_default=_no_retries)
    tags = fields.Tags(TAGS, example=["extract"])
    task_inputs = fields.Mapping(fields.List(TaskInput()), INPUTS, example={"x": [{"input_type": "constant", "type": "int"}]})
    state = fields.Nested(StateCreate, FIRST_STATE, allow_none=True)

    example = {"flow_run_id": ANY_ID, "task_key": "extract", "dynamic_key": "0", "tags": ["extract"]}

    @post_load
    def _run(self, body, **kwargs):
        return NewTaskRun(**body)


class TaskRunPage(Page):
    """Criteria, which part of what meets them, and its order."""

    sort = fields.Enum(TaskRunSort, "The order; ID_DESC if not given.", allow_none=True, load_default=None)

    example = {"task_runs": {"state": {"type": {"any_": ["PENDING"]}}}, "sort": "ID_DESC", "limit": 20}


class TaskRun(Run):
    """A run of a task."""

    flow_run_id = fields.UUID("The flow run that it belongs to.", required=True)
    task_key = fields.String(TASK, required=True)
    dynamic_key = fields.String(DYNAMIC, required=True)
    cache_key = fields.String(CACHE_KEY, required=True, allow_none=True)
    cache_expiration = fields.Instant(CACHE_EXPIRATION, required=True, allow_none=True)
    task_version = fields.String(VERSION, required=True, allow_none=True)
    empirical_policy = fields.Object(POLICY, required=True)
    task_inputs = fields.Object(INPUTS, required=True)

    example = Run.example | {
        "name": "extract-0",
        "tags": ["extract"],
        "flow_run_id": FLOW_RUN_ID,
        "task_key": "extract",
        "dynamic_key": "0",
        "cache_key": None,
        "cache_expiration": None,
        "task_version": None,
        "empirical_policy": _no_retries(),
        "task_inputs": {"x": [{"input_type": "constant", "type": "int"}]},
    }

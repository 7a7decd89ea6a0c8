"""What the server answers. These schemas document; answers are made from rows without a walk through them."""

from marshmallow import Schema, fields

from app.domain.states import StateType
from app.schemas.base import Choice, Object, Schedule


def _instant(**kwargs):
    return fields.AwareDateTime(**kwargs)


class Answer(Schema):
    """What every object has."""

    id = fields.UUID(required=True)
    created = _instant(required=True)
    updated = _instant(required=True)


class Flow(Answer):
    """A flow."""

    name = fields.String(required=True, metadata={"example": "etl"})
    tags = fields.List(fields.String(), required=True)


class DataDocumentAnswer(Schema):
    """Encoded data."""

    encoding = fields.String(required=True)
    blob = fields.String(required=True)


class FlowRunnerAnswer(Schema):
    """What runs a flow; both members are null when none was set."""

    type = fields.String(required=True, allow_none=True)
    config = Object(required=True, allow_none=True)


class Deployment(Answer):
    """A deployment."""

    name = fields.String(required=True, metadata={"example": "nightly"})
    flow_id = fields.UUID(required=True)
    flow_data = fields.Nested(DataDocumentAnswer, required=True)
    schedule = Schedule(
        required=True,
        allow_none=True,
        metadata={
            "description": "When it runs, with every default filled in; null: never by itself.",
            "example": {"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin", "day_or": True},
        },
    )
    is_schedule_active = fields.Boolean(required=True)
    parameters = Object(required=True)
    tags = fields.List(fields.String(), required=True)
    flow_runner = fields.Nested(FlowRunnerAnswer, required=True)


class ScheduleReport(Schema):
    """What scheduling did. Answered with `Prefer: return=representation`; null otherwise."""

    due = fields.Integer(required=True, metadata={"description": "Occurrences in the window, at most max_runs."})
    created = fields.Integer(required=True, metadata={"description": "Runs made now."})
    existing = fields.Integer(required=True, metadata={"description": "Runs that were there already."})
    truncated = fields.Boolean(required=True, metadata={"description": "Whether the window holds more than max_runs."})
    reason = fields.String(required=True, allow_none=True, metadata={"description": "Why nothing is due, or null."})


class StateDetailsAnswer(Schema):
    """What a state says besides its type, name and message."""

    flow_run_id = fields.UUID(required=True, allow_none=True)
    task_run_id = fields.UUID(required=True, allow_none=True)
    child_flow_run_id = fields.UUID(required=True, allow_none=True)
    scheduled_time = _instant(required=True, allow_none=True)
    cache_key = fields.String(required=True, allow_none=True)
    cache_expiration = _instant(required=True, allow_none=True)


class State(Schema):
    """A state of a run."""

    id = fields.UUID(required=True)
    type = Choice(list(StateType), required=True)
    name = fields.String(required=True)
    timestamp = _instant(required=True)
    message = fields.String(required=True, allow_none=True)
    data = fields.Nested(DataDocumentAnswer, required=True, allow_none=True)
    state_details = fields.Nested(StateDetailsAnswer, required=True)


class Run(Answer):
    """What flow runs and task runs share. Durations are in seconds."""

    name = fields.String(required=True, metadata={"example": "brave-otter"})
    tags = fields.List(fields.String(), required=True)
    state_id = fields.UUID(required=True, allow_none=True)
    state_type = Choice(list(StateType), required=True, allow_none=True)
    state_name = fields.String(required=True, allow_none=True)
    run_count = fields.Integer(required=True)
    expected_start_time = _instant(required=True, allow_none=True)
    next_scheduled_start_time = _instant(required=True, allow_none=True)
    start_time = _instant(required=True, allow_none=True)
    end_time = _instant(required=True, allow_none=True)
    total_run_time = fields.Float(required=True)
    estimated_run_time = fields.Float(required=True)
    estimated_start_time_delta = fields.Float(required=True)
    state = fields.Nested(State, required=True, allow_none=True)


class FlowRun(Run):
    """A run of a flow."""

    flow_id = fields.UUID(required=True)
    deployment_id = fields.UUID(required=True, allow_none=True)
    flow_version = fields.String(required=True, allow_none=True)
    parameters = Object(required=True)
    idempotency_key = fields.String(required=True, allow_none=True)
    context = Object(required=True)
    empirical_policy = Object(required=True)
    empirical_config = Object(required=True)
    parent_task_run_id = fields.UUID(required=True, allow_none=True)
    auto_scheduled = fields.Boolean(required=True)
    flow_runner = fields.Nested(FlowRunnerAnswer, required=True)


class TaskRun(Run):
    """A run of a task."""

    flow_run_id = fields.UUID(required=True)
    task_key = fields.String(required=True)
    dynamic_key = fields.String(required=True)
    cache_key = fields.String(required=True, allow_none=True)
    cache_expiration = _instant(required=True, allow_none=True)
    task_version = fields.String(required=True, allow_none=True)
    empirical_policy = Object(required=True)
    task_inputs = Object(required=True)


class ErrorItem(Schema):
    """One thing that is wrong with a request."""

    loc = fields.List(
        fields.Raw(metadata={"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        required=True,
        metadata={
            "description": "The path to the field, from `body` or `path` on: names of members, places in lists.",
            "example": ["body", "name"],
        },
    )
    msg = fields.String(required=True, metadata={"description": "What is wrong, and what is allowed."})
    type = fields.String(required=True)


class Problem(Schema):
    """A problem document (RFC 9457)."""

    type = fields.String(required=True, metadata={"example": "about:blank"})
    title = fields.String(required=True, metadata={"example": "Not Found"})
    status = fields.Integer(required=True, metadata={"example": 404})
    detail = fields.String(required=True, metadata={"example": "Deployment not found"})
    errors = fields.List(fields.Nested(ErrorItem), metadata={"description": "With 422: everything that is wrong."})


COUNT = {"type": "integer", "minimum": 0}
NOTHING = {"type": "null", "description": "Always null."}
SCHEDULED = {"anyOf": [{"$ref": "#/components/schemas/ScheduleReport"}, {"type": "null"}]}
PREFER = {
    "in": "header",
    "name": "Prefer",
    "required": False,
    "description": "`return=representation` asks for a report (RFC 7240); without it the answer is null.",
    "schema": {"type": "string"},
    "example": "return=representation",
}
PREFERENCE_APPLIED = {
    "Preference-Applied": {
        "description": "`return=representation` where the report was asked for.",
        "schema": {"type": "string", "enum": ["return=representation"]},
    }
}

TRUE = {"type": "boolean", "enum": [True]}
TEXT = {"type": "string"}

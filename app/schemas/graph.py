"""The graph of a flow run, as it is answered."""

from marshmallow import Schema, fields

from app.schemas.answers import State


class Upstream(Schema):
    """A task run on whose result another depends."""

    input_type = fields.String(required=True, metadata={"enum": ["task_run"]})
    id = fields.UUID(required=True)


class GraphNode(Schema):
    """A task run, and those that it depends on. Durations are in seconds."""

    id = fields.UUID(required=True)
    upstream_dependencies = fields.List(fields.Nested(Upstream), required=True)
    state = fields.Nested(State, required=True, allow_none=True)
    expected_start_time = fields.AwareDateTime(required=True, allow_none=True)
    start_time = fields.AwareDateTime(required=True, allow_none=True)
    end_time = fields.AwareDateTime(required=True, allow_none=True)
    total_run_time = fields.Float(required=True)
    estimated_run_time = fields.Float(required=True)

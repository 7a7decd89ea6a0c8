"""Filter criteria: which fields of which entity can be asked for, and how (contract, section 3).

Adding a criterion is adding its line here; the request schema, the SQL and the API document all follow from this table.
"""

from typing import NamedTuple


class Criterion(NamedTuple):
    """One field of a filter. `field` is the path in the request (`state.type`), `kind` the type of its values."""

    field: str
    kind: str
    operators: tuple
    column: str


def _criterion(field, kind, *operators, column=None):
    return Criterion(field, kind, operators, column or field)


FILTERS = {
    "flows": (
        _criterion("id", "uuid", "any_"),
        _criterion("name", "text", "any_", "like_"),
        _criterion("tags", "tags", "all_", "is_null_"),
    ),
    "deployments": (
        _criterion("id", "uuid", "any_"),
        _criterion("name", "text", "any_", "like_"),
        _criterion("is_schedule_active", "boolean", "eq_"),
        _criterion("tags", "tags", "all_", "is_null_"),
    ),
    "flow_runs": (
        _criterion("id", "uuid", "any_", "not_any_"),
        _criterion("name", "text", "any_", "like_"),
        _criterion("tags", "tags", "all_", "is_null_"),
        _criterion("deployment_id", "uuid", "any_", "is_null_"),
        _criterion("state.type", "state_type", "any_", column="state_type"),
        _criterion("state.name", "text", "any_", column="state_name"),
        _criterion("flow_version", "text", "any_"),
        _criterion("start_time", "instant", "before_", "after_", "is_null_"),
        _criterion("expected_start_time", "instant", "before_", "after_"),
        _criterion("next_scheduled_start_time", "instant", "before_", "after_"),
        _criterion("parent_task_run_id", "uuid", "any_", "is_null_"),
        _criterion("flow_runner_type", "text", "any_"),
        _criterion("schedule_slug", "text", "any_"),
        _criterion("schedule_id", "uuid", "any_"),
    ),
    "task_runs": (
        _criterion("id", "uuid", "any_"),
        _criterion("name", "text", "any_", "like_"),
        _criterion("tags", "tags", "all_", "is_null_"),
        _criterion("state.type", "state_type", "any_", column="state_type"),
        _criterion("state.name", "text", "any_", column="state_name"),
        _criterion("start_time", "instant", "before_", "after_", "is_null_"),
        _criterion("subflow_runs", "relation", "exists_"),
    ),
}

# Logs, and entries of the audit trail, can be asked for by their own criteria alone: they outlive what they are of
CRITERIA = FILTERS | {
    "logs": (
        _criterion("level", "int32", "ge_", "le_"),
        _criterion("timestamp", "instant", "before_", "after_"),
        _criterion("flow_run_id", "uuid", "any_"),
        _criterion("task_run_id", "uuid", "any_"),
    ),
    "audit_entries": (
        _criterion("id", "uuid", "any_"),
        _criterion("created", "instant", "before_", "after_"),
        _criterion("via", "text", "any_"),
        _criterion("actor", "text", "any_", "like_"),
        _criterion("key_id", "uuid", "any_"),
        _criterion("request_id", "text", "any_"),
        _criterion("action", "text", "any_"),
        _criterion("object_kind", "text", "any_"),
        _criterion("object_id", "uuid", "any_"),
        _criterion("object_name", "text", "any_", "like_"),
    ),
}


def conditions(entity, criteria):
    """Yield `(Criterion, operator, value)` for each operator that `criteria`, one entity's part of a request, gives a value.

    A field or an operator that is null asks for nothing.
    """
    for criterion in CRITERIA[entity]:
        asked = criteria
        for step in criterion.field.split("."):
            asked = (asked or {}).get(step)
        for operator in criterion.operators:
            value = (asked or {}).get(operator)
            if value is not None:
                yield criterion, operator, value

"""Request bodies of the list and count routes, made from the table of criteria in `app.domain.filters`."""

from app.domain.filters import CRITERIA
from app.domain.states import StateType
from app.schemas import fields
from app.schemas.base import Body, CursorPart
from app.schemas.context import Bound
from app.schemas.fields import MAX_INT32, MAX_RUN_NAME, MIN_INT32

VALUES = {
    "uuid": fields.UUID,
    "text": fields.String,
    "tags": fields.String,
    "state_type": lambda: fields.Enum(StateType),
}


def _values(kind, description):
    return fields.List(VALUES[kind](), description, max=Bound("filter_values"), allow_none=True)


def _text(_kind, description):
    # no name is longer
    return fields.String(description, max=MAX_RUN_NAME, allow_none=True)


def _instant(_kind, description):
    return fields.Instant(description, allow_none=True)


def _integer(_kind, description):
    return fields.Integer(description, min=MIN_INT32, max=MAX_INT32, allow_none=True)


def _boolean(_kind, description):
    return fields.Boolean(description, allow_none=True)


# What an operator takes, and what it asks for
OPERATORS = {
    "any_": (_values, "One of these. An empty list matches nothing."),
    "not_any_": (_values, "None of these."),
    "all_": (_values, "All of these, and maybe others."),
    "like_": (_text, "Contains this text, in upper or lower case."),
    "before_": (_instant, "At or before this instant."),
    "after_": (_instant, "At or after this instant."),
    "le_": (_integer, "At most this."),
    "ge_": (_integer, "At least this."),
    "eq_": (_boolean, "Exactly this."),
    "is_null_": (_boolean, "true: has none; false: has one."),
    "exists_": (_boolean, "true: has one; false: has none."),
}


def _operators(criterion):
    return {operator: OPERATORS[operator][0](criterion.kind, OPERATORS[operator][1]) for operator in criterion.operators}


def _schema(name, members, doc):
    return type(name, (Body,), {**members, "__doc__": doc})


def _nested(schema):
    return fields.Nested(schema, allow_none=True)


def _camel(text):
    return "".join(word.capitalize() for word in text.replace(".", "_").split("_"))


def _entity_schema(entity, criteria):
    singular = f"{entity[:-3]}y" if entity.endswith("ies") else entity[:-1]
    name = f"{_camel(singular)}Filter"
    members, groups = {}, {}
    for criterion in criteria:
        schema = _schema(name + _camel(criterion.field), _operators(criterion), f"Criteria on `{criterion.field}`.")
        group, _, member = criterion.field.rpartition(".")
        (groups.setdefault(group, {}) if group else members)[member] = _nested(schema)
    for group, inner in groups.items():
        members[group] = _nested(_schema(name + _camel(group), inner, f"Criteria on the {group}."))
    return _schema(name, members, f"Which {entity.replace('_', ' ')}; all criteria must hold.")


ENTITY_FILTERS = {entity: _entity_schema(entity, criteria) for entity, criteria in CRITERIA.items()}


class Filters(Body):
    """Criteria on each kind of thing; all must hold. Those on another kind mean: has at least one such."""

    flows = _nested(ENTITY_FILTERS["flows"])
    flow_runs = _nested(ENTITY_FILTERS["flow_runs"])
    task_runs = _nested(ENTITY_FILTERS["task_runs"])
    deployments = _nested(ENTITY_FILTERS["deployments"])


class Page(Filters, CursorPart):
    """Criteria, and which part of what meets them."""

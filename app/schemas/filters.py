"""Request bodies of the list and count routes, made from the table of criteria in `app.domain.filters`."""

from marshmallow import fields, post_load

from app.domain import bounds
from app.domain.filters import CRITERIA
from app.domain.states import StateType
from app.schemas.base import INT32, Body, Boolean, BoundedList, Choice, Id, Instant, Text, Whole

VALUES = {
    "uuid": Id,
    "text": lambda: Text(longest=None),
    "tags": lambda: Text(longest=None),
    "state_type": lambda: Choice(list(StateType)),
    "instant": lambda **kwargs: Instant(**kwargs),
}

# What an operator takes, and what it asks for
OPERATORS = {
    "any_": (lambda kind, **more: BoundedList(VALUES[kind](), "filter_values", **more), "One of these. An empty list matches nothing."),
    "not_any_": (lambda kind, **more: BoundedList(VALUES[kind](), "filter_values", **more), "None of these."),
    "all_": (lambda kind, **more: BoundedList(VALUES[kind](), "filter_values", **more), "All of these, and maybe others."),
    "like_": (lambda _kind, **more: Text(longest=None, **more), "Contains this text, in upper or lower case."),
    "before_": (lambda _kind, **more: Instant(**more), "At or before this instant."),
    "after_": (lambda _kind, **more: Instant(**more), "At or after this instant."),
    "le_": (lambda _kind, **more: Whole(*INT32, **more), "At most this."),
    "ge_": (lambda _kind, **more: Whole(*INT32, **more), "At least this."),
    "eq_": (lambda _kind, **more: Boolean(**more), "Exactly this."),
    "is_null_": (lambda _kind, **more: Boolean(**more), "true: has none; false: has one."),
    "exists_": (lambda _kind, **more: Boolean(**more), "true: has one; false: has none."),
}


def _operators(criterion):
    asked = {}
    for operator in criterion.operators:
        make, help = OPERATORS[operator]
        asked[operator] = make(criterion.kind, allow_none=True, metadata={"description": help})
    return asked


def _schema(name, members, doc):
    return type(name, (Body,), {**members, "__doc__": doc})


def _nested(schema):
    return fields.Nested(schema, allow_none=True)


def _camel(text):
    return "".join(word.capitalize() for word in text.replace(".", "_").split("_"))


def _entity_schema(entity, criteria):
    name = _camel(entity)[:-1] + "Filter"
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


def page_size():
    """The largest `limit` of a list."""
    return bounds.in_force().page_size


class Part(Body):
    """Which part of a list."""

    limit = Whole(0, page_size, allow_none=True, metadata={"description": "At most so many; the maximum if not given.", "example": 20})
    offset = Whole(allow_none=True, metadata={"description": "Pass over so many first.", "example": 0})


class Page(Filters, Part):
    """Criteria, and which part of what meets them."""


class LogFilters(Part):
    """Criteria on logs, and which part of what meets them."""

    logs = _nested(ENTITY_FILTERS["logs"])
    filter = fields.Nested(
        ENTITY_FILTERS["logs"], allow_none=True, metadata={"description": "What clients of the reference send in place of `logs`."}
    )

    @post_load
    def _one_name(self, body, **kwargs):
        given = body.pop("filter", None)
        return body | ({"logs": given} if body.get("logs") is None and given is not None else {})


def sorted_page(name, sorts, page=Page):
    """A `page` whose order can be chosen from `sorts`, the first being the default."""
    order = Choice(list(sorts), allow_none=True, metadata={"description": f"The order; {next(iter(sorts))} if not given."})
    return type(name, (page,), {"sort": order, "__doc__": page.__doc__})

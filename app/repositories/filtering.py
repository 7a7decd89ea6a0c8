"""Filters as SQL: one function for every entity, so that a list and its count cannot disagree."""

from sqlalchemy import exists, false, not_

from app.db.dialects import array_contains_all, contains_text, is_empty_array
from app.db.models import Deployment, Flow, FlowRun, TaskRun
from app.domain.filters import conditions

TABLES = {"flows": Flow.__table__, "deployments": Deployment.__table__, "flow_runs": FlowRun.__table__, "task_runs": TaskRun.__table__}
FLOW, DEPLOYMENT, FLOW_RUN, TASK_RUN = TABLES.values()

# How another entity hangs on the one that is listed: (other, the condition that joins it, what hangs on *it*).
# A filter on flow runs and one on their task runs mean the same run, as they do in the reference.
RELATIONS = {
    "flows": (
        ("deployments", DEPLOYMENT.c.flow_id == FLOW.c.id, ()),
        ("flow_runs", FLOW_RUN.c.flow_id == FLOW.c.id, (("task_runs", TASK_RUN.c.flow_run_id == FLOW_RUN.c.id, ()),)),
    ),
    "deployments": (
        ("flows", FLOW.c.id == DEPLOYMENT.c.flow_id, ()),
        ("flow_runs", FLOW_RUN.c.deployment_id == DEPLOYMENT.c.id, (("task_runs", TASK_RUN.c.flow_run_id == FLOW_RUN.c.id, ()),)),
    ),
    "flow_runs": (
        ("flows", FLOW.c.id == FLOW_RUN.c.flow_id, ()),
        ("deployments", DEPLOYMENT.c.id == FLOW_RUN.c.deployment_id, ()),
        ("task_runs", TASK_RUN.c.flow_run_id == FLOW_RUN.c.id, ()),
    ),
    "task_runs": (
        (
            "flow_runs",
            FLOW_RUN.c.id == TASK_RUN.c.flow_run_id,
            (("flows", FLOW.c.id == FLOW_RUN.c.flow_id, ()), ("deployments", DEPLOYMENT.c.id == FLOW_RUN.c.deployment_id, ())),
        ),
    ),
}

OPERATORS = {
    "any_": lambda session, column, value: _is_one_of(column, value) if value else false(),
    "not_any_": lambda session, column, value: column.not_in(value) if value else None,
    "like_": lambda session, column, value: contains_text(session, column, value),
    "all_": lambda session, column, value: array_contains_all(session, column, value) if value else None,
    "eq_": lambda session, column, value: column.is_(value),
    "before_": lambda session, column, value: column <= value,
    "after_": lambda session, column, value: column >= value,
    "is_null_": lambda session, column, value: _either(column.is_(None), value),
}


def where(session, entity, filters):
    """The conditions that rows of `entity` must meet.

    `filters` maps entities to criteria (see `app.domain.filters`); an entity that is absent or null asks for nothing, one that is
    `{}` asks that such a row exists.
    """
    own = filters.get(entity)
    return _own_conditions(session, entity, own or {}) + _related_conditions(session, RELATIONS[entity], filters)


def _own_conditions(session, entity, criteria):
    found = []
    for criterion, operator, value in conditions(entity, criteria):
        if operator == "exists_":
            subflow = exists().where(FLOW_RUN.c.parent_task_run_id == TASK_RUN.c.id).correlate(TASK_RUN)
            found.append(_either(subflow, value))
            continue
        column = TABLES[entity].c[criterion.column]
        if criterion.kind == "tags" and operator == "is_null_":
            found.append(_either(is_empty_array(session, column), value))
        else:
            found.append(OPERATORS[operator](session, column, value))
    return [condition for condition in found if condition is not None]


def _related_conditions(session, relations, filters):
    found = []
    for other, joined, further in relations:
        deeper = _related_conditions(session, further, filters)
        if filters.get(other) is not None or deeper:
            inner = _own_conditions(session, other, filters.get(other) or {}) + deeper
            found.append(exists().where(joined, *inner))
    return found


def _is_one_of(column, values):
    # SQLite uses an index on the SCHEDULED rows alone for an equality, and not for a list of one
    return column == values[0] if len(values) == 1 else column.in_(values)


def _either(condition, wanted):
    return condition if wanted else not_(condition)

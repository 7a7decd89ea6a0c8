"""Filters as SQL: one function for every entity, so that a list and its count cannot disagree."""

from typing import NamedTuple

from sqlalchemy import exists, false, not_

from app.db.dialects import array_contains_all, contains_text, is_empty_array
from app.db.models import Deployment, Flow, FlowRun, Log, TaskRun
from app.domain.filters import conditions

FLOW, DEPLOYMENT, FLOW_RUN, TASK_RUN = (model.__table__ for model in (Flow, Deployment, FlowRun, TaskRun))
TABLES = {"flows": FLOW, "deployments": DEPLOYMENT, "flow_runs": FLOW_RUN, "task_runs": TASK_RUN, "logs": Log.__table__}


class Relation(NamedTuple):
    """How another entity hangs on the one that is listed: the condition that joins it, and what hangs on *it*.

    `reference` is the listed one's column that names the other, where it has one.
    """

    other: str
    joined: object
    further: tuple = ()
    reference: object = None


def _refers(other, reference, to, further=()):
    return Relation(other, to.c.id == reference, further, reference)


# A filter on flow runs and one on their task runs mean the same run, as they do in the reference.
_TASKS_OF_RUN = Relation("task_runs", TASK_RUN.c.flow_run_id == FLOW_RUN.c.id)
_OWNERS_OF_RUN = (_refers("flows", FLOW_RUN.c.flow_id, FLOW), _refers("deployments", FLOW_RUN.c.deployment_id, DEPLOYMENT))
RELATIONS = {
    "flows": (
        Relation("deployments", DEPLOYMENT.c.flow_id == FLOW.c.id),
        Relation("flow_runs", FLOW_RUN.c.flow_id == FLOW.c.id, (_TASKS_OF_RUN,)),
    ),
    "deployments": (
        _refers("flows", DEPLOYMENT.c.flow_id, FLOW),
        Relation("flow_runs", FLOW_RUN.c.deployment_id == DEPLOYMENT.c.id, (_TASKS_OF_RUN,)),
    ),
    "flow_runs": (*_OWNERS_OF_RUN, _TASKS_OF_RUN),
    "task_runs": (_refers("flow_runs", TASK_RUN.c.flow_run_id, FLOW_RUN, _OWNERS_OF_RUN),),
    "logs": (),
}

OPERATORS = {
    "any_": lambda session, column, value: _is_one_of(column, value) if value else false(),
    "not_any_": lambda session, column, value: column.not_in(value) if value else None,
    "like_": lambda session, column, value: contains_text(session, column, value),
    "all_": lambda session, column, value: array_contains_all(session, column, value) if value else None,
    "eq_": lambda session, column, value: column.is_(value),
    "before_": lambda session, column, value: column <= value,
    "after_": lambda session, column, value: column >= value,
    "le_": lambda session, column, value: column <= value,
    "ge_": lambda session, column, value: column >= value,
    "is_null_": lambda session, column, value: _either(column.is_(None), value),
}


def where(session, entity, filters):
    """The conditions that rows of `entity` must meet.

    `filters` maps entities to criteria (see `app.domain.filters`); an entity that is absent or null asks for nothing, one that is
    `{}` asks that such a row exists. Rows of None, which no criteria are made for, meet all.
    """
    if entity is None:
        return []
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
    for relation in relations:
        criteria = filters.get(relation.other)
        deeper = _related_conditions(session, relation.further, filters)
        if criteria is None and not deeper:
            continue
        asked = list(conditions(relation.other, criteria or {}))
        if relation.reference is not None and not deeper and all(criterion.column == "id" for criterion, _, _ in asked):
            # the foreign key vouches for the other row: to ask for its id is to ask for the reference
            found.append(relation.reference.is_not(None))
            found += [
                condition
                for _, operator, value in asked
                if (condition := OPERATORS[operator](session, relation.reference, value)) is not None
            ]
        else:
            found.append(exists().where(relation.joined, *_own_conditions(session, relation.other, criteria or {}), *deeper))
    return found


def _is_one_of(column, values):
    # SQLite uses an index on the SCHEDULED rows alone for an equality, and not for a list of one
    return column == values[0] if len(values) == 1 else column.in_(values)


def _either(condition, wanted):
    return condition if wanted else not_(condition)

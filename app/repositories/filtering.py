"""Filters as SQL: the same for every entity, so that a list and its count cannot disagree.

What is asked is separated from the values, so that a statement is built once for each shape of filters.
"""

from functools import partial
from typing import NamedTuple

from sqlalchemy import and_, bindparam, exists, false, not_, select

from app.db.models import AuditEntry, Deployment, DeploymentSchedule, Flow, FlowRun, Log, TaskRun
from app.db.sql import ArrayContainsAll, ContainsText, IsEmptyArray
from app.db.types import Json, Substring
from app.domain.filters import Criterion, conditions

FLOW, DEPLOYMENT, FLOW_RUN, TASK_RUN = (model.__table__ for model in (Flow, Deployment, FlowRun, TaskRun))
SCHEDULE = DeploymentSchedule.__table__
TABLES = {"flows": FLOW, "deployments": DEPLOYMENT, "flow_runs": FLOW_RUN, "task_runs": TASK_RUN, "logs": Log.__table__}
TABLES |= {"audit_entries": AuditEntry.__table__}


class Relation(NamedTuple):
    """How an `other` entity is related to the one that is listed: the condition that joins it, and the `further` relations of it.

    `reference` is the listed one's column that holds the other's id, where it has one.
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
    # clients have no such filter; a key with tags has
    "logs": (Relation("flow_runs", FLOW_RUN.c.id == Log.__table__.c.flow_run_id),),
    "audit_entries": (),
}

# What is needed of a value besides its parameter
EMPTY, ONE = "empty", "one"


def _any(column, parameter, variant):
    if variant == EMPTY:
        return false()
    # SQLite uses an index on the SCHEDULED rows alone for an equality, and not for a list of one
    return column == parameter(column.type) if variant == ONE else column.in_(parameter(column.type, expanding=True))


OPERATORS = {
    "any_": _any,
    "not_any_": lambda column, parameter, _: column.not_in(parameter(column.type, expanding=True)),
    "like_": lambda column, parameter, _: ContainsText(column, parameter(Substring)),
    "all_": lambda column, parameter, _: ArrayContainsAll(column, parameter(Json)),
    "eq_": lambda column, _, wanted: column.is_(wanted),
    "before_": lambda column, parameter, _: column <= parameter(column.type),
    "after_": lambda column, parameter, _: column >= parameter(column.type),
    "le_": lambda column, parameter, _: column <= parameter(column.type),
    "ge_": lambda column, parameter, _: column >= parameter(column.type),
    "is_null_": lambda column, _, wanted: column.is_(None) if wanted else column.is_not(None),
}


class Asked(NamedTuple):
    """One operator of a filter without its value. `parameter` names that, `variant` says what else the SQL depends on."""

    criterion: Criterion
    operator: str
    parameter: str
    variant: object


def read_filters(filters):
    """Return what `filters` ask for: a hashable shape for `where`, and the values by parameter name.

    `filters` maps entities to criteria (see `app.domain.filters`). An entity that is absent or null asks for nothing, one that is `{}`
    asks that such a row exists. Other members are passed over.
    """
    shape, parameters = [], {}
    for entity in TABLES:
        criteria = filters.get(entity)
        if criteria is None:
            continue
        asked = []
        for criterion, operator, value in conditions(entity, criteria):
            name, variant = f"{entity}_{criterion.field}_{operator}".replace(".", "_"), None
            if operator in ("not_any_", "all_") and not value:
                continue  # of nothing, all are there and none is refused
            if operator in ("eq_", "is_null_", "exists_"):
                variant = value
            elif operator == "any_" and len(value) <= 1:
                variant = ONE if value else EMPTY
                if value:
                    parameters[name] = value[0]
            else:
                parameters[name] = value
            asked.append(Asked(criterion, operator, name, variant))
        shape.append((entity, tuple(asked)))
    return tuple(shape), parameters


def where(entity, shape):
    """Return the conditions that rows of `entity` must meet, for the `shape` of filters that `read_filters` returned."""
    asked = dict(shape)
    return _own_conditions(entity, asked.get(entity, ())) + _related_conditions(RELATIONS[entity], asked)


def _own_conditions(entity, asked):
    return [_condition(one, TABLES[entity].c.get(one.criterion.column)) for one in asked]


def _condition(asked, column):
    if asked.operator == "exists_":
        subflow = exists().where(FLOW_RUN.c.parent_task_run_id == TASK_RUN.c.id).correlate(TASK_RUN)
        return subflow if asked.variant else not_(subflow)
    if asked.criterion.field == "schedule_id":
        return _is_of_schedule(asked, column)
    if asked.criterion.kind == "tags" and asked.operator == "is_null_":
        return IsEmptyArray(column) if asked.variant else not_(IsEmptyArray(column))
    return _operation(asked, column)


def _is_of_schedule(asked, column):
    """Return the condition that a schedule made a run. The runs of one are found by its deployment: there is no index on the schedule."""
    owners = select(SCHEDULE.c.deployment_id).where(_operation(asked, SCHEDULE.c.id))
    return and_(FLOW_RUN.c.deployment_id.in_(owners), _operation(asked, column))


def _operation(asked, column):
    return OPERATORS[asked.operator](column, partial(_parameter, asked.parameter), asked.variant)


def _parameter(name, type, expanding=False):
    return bindparam(name, type_=type, expanding=expanding)


def _related_conditions(relations, asked):
    found = []
    for relation in relations:
        deeper = _related_conditions(relation.further, asked)
        if relation.other not in asked and not deeper:
            continue
        own = asked.get(relation.other, ())
        if relation.reference is not None and not deeper and all(one.criterion.column == "id" for one in own):
            # the foreign key guarantees that the other row exists: its id is the reference
            found.append(relation.reference.is_not(None))
            found += [_condition(one, relation.reference) for one in own]
        else:
            found.append(exists().where(relation.joined, *_own_conditions(relation.other, own), *deeper))
    return found

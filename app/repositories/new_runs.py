"""A run with its state as one statement, for a database whose WITH clauses can write: a fast path of `Runs.create` and `enter`.

It is one round trip where its slow twin takes two, or three for a run of a deployment, which takes 0.7 of the CPU then.
tests/integration/test_new_runs.py compares what both store; tests/integration/test_bulk_states.py, what entering a state does.
"""

from functools import lru_cache

from sqlalchemy import ColumnElement, Integer, Uuid, bindparam, func, select, update
from sqlalchemy import insert as plain_insert

from app.db.models import Deployment
from app.db.sql import ArrayUnion, insert, prepared
from app.db.types import Json
from app.domain.states import RunTimes

DEPLOYMENT = Deployment.__table__

# What the parameters set of a state
STATE = ("id", "created", "type", "name", "timestamp", "message", "data", "state_details")

# What a run has of its deployment, unless the request says otherwise
FROM_DEPLOYMENT = {"flow_id": DEPLOYMENT.c.flow_id, "deployment_id": DEPLOYMENT.c.id}
RUNNER = {name: DEPLOYMENT.c[name] for name in ("flow_runner_type", "flow_runner_config")}


def run_parameters(columns):
    """Return the parameters for the `columns` of a run. Their names are those of no column, which SQLAlchemy keeps for itself."""
    return {f"new_{name}": value for name, value in columns.items()}


def state_parameters(members):
    """Return the parameters for the `members` of the first state."""
    return {f"new_state_{name}": value for name, value in members.items()}


@lru_cache(maxsize=64)
def create(statements, names):
    """Return the statement that creates a run with the columns `names` and its first state, and returns the answer's columns.

    It returns no row, and creates nothing, where a run with the same unique values exists.
    """
    table = statements.table
    source = select(*(bindparam(f"new_{name}", type_=table.c[name].type) for name in names))
    return _create(statements, names, source)


@lru_cache(maxsize=64)
def create_of_deployment(statements, names, takes_room):
    """Return the same for a run of the deployment `wanted`, with the deployment's parameters and tags, and its runner unless one is named.

    The deployment is kept from being deleted meanwhile. No row either where there is no such deployment, where both may have more tags than
    `most_tags`, or, of a run that `takes_room`, where the deployment has a concurrency limit.
    """
    table = statements.table
    given = {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names}
    values: dict[str, ColumnElement] = {**given, **FROM_DEPLOYMENT}
    # a runner is named as a whole
    values |= {} if RUNNER.keys() & set(names) else RUNNER
    values["parameters"] = DEPLOYMENT.c.parameters.op("||", return_type=Json())(given["parameters"])
    values["tags"] = ArrayUnion(DEPLOYMENT.c.tags, given["tags"])
    number = func.jsonb_array_length(DEPLOYMENT.c.tags) + bindparam("number_of_tags", type_=Integer)
    source = select(*values.values()).where(
        DEPLOYMENT.c.id == bindparam("wanted", type_=Uuid),
        number <= bindparam("most_tags", type_=Integer),
        *([DEPLOYMENT.c.concurrency_limit.is_(None)] if takes_room else []),
    )
    return _create(statements, tuple(values), source.with_for_update(read=True, key_share=True))


@lru_cache(maxsize=8)
def enter(statements):
    """Return the statement that takes the run `wanted` to a state and adds that to its history."""
    table = statements.table
    names = ("updated", "state_id", "state_type", "state_name", *RunTimes.__dataclass_fields__)
    changes = {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names}
    wanted = bindparam("wanted", type_=Uuid)
    run = update(table).where(table.c.id == wanted).values(changes).returning(table.c.id).cte("run")
    return _enter(statements, run)


def _enter(statements, run):
    """Return the INSERT of a state into the history of the run that the WITH clause `run` writes."""
    state = statements.state_table
    entry = {name: bindparam(f"new_state_{name}", type_=state.c[name].type) for name in STATE} | {statements.run_id.name: run.c.id}
    return prepared(plain_insert(state).from_select(list(entry), select(*entry.values()).select_from(run), include_defaults=False))


def _create(statements, names, source):
    key = [statements.table.c[name] for name in statements.unique]
    new = insert(statements.table).from_select(list(names), source, include_defaults=False)
    run = new.on_conflict_do_nothing(index_elements=key).returning(*statements.columns).cte("run")
    # SQLAlchemy's names of columns in a WITH clause are not plain strings, and no keys for JSON
    columns = [column.label(str(column.name)) for column in run.c]
    return prepared(select(*columns).add_cte(_enter(statements, run).returning(statements.state_table.c.id).cte("entered")))

"""The fast path of lists and reads: the JSON text that is made from rows that are text is what orjson makes of the same rows' values."""

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Boolean, Float, Integer, Uuid, delete, insert, text

from app.db.models import Deployment, Flow, FlowRun, FlowRunState, Log, TaskRun, TaskRunState
from app.db.types import Json, UtcDateTime
from app.domain.ids import new_id
from app.domain.states import StateType
from app.errors import NotFound
from tests.parts import unit_of_work

FLOW, DEPLOYMENT, FLOW_RUN, TASK_RUN, LOG = (model.__table__ for model in (Flow, Deployment, FlowRun, TaskRun, Log))
HISTORIES = {"flow_run": FlowRunState.__table__, "task_run": TaskRunState.__table__}
NOW = datetime(2022, 6, 1, 12, 30, 0, 7, tzinfo=UTC)

SHARED_DATABASE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
MICROSECONDS = st.sampled_from([0, 1, 70, 500_000, 120_000]) | st.integers(0, 999_999)
INSTANTS = st.builds(
    lambda instant, microsecond: instant.replace(microsecond=microsecond),
    st.datetimes(datetime(1970, 1, 2), datetime(2200, 12, 30), timezones=st.just(UTC)) | st.just(NOW),
    MICROSECONDS,
)
VALUES = (
    (Uuid, st.uuids()),
    (UtcDateTime, INSTANTS),
    (Json, st.dictionaries(TEXTS, st.none() | st.booleans() | st.integers(-(10**30), 10**30) | TEXTS | st.lists(TEXTS), max_size=2)),
    (Integer, st.integers(0, 2**31 - 1)),
    (Boolean, st.booleans()),
    (Float, st.floats(0, 1e9) | st.sampled_from([0.0, 1e-06, 1.5, 1e15, 1e16, 123456789.125])),
)


def value_of(column):
    """A strategy for the values of a column."""
    if column.name in ("state_type", "type"):
        return st.sampled_from(StateType).map(str)
    if column.name == "tags":
        return st.lists(TEXTS, max_size=2)
    values = next((values for kind, values in VALUES if isinstance(column.type, kind)), TEXTS)
    return st.none() | values if column.nullable else values


def row_of(table, **fixed):
    """A strategy for the rows of a table with `fixed` values in it. They refer to no other rows but to those that are fixed."""
    free = [column for column in table.c if column.name not in fixed and not (column.nullable and column.foreign_keys)]
    return st.fixed_dictionaries(
        {column.name: value_of(column) for column in free} | {name: st.just(value) for name, value in fixed.items()}
    )


FLOW_ID, RUN_ID, NOTED = new_id(), new_id(), {"created": NOW, "updated": NOW}
# what is listed: the repository, its table, and its rows
LISTED = {
    "flows": (FLOW, row_of(FLOW)),
    "deployments": (DEPLOYMENT, row_of(DEPLOYMENT, flow_id=FLOW_ID)),
    "flow_runs": (FLOW_RUN, row_of(FLOW_RUN, flow_id=FLOW_ID)),
    "task_runs": (TASK_RUN, row_of(TASK_RUN, flow_run_id=RUN_ID)),
    "logs": (LOG, row_of(LOG)),
}
UNIQUE = {"flows": "name", "deployments": "name", "flow_runs": "idempotency_key", "task_runs": "dynamic_key", "logs": "id"}
IN_STATES = {name: row_of(table, **{f"{name}_id": RUN_ID}) for name, table in HISTORIES.items()}


@pytest.fixture
def parents(database):
    """Nothing but the flow and the run that rows refer to."""

    def work(session):
        session.execute(insert(FLOW), NOTED | {"id": FLOW_ID, "name": "parent of rows"})
        session.execute(insert(FLOW_RUN), NOTED | {"id": RUN_ID, "flow_id": FLOW_ID, "name": "parent"})

    database.run(work)


@pytest.mark.parametrize("entity", LISTED)
@given(data=st.data())
@SHARED_DATABASE
def test_both_ways_answer_the_same_bytes(database, parents, entity, data):
    table, rows = LISTED[entity]
    keys = (lambda row: row["id"], lambda row: row["id"] if row[UNIQUE[entity]] is None else row[UNIQUE[entity]])
    given_rows = data.draw(st.lists(rows, min_size=1, max_size=4, unique_by=keys))
    states = [data.draw(IN_STATES[table.name]) | {"id": row["state_id"]} for row in given_rows if row.get("state_id")]
    zone = data.draw(st.sampled_from(["UTC", "Asia/Kathmandu", "America/St_Johns"]))
    sort = data.draw(st.sampled_from([None, "NAME_ASC"] if entity != "logs" else [None, "LEVEL_DESC"]))

    def work(session):
        session.execute(insert(table), given_rows)
        if states:
            # the run that the states belong to is no matter here: a run's own column names the one it is in
            parent = RUN_ID if table is FLOW_RUN else given_rows[0]["id"]
            session.execute(insert(HISTORIES[table.name]), [state | {f"{table.name}_id": parent} for state in states])
        repository = getattr(unit_of_work(session, lambda: NOW), entity)
        one, names = given_rows[0]["id"], ("parent of rows", given_rows[0].get("name"))
        slow = [repository.find({}, 100, 0, sort), repository.require(one)]
        if entity == "deployments":
            slow.append(repository.read_by_names(*names))
        if session.get_bind().dialect.name == "postgresql":
            # as behind a PgBouncer that has dropped the options of the connection
            session.execute(text(f"SET LOCAL TIME ZONE '{zone}'"))
        fast = [repository.page({}, 100, 0, sort)[0], repository.require_json(one)]
        if entity == "deployments":
            fast.append(repository.read_json_by_names(*names))
        session.execute(delete(table).where(table.c.id.in_([row["id"] for row in given_rows])))
        if states:
            session.execute(delete(HISTORIES[table.name]))
        return [orjson.dumps(answer) for answer in slow], [orjson.dumps(answer) for answer in fast]

    slow, fast = database.run(work)
    assert slow == fast


def test_what_does_not_exist_is_not_found_either_way(database):
    def work(session):
        unit = unit_of_work(session)
        for repository in (unit.flows, unit.deployments, unit.flow_runs, unit.task_runs):
            with pytest.raises(NotFound):
                repository.require_json(new_id())
            assert orjson.dumps(repository.page({}, 10)[0]) == b"[]"
        with pytest.raises(NotFound):
            unit.deployments.read_json_by_names("no flow", "no deployment")

    database.run(work, read_only=True)

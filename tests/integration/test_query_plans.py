"""How the queries that are asked all day long are carried out: each by its index, and the ordered ones without sorting.

The statements are those that the repositories send, on tables large enough for an index to pay.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import event, text

from app.config import Settings
from app.db.session import Database
from app.domain.states import new_state
from app.repositories.claims import Claims
from app.repositories.deployment_schedules import DeploymentSchedules
from app.repositories.deployments import Deployments
from app.repositories.flow_runs import FlowRuns
from app.repositories.late_runs import LateRuns
from app.repositories.leases import Leases
from app.repositories.logs import Logs
from app.repositories.task_runs import TaskRuns
from tests.databases import temporary_database
from tests.parts import unit_of_work

NOW = datetime(2022, 6, 1, tzinfo=UTC)
DEPLOYMENTS, OWNERS, RUNS = 3000, 60, 6000
DEPLOYMENT, QUEUE = UUID(int=7), UUID(int=0)
OWNER = UUID(int=9)
DUE = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}, "next_scheduled_start_time": {"before_": NOW}}}

# A tenth of the deployments are due at some time, one in a hundred of the runs is still to start. {id} makes an id of a number n
FILL = """
INSERT INTO flow (id, created, updated, name) SELECT {id_0}, {now}, {now}, 'flow';
INSERT INTO deployment (id, created, updated, name, flow_id, flow_data, tags)
SELECT {id_n}, {now}, {now}, 'deployment ' || n, {id_0}, '{{}}', {tags_n} FROM {numbers_deployments};
INSERT INTO deployment_schedule (id, created, updated, deployment_id, slug, schedule, top_up_due)
SELECT {id_n}, {now}, {now}, {id_n}, 'default', '{{}}', CASE WHEN n % 10 = 0 THEN {time_n} END FROM {numbers_deployments};
INSERT INTO flow_run (id, created, updated, name, flow_id, deployment_id, state_type, state_name,
                      expected_start_time, next_scheduled_start_time, start_time, tags)
SELECT {id_n}, {now}, {now}, 'run ' || n, {id_0}, {id_owner},
       CASE WHEN n % 100 = 0 THEN 'SCHEDULED' ELSE 'COMPLETED' END, CASE WHEN n % 100 = 0 THEN 'Scheduled' ELSE 'x' END,
       {time_n}, CASE WHEN n % 100 = 0 THEN {time_n} END, CASE WHEN n % 100 > 0 THEN {time_n} END, {tags_n}
FROM {numbers_runs};
INSERT INTO task_run (id, created, updated, name, flow_run_id, task_key, dynamic_key, state_type, state_name, expected_start_time)
SELECT {id_n}, {now}, {now}, 'task ' || n, {id_n}, 'task', '0', 'COMPLETED', 'Completed', {time_n} FROM {numbers_runs};
INSERT INTO lease (id, created, flow_run_id, expires_at) SELECT {id_n}, {now}, {id_n}, {time_n} FROM {numbers_runs};
INSERT INTO work_queue (id, created, updated, name, description) VALUES ({id_0}, {now}, {now}, 'queue', '');
INSERT INTO log (id, created, name, level, flow_run_id, message, timestamp)
SELECT {id_n}, {now}, 'name', 20, {id_owner}, 'message', {time_n} FROM {numbers_runs};
ANALYZE
"""
POSTGRES = {
    "now": "now()",
    "id_0": "lpad('0', 32, '0')::uuid",
    "id_n": "lpad(to_hex(n), 32, '0')::uuid",
    "id_owner": f"lpad(to_hex(n % {OWNERS} + 1), 32, '0')::uuid",
    "time_n": "timestamptz '2022-01-01' + n * interval '1 hour'",
    "tags_n": "jsonb_build_array('all', 'tag ' || n)",
    "numbers_deployments": f"generate_series(1, {DEPLOYMENTS}) n",
    "numbers_runs": f"generate_series(1, {RUNS}) n",
}
SQLITE = {
    "now": "'2022-01-01 00:00:00.000000'",
    "id_0": "printf('%032x', 0)",
    "id_n": "printf('%032x', n)",
    "id_owner": f"printf('%032x', n % {OWNERS} + 1)",
    "time_n": "strftime('%Y-%m-%d %H:%M:%S.000000', '2022-01-01', n || ' hours')",
    "tags_n": "json_array('all', 'tag ' || n)",
    "numbers_deployments": f"(SELECT value AS n FROM json_each('{json.dumps([*range(1, DEPLOYMENTS + 1)])}'))",
    "numbers_runs": f"(SELECT value AS n FROM json_each('{json.dumps([*range(1, RUNS + 1)])}'))",
}


def filled(url, words):
    """A `Database` at `url` with rows in it. Nothing changes them afterwards."""
    database = Database(url, Settings())
    with database.engine().begin() as connection:
        for statement in FILL.format(**words).split(";"):
            connection.exec_driver_sql(statement.replace("%", "%%") if words is POSTGRES else statement)
    return database


@pytest.fixture(scope="module")
def on_postgres(postgres_server, postgres_template):
    """PostgreSQL with rows."""
    with temporary_database(postgres_server, postgres_template) as url:
        database = filled(url, POSTGRES)
        yield database
        database.dispose()


@pytest.fixture(scope="module")
def on_sqlite(sqlite_template, tmp_path_factory):
    """SQLite with rows."""
    path = tmp_path_factory.mktemp("plans") / "mintaka.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = filled(f"sqlite:///{path}", SQLITE)
    yield database
    database.dispose()


def plan(database, work):
    """The plan of the first statement on many rows that `work(session)` sends, as text. Nothing that it does is kept."""
    sent = []
    engine = database.engine()

    def remember(_connection, _cursor, statement, parameters, *_):
        sent.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", remember)
    try:
        with database.transaction() as session:
            work(session)
            session.connection().rollback()
    finally:
        event.remove(engine, "before_cursor_execute", remember)
    few = re.compile("FROM work_queue|clock_timestamp")
    statement, parameters = next(pair for pair in sent if pair[0].startswith(("SELECT", "WITH")) and not few.search(pair[0]))
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
    with engine.connect() as connection:
        return "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters))


def sorts(plan):
    """Whether a plan sorts all that it found, rather than reading it in order."""
    return bool(re.search(r"\bSort\b|TEMP B-TREE", plan))


def clock():
    return NOW


def claim(session):
    DeploymentSchedules(session, clock).claim_due(NOW, 20)


def poll(session):
    FlowRuns(session, clock).find(DUE, limit=100, sort="NEXT_SCHEDULED_START_TIME_ASC")


def look(session):
    unit_of_work(session, clock).work_queue_service.runs(QUEUE, 10)


def claim_runs(session):
    Claims(session, FlowRuns(session, clock)).claim(DUE, 10, new_state("PENDING", NOW), expires_at=NOW, work_queue_id=QUEUE, worker=None)


def mark_late(session):
    LateRuns(session, clock).lock_overdue(timedelta(seconds=5), 400)


def end_leases(session):
    # few have run out: most workers are alive
    Leases(session, lambda: datetime(2022, 1, 2, tzinfo=UTC)).lock_expired(50)


def runs_of_a_deployment(session):
    own = {"deployment_id": {"any_": [DEPLOYMENT]}}
    FlowRuns(session, clock).find({"flow_runs": own}, limit=10, sort="EXPECTED_START_TIME_ASC")


@pytest.mark.parametrize("where", ["on_sqlite", "on_postgres"])
@pytest.mark.parametrize(
    "work, index",
    [
        (claim, "ix_deployment_schedule_top_up_due"),
        (poll, "ix_flow_run_due"),
        (look, "ix_flow_run_due"),
        (mark_late, "ix_flow_run_due"),
        (end_leases, "ix_lease_expires_at"),
        (runs_of_a_deployment, "ix_flow_run_deployment_id_expected_start_time_id"),
    ],
)
def test_what_is_asked_again_and_again_is_read_from_its_index_in_order(request, where, work, index):
    found = plan(request.getfixturevalue(where), work)
    assert index in found
    assert not sorts(found), found


@pytest.mark.parametrize("where", ["on_sqlite", "on_postgres"])
@pytest.mark.parametrize("sort", ["EXPECTED_START_TIME_ASC", "EXPECTED_START_TIME_DESC"])
@pytest.mark.parametrize(
    ("own", "index"),
    [
        ({}, "ix_flow_run_expected_start_time_id"),
        ({"deployment_id": {"any_": [DEPLOYMENT]}}, "ix_flow_run_deployment_id_expected_start_time_id"),
    ],
    ids=["all", "of a deployment"],
)
def test_a_page_after_a_cursor_is_read_from_its_index_in_order(request, where, sort, own, index):
    cursor = FlowRuns.orders[sort].write("flow_runs", [NOW, DEPLOYMENT])
    found = plan(
        request.getfixturevalue(where), lambda session: FlowRuns(session, clock).page({"flow_runs": own}, 10, sort=sort, cursor=cursor)
    )
    assert index in found
    assert not sorts(found), found
    # the index leads to where the page begins: it does not pass over the pages before
    assert re.search(r"Index Cond: .*expected_start_time|expected_start_time[<>]|\(expected_start_time,id\)[<>]", found), found


def test_a_claim_reads_runs_from_their_index_in_order_and_locks_no_more_than_it_takes(on_sqlite, on_postgres):
    found = plan(on_sqlite, claim_runs)
    assert "ix_flow_run_due" in found
    assert not sorts(found), found
    # the runs that were claimed are few, and sorted for the answer
    assert re.search(r"Limit .*\n *->  LockRows .*\n *->  Index Scan using ix_flow_run_due", plan(on_postgres, claim_runs))


@pytest.mark.parametrize("where", ["on_sqlite", "on_postgres"])
@pytest.mark.parametrize("runs", [FlowRuns, TaskRuns])
def test_a_history_reads_the_runs_of_its_time_from_their_index(request, where, runs):
    def read(session):
        week = (datetime(2022, 2, 1, tzinfo=UTC), datetime(2022, 2, 8, tzinfo=UTC))
        unit_of_work(session, clock).run_service.history(runs.entity, {}, *week, 3600)

    assert f"ix_{runs.table.name}_expected_start_time_id" in plan(request.getfixturevalue(where), read)


@pytest.mark.parametrize("where", ["on_sqlite", "on_postgres"])
def test_the_logs_of_a_run_are_read_from_their_index(request, where):
    found = plan(request.getfixturevalue(where), listing(Logs, {"logs": {"flow_run_id": {"any_": [OWNER]}}}, limit=10))
    assert "ix_log_flow_run_id_timestamp" in found
    # those of one timestamp are still to be put in order, and no others
    assert not re.search("->  Sort |TEMP B-TREE FOR ORDER BY", found), found


def listing(repository, filters, sort=None, limit=200):
    return lambda session: repository(session, clock).find(filters, limit=limit, sort=sort)


def counting(repository, filters):
    return lambda session: repository(session, clock).count(filters)


@pytest.mark.parametrize(
    "work, index",
    [
        (counting(FlowRuns, {"flow_runs": {"tags": {"all_": ["all", "tag 77"]}}}), "ix_flow_run_tags"),
        (listing(Deployments, {"deployments": {"tags": {"all_": ["tag 77"]}}}), "ix_deployment_tags"),
        (counting(FlowRuns, {"flow_runs": {"name": {"any_": ["run 77"]}}}), "ix_flow_run_name"),
        (counting(FlowRuns, {"flow_runs": {"state": {"type": {"any_": ["FAILED"]}}}}), "ix_flow_run_state_type_state_name"),
        (counting(FlowRuns, {"flow_runs": {"state": {"name": {"any_": ["Late"]}}}}), "ix_flow_run_state_name"),
        (counting(FlowRuns, {"flow_runs": {"start_time": {"after_": datetime(2022, 9, 1, tzinfo=UTC)}}}), "ix_flow_run_start_time"),
        (counting(FlowRuns, {"flow_runs": {"parent_task_run_id": {"any_": [DEPLOYMENT]}}}), "ix_flow_run_parent_task_run_id"),
        (counting(FlowRuns, {"flow_runs": {"flow_version": {"any_": ["2"]}}}), "ix_flow_run_flow_version"),
        (counting(FlowRuns, {"flow_runs": {"flow_runner_type": {"any_": ["docker"]}}}), "ix_flow_run_flow_runner_type"),
        (counting(FlowRuns, {"deployments": {"id": {"any_": [DEPLOYMENT]}}}), "ix_flow_run_deployment_id_expected_start_time_id"),
        (counting(TaskRuns, {"flow_runs": {"id": {"any_": [DEPLOYMENT]}}}), "uq_task_run_flow_run_id_task_key_dynamic_key"),
        (listing(FlowRuns, {}, "ID_DESC"), "pk_flow_run"),
        (listing(FlowRuns, {}, "EXPECTED_START_TIME_ASC"), "ix_flow_run_expected_start_time_id"),
    ],
)
def test_a_filter_that_leaves_few_rows_is_answered_from_an_index_on_postgresql(on_postgres, work, index):
    assert index in plan(on_postgres, work)


@pytest.mark.parametrize("sort", ["ID_DESC", "EXPECTED_START_TIME_ASC"])
def test_the_first_page_of_all_runs_is_read_without_sorting_them_all(on_postgres, sort):
    found = plan(on_postgres, listing(FlowRuns, {}, sort))
    assert not sorts(found), found


def test_the_rows_are_as_many_as_these_plans_are_made_for(on_postgres, on_sqlite):
    for database in (on_postgres, on_sqlite):
        with database.engine(read_only=True).connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM flow_run WHERE state_type = 'SCHEDULED'")).scalar() == RUNS // 100

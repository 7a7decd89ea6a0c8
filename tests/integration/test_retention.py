"""`app.scheduler.retention`: what is old enough to go, what goes with it, and what never does."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from app.db.models import CachedResult, FlowRun, FlowRunState, Log, TaskRun, TaskRunState
from app.scheduler import retention
from app.scheduler.retention import MAX_BATCH, BatchSize, Pruner
from tests.api.asking import ok
from tests.api.factories import make_flow, make_flow_run, make_task_run
from tests.parts import make_parts

NOON = datetime(2022, 6, 1, 12, tzinfo=UTC)
MONTH = timedelta(days=30)
TABLES = [model.__table__ for model in (FlowRun, FlowRunState, TaskRun, TaskRunState, CachedResult)]


@pytest.fixture(autouse=True)
def stopped(clock):
    """Nothing here goes by the real time."""
    clock.stop_at(NOON)


@pytest.fixture
def prune(database, clock):
    """prune(older than, ...) what ended on the database that `client` talks to. Returns the report."""

    def run(older_than=MONTH, logs=None, audit=None, filters=None, **options):
        return Pruner(make_parts(database, clock), older_than, logs, audit, filters or {}).run_once(**options)

    return run


def end(client, run, kind="flow_runs", type="COMPLETED", **details):
    """Take a run to RUNNING and then to its end, now."""
    for state in ({"type": "RUNNING"}, {"type": type, **details}):
        assert ok(client.post(f"/{kind}/{run['id']}/set_state", json={"state": state, "force": True}), 201)["status"] == "ACCEPT"
    return run


def ended_run(client, **fields):
    return end(client, make_flow_run(client, **fields))


def stored(database):
    with database.transaction(read_only=True) as session:
        return {str(id) for id in session.scalars(select(FlowRun.id))}


def counts(database):
    with database.transaction(read_only=True) as session:
        return [session.scalar(select(func.count()).select_from(table)) for table in TABLES]


def test_what_ended_long_enough_ago_goes_with_all_that_is_in_it(client, clock, database, prune):
    run = make_flow_run(client)
    for _ in range(2):
        end(client, make_task_run(client, flow_run_id=run["id"]), "task_runs")
    end(client, run)
    clock.advance(days=29)
    young = ended_run(client)
    clock.advance(days=1, seconds=1)
    report = prune()
    assert (report.flow_runs, report.task_runs, report.logs) == (1, 2, 0)
    assert stored(database) == {young["id"]}
    assert counts(database) == [1, 3, 0, 0, 0]
    assert prune().flow_runs == 0


def test_a_run_that_ended_before_it_started_goes_too(client, clock, database, prune):
    run = make_flow_run(client, state={"type": "SCHEDULED"})
    ok(client.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": "CANCELLED"}}), 201)
    clock.advance(days=29)
    assert prune().flow_runs == 0
    clock.advance(days=2)
    assert prune().flow_runs == 1
    assert stored(database) == set()


def test_a_run_that_has_not_ended_stays_however_old_it_is(client, clock, database, prune):
    runs = {make_flow_run(client, state={"type": type})["id"] for type in ("SCHEDULED", "PENDING", "RUNNING")}
    again = ended_run(client)
    # it has ended once, and runs again
    ok(client.post(f"/flow_runs/{again['id']}/set_state", json={"state": {"type": "RUNNING"}, "force": True}), 201)
    clock.advance(days=3650)
    assert prune().flow_runs == 0
    assert stored(database) == {*runs, again["id"]}


def subflow(client, parent, **fields):
    return make_flow_run(client, parent_task_run_id=make_task_run(client, flow_run_id=parent["id"])["id"], **fields)


def test_a_subflow_run_goes_with_its_parent_and_not_before(client, clock, database, prune):
    parent = make_flow_run(client)
    child = subflow(client, parent)
    grandchild = end(client, subflow(client, child))
    end(client, child)
    clock.advance(days=20)
    end(client, parent)
    clock.advance(days=20)
    assert prune().flow_runs == 0
    assert stored(database) == {parent["id"], child["id"], grandchild["id"]}
    clock.advance(days=20)
    assert prune().flow_runs == 3
    assert counts(database) == [0] * 5


@pytest.mark.parametrize("type", ["RUNNING", "COMPLETED"])
def test_a_parent_stays_as_long_as_a_subflow_run_is_not_over_or_young(client, clock, database, prune, type):
    parent, other = make_flow_run(client), ended_run(client)
    child = subflow(client, parent)
    grandchild = subflow(client, child)
    end(client, child)
    end(client, parent)
    clock.advance(days=40)
    ok(client.post(f"/flow_runs/{grandchild['id']}/set_state", json={"state": {"type": "RUNNING"}, "force": True}), 201)
    if type == "COMPLETED":
        end(client, grandchild)
    assert prune().flow_runs == 1
    assert stored(database) == {parent["id"], child["id"], grandchild["id"]}
    assert other["id"] not in stored(database)


def cache(database, clock, task_run, expiration=None):
    with database.transaction() as session:
        state_id = session.scalar(select(TaskRun.state_id).where(TaskRun.id == UUID(task_run["id"])))
        row = {"id": UUID(task_run["id"]), "created": clock(), "key_digest": "k", "cache_expiration": expiration}
        session.execute(CachedResult.__table__.insert(), row | {"task_run_state_id": state_id})


def test_a_run_whose_result_is_in_use_stays_until_another_takes_its_place_or_it_expires(client, clock, database, prune):
    first = make_flow_run(client)
    cache(database, clock, end(client, make_task_run(client, flow_run_id=first["id"]), "task_runs"))
    end(client, first)
    clock.advance(days=40)
    assert prune().flow_runs == 0
    second = make_flow_run(client)
    cache(database, clock, end(client, make_task_run(client, flow_run_id=second["id"]), "task_runs"), clock() + timedelta(days=50))
    end(client, second)
    assert prune().flow_runs == 1
    assert stored(database) == {second["id"]}
    clock.advance(days=40)
    assert prune().flow_runs == 0
    clock.advance(days=11)
    assert prune().flow_runs == 1


def test_states_and_tags_restrict_what_goes(client, clock, database, prune):
    flow = make_flow(client)["id"]
    runs = [
        end(client, make_flow_run(client, flow_id=flow, tags=tags), type=type)["id"]
        for type in ("COMPLETED", "FAILED")
        for tags in (["a"], ["a", "b"])
    ]
    clock.advance(days=31)
    filters = {"flow_runs": {"state": {"type": {"any_": ["FAILED"]}}, "tags": {"all_": ["b"]}}}
    assert prune(filters=filters).flow_runs == 1
    assert stored(database) == set(runs[:3])


def test_a_dry_run_counts_what_goes_and_deletes_nothing(client, clock, database, prune):
    parent = make_flow_run(client)
    end(client, subflow(client, parent))
    end(client, parent)
    for _ in range(4):
        ended_run(client)
    clock.advance(days=31)
    before = counts(database)
    dry = prune(logs=MONTH, dry_run=True).numbers()
    assert counts(database) == before
    assert dry | {"seconds": 0} == {"flow_runs": 6, "task_runs": 1, "logs": 0, "audit_entries": 0, "seconds": 0}
    assert prune(logs=MONTH).numbers() | {"seconds": 0} == dry | {"seconds": 0}


def test_old_lines_of_logs_go_and_others_stay(client, clock, database, prune, monkeypatch):
    monkeypatch.setattr(retention, "FIRST_BATCH", 2)
    run = make_flow_run(client)
    ages = [1, 29, 31, 32, 33, 34, 400]
    lines = [{"name": "n", "level": 20, "message": str(age), "timestamp": (NOON - timedelta(days=age)).isoformat()} for age in ages]
    ok(client.post("/logs/", json=[line | {"flow_run_id": run["id"]} for line in lines]), 201)
    assert prune(older_than=None, logs=MONTH, dry_run=True).logs == 5
    assert prune(older_than=None, logs=MONTH).logs == 5
    with database.transaction(read_only=True) as session:
        assert set(session.scalars(select(Log.message))) == {"1", "29"}
    assert stored(database) == {run["id"]}


def test_nothing_goes_that_nobody_asked_to_go(client, clock, database, prune):
    ended_run(client)
    clock.advance(days=3650)
    assert prune(older_than=None).flow_runs == 0
    assert len(stored(database)) == 1


def test_a_stop_leaves_whole_runs_and_the_next_pass_goes_on(client, clock, database, prune, monkeypatch):
    for _ in range(6):
        run = make_flow_run(client)
        end(client, make_task_run(client, flow_run_id=run["id"]), "task_runs")
        end(client, run)
    clock.advance(days=31)
    monkeypatch.setattr(retention, "FIRST_BATCH", 2)
    answers = iter([False, False])
    pruned = prune(should_stop=lambda: next(answers, True))
    assert pruned.flow_runs == pruned.task_runs == 2
    assert counts(database)[0] == counts(database)[2] == 6 - pruned.flow_runs
    assert prune().flow_runs == 6 - pruned.flow_runs


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_tree_that_somebody_holds_a_part_of_is_passed_over_as_a_whole(client, clock, database, prune):
    parent = make_flow_run(client)
    child = end(client, subflow(client, parent))
    end(client, parent)
    other = ended_run(client)
    clock.advance(days=31)
    with database.transaction() as session:
        session.execute(update(FlowRun).where(FlowRun.id == UUID(child["id"])).values(name="held"))
        assert prune().flow_runs == 1
    assert stored(database) == {parent["id"], child["id"]}
    assert other["id"] not in stored(database)
    # it was changed, and ended when it did all the same
    assert prune().flow_runs == 2


def test_batches_become_as_large_as_the_time_allows_and_no_larger():
    size = BatchSize(rows=100)
    size.adapt(100, 0.05)
    assert size.rows == 100
    size.adapt(100, 0.1)
    assert size.rows == 50
    size.adapt(50, 0.001)
    assert size.rows == 100
    # the last few that there were
    size.adapt(3, 0.001)
    assert size.rows == 100
    size.adapt(1, 60)
    assert size.rows == 1
    for _ in range(20):
        size.adapt(size.rows, 0.000001)
    assert size.rows == MAX_BATCH

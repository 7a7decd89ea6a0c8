"""`app.scheduler.late_runs`: which runs a pass marks late, what that does to them, and what it leaves to whoever starts them."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from app.config import Settings
from app.db.models import FlowRun, FlowRunState
from app.db.session import Database
from app.domain.states import RunTimes, enter, new_state
from app.repositories.flow_runs import FlowRuns
from app.scheduler.late_runs import LateRunMarker
from tests.api.asking import ok
from tests.api.factories import make_deployment, make_due_runs, make_flow_run, make_task_run, make_work_queue
from tests.parts import make_parts, unit_of_work

NOON = datetime(2022, 6, 1, 12, tzinfo=UTC)
FLOW_RUN, STATE = FlowRun.__table__, FlowRunState.__table__
TIMES = RunTimes.__dataclass_fields__


@pytest.fixture(autouse=True)
def stopped(clock):
    """Nothing here goes by the real time."""
    clock.stop_at(NOON)


@pytest.fixture
def marker(database, clock):
    """marker(batch_size=...) on the database that `client` talks to, with connections of its own; runs are late after 5 seconds."""
    return lambda **options: LateRunMarker(make_parts(database, clock), 5, **options)


def names(client, runs):
    return [ok(client.get(f"/flow_runs/{run['id']}"))["state_name"] for run in runs]


def test_a_run_is_late_when_it_has_not_been_started_for_as_long_as_the_setting_says(client, clock, marker):
    runs = make_due_runs(client, 3, due=NOON)
    for seconds, number in ((4.999, 0), (5, 1), (64.999, 1), (65, 2), (300, 3)):
        clock.stop_at(NOON + timedelta(seconds=seconds))
        marker().run_once()
        assert names(client, runs) == ["Late"] * number + ["Scheduled"] * (3 - number)


def test_a_late_run_is_scheduled_for_the_same_time_as_before(client, clock, marker):
    (run,) = make_due_runs(client, 1, due=NOON, parameters={"n": 1})
    clock.advance(minutes=1)
    assert marker().run_once().number == 1
    late = ok(client.get(f"/flow_runs/{run['id']}"))
    assert {name for name in run if run[name] != late[name]} == {"updated", "state_id", "state_name", "state", "estimated_start_time_delta"}
    before = run["state"]
    assert late["state"] == before | {"id": late["state_id"], "name": "Late", "timestamp": clock().isoformat()}
    assert late["state"]["state_details"]["scheduled_time"] == NOON.isoformat()


def test_marking_keeps_the_books_of_a_run_as_entering_any_state_does(client, clock, marker, database):
    make_due_runs(client, 1, due=NOON)
    past = {"run_count": 2, "total_run_time": 1.5, "start_time": NOON - timedelta(hours=2), "end_time": NOON - timedelta(hours=1)}

    def row():
        with database.transaction(read_only=True) as session:
            return session.execute(select(FLOW_RUN)).one()

    with database.transaction() as session:
        session.execute(update(FLOW_RUN).values(past))
    before = row()
    clock.advance(minutes=1)
    marker().run_once()
    late = new_state("SCHEDULED", clock(), name="Late", state_details={"scheduled_time": NOON})
    expected = enter(RunTimes(**{name: getattr(before, name) for name in TIMES}), None, late)
    assert RunTimes(**{name: getattr(row(), name) for name in TIMES}) == expected


def test_only_scheduled_runs_that_are_called_so_become_late_and_only_once(client, clock, marker, database):
    deployment = make_deployment(client)
    path = f"/deployments/{deployment['id']}/create_flow_run"
    others = [{"type": "SCHEDULED", "name": "AwaitingRetry"}, *({"type": type} for type in ("PENDING", "RUNNING", "COMPLETED", "FAILED"))]
    for state in others:
        ok(client.post(path, json={"state": state}), 201)
    # a run without a deployment may be late too
    run = make_flow_run(client, state={"type": "SCHEDULED"})
    clock.advance(minutes=1)
    assert marker().run_once().number == 1
    assert marker().run_once().number == 0
    assert names(client, [run]) == ["Late"]
    with database.transaction(read_only=True) as session:
        assert session.scalar(select(func.count()).select_from(STATE)) == len(others) + 2


def test_a_late_subflow_run_is_late_in_its_parent_too(client, clock, marker):
    parent = make_task_run(client)
    run = make_flow_run(client, parent_task_run_id=parent["id"], state={"type": "SCHEDULED"})
    clock.advance(minutes=1)
    assert marker().run_once().number == 1
    late = ok(client.get(f"/flow_runs/{run['id']}"))
    assert (late["state_name"], late["state"]["state_details"]["task_run_id"]) == ("Late", parent["id"])
    mirrored = ok(client.get(f"/task_runs/{parent['id']}"))
    assert (mirrored["state_name"], mirrored["state"]["state_details"]["child_flow_run_id"]) == ("Late", run["id"])


def test_a_pass_takes_up_all_that_is_late_in_batches(client, clock, marker):
    runs = make_due_runs(client, 7)
    clock.advance(minutes=1)
    report = marker(batch_size=3).run_once()
    assert report.number == 7
    assert str(report).startswith("7 runs marked late in ")
    assert names(client, runs) == ["Late"] * 7


def test_a_stop_request_ends_a_pass_before_its_next_batch(client, clock, marker):
    runs = make_due_runs(client, 4)
    clock.advance(minutes=1)
    answers = iter([False, True])
    assert marker(batch_size=3).run_once(should_stop=lambda: next(answers)).number == 3
    assert names(client, runs) == ["Late"] * 3 + ["Scheduled"]


def test_a_run_that_is_being_started_is_passed_over_and_never_late_afterwards(client, clock, marker, database, settings):
    started, other = make_due_runs(client, 2)
    clock.advance(minutes=1)
    on_sqlite = database.url.get_backend_name() == "sqlite"
    elsewhere = Database(settings.database_url, settings)
    with ThreadPoolExecutor(1) as pool:
        with elsewhere.transaction() as session:
            runs = FlowRuns(session, clock)
            row, previous = runs.lock(UUID(started["id"]))
            # SQLite lets nobody write meanwhile: there the pass begins when the run has been started
            marking = pool.submit(marker().run_once)
            if not on_sqlite:
                assert marking.result().number == 1
            runs.enter(row, previous, new_state("RUNNING", clock()))
        assert marking.result().number == 1
    elsewhere.dispose()
    assert marker().run_once().number == 0
    assert names(client, [started, other]) == ["Running", "Late"]


def test_markers_and_claimers_at_once_leave_every_run_claimed_and_none_late(client, clock, database_url):
    number = 60
    make_due_runs(client, number)
    queue = UUID(make_work_queue(client)["id"])
    clock.advance(minutes=1)
    database = Database(database_url, Settings(database_pool_size=16, database_lock_timeout=20.0))
    begin = threading.Barrier(9)

    def mark():
        begin.wait()
        for _ in range(5):
            LateRunMarker(make_parts(database, clock), 5, batch_size=7).run_once()

    def claim():
        begin.wait()
        found = []
        while claims := database.run(lambda session: unit_of_work(session, clock).work_queue_service.claim(queue, 2, 60)):
            found += [one["flow_run"]["id"] for one in claims]
        return found

    with ThreadPoolExecutor(9) as pool:
        marking = [pool.submit(mark) for _ in range(4)]
        claiming = [pool.submit(claim) for _ in range(5)]
        for one in marking:
            one.result()
        claimed = [id for one in claiming for id in one.result()]
    # a claimer passes over what a marker holds, and may have left before it let go
    claimed += claim_rest(database, clock, queue)
    assert len(claimed) == len(set(claimed)) == number
    with database.transaction(read_only=True) as session:
        assert session.execute(select(FLOW_RUN.c.state_name, func.count()).group_by(FLOW_RUN.c.state_name)).all() == [("Pending", number)]
        entries = session.execute(select(STATE.c.flow_run_id, STATE.c.id, STATE.c.name)).all()
        current = {row.id: row.state_id for row in session.execute(select(FLOW_RUN.c.id, FLOW_RUN.c.state_id))}
    database.dispose()
    assert {entry.flow_run_id: entry.id for entry in entries if entry.name == "Pending"} == current
    assert max(Counter((entry.flow_run_id, entry.name) for entry in entries).values()) == 1


def claim_rest(database, clock, queue):
    claims = database.run(lambda session: unit_of_work(session, clock).work_queue_service.claim(queue, 200, 60))
    return [one["flow_run"]["id"] for one in claims]

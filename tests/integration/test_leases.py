"""`app.scheduler.leases`: what happens to the runs of workers that are heard of no more."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import delete, event, select, update

from app.config import Settings
from app.db.models import FlowRun, FlowRunState, Lease
from app.db.session import Database
from app.domain.states import new_state
from app.errors import Conflict
from app.scheduler.late_runs import LateRunMarker
from app.scheduler.leases import LeaseExpiry
from tests.api.asking import ok, problem
from tests.api.factories import make_due_runs, make_flow_run, make_task_run, make_work_queue
from tests.parts import make_parts, unit_of_work

NOON = datetime(2022, 6, 1, 12, tzinfo=UTC)
LEASE, STATE = Lease.__table__, FlowRunState.__table__


@pytest.fixture(autouse=True)
def stopped(clock):
    """Nothing here goes by the real time."""
    clock.stop_at(NOON)


@pytest.fixture
def expiry(database, clock):
    """expiry(batch_size=...) on the database that `client` talks to, with connections of its own."""
    return lambda **options: LeaseExpiry(make_parts(database, clock), **options)


@pytest.fixture
def claimed(client):
    """claimed(number, **asked): as many runs, claimed for a minute; returns the claims."""

    def claim(number, **asked):
        make_due_runs(client, number, due=NOON - timedelta(days=1))
        queue = make_work_queue(client)
        return ok(client.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": number, "lease_seconds": 60} | asked))

    return claim


def leases(database):
    with database.transaction(read_only=True) as session:
        return {str(row.flow_run_id): str(row.id) for row in session.execute(select(LEASE))}


def set_state(client, claim, type, *statuses):
    body = {"state": {"type": type}, "lease_id": claim["lease_id"]}
    return ok(client.post(f"/flow_runs/{claim['flow_run']['id']}/set_state", json=body), *(statuses or (200, 201)))


def read(client, claim):
    return ok(client.get(f"/flow_runs/{claim['flow_run']['id']}"))


def beat(client, claim):
    return client.post(f"/flow_runs/{claim['flow_run']['id']}/heartbeat", json={"lease_id": claim["lease_id"]})


@pytest.mark.parametrize("started", [False, True], ids=["PENDING", "RUNNING"])
def test_a_run_whose_lease_runs_out_is_due_again_and_says_why(client, clock, expiry, claimed, database, started):
    (claim,) = claimed(1, worker="worker-1")
    clock.advance(seconds=10)
    if started:
        set_state(client, claim, "RUNNING")
    clock.advance(seconds=50)
    assert expiry().run_once().number == 1
    run = read(client, claim)
    assert (run["state_type"], run["state_name"]) == ("SCHEDULED", "Scheduled")
    assert run["state"]["message"] == "Returned to be claimed again: the lease of worker-1 ran out at 2022-06-01T12:01:00+00:00"
    assert run["next_scheduled_start_time"] == run["state"]["state_details"]["scheduled_time"] == clock().isoformat()
    assert run["expected_start_time"] == (NOON - timedelta(days=1)).isoformat()
    assert (run["run_count"], run["total_run_time"]) == ((1, 50.0) if started else (0, 0.0))
    assert leases(database) == {}
    problem(beat(client, claim), 409)
    problem(client.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": "COMPLETED"}, "lease_id": claim["lease_id"]}), 409)
    queue = make_work_queue(client)
    (again,) = ok(client.post(f"/work_queues/{queue['id']}/claim_runs"))
    assert again["flow_run"]["id"] == run["id"]
    assert again["lease_id"] != claim["lease_id"]


def test_a_run_that_was_claimed_ahead_of_its_time_waits_for_it_again(client, clock, expiry):
    make_due_runs(client, 1, due=NOON + timedelta(hours=20))
    route = f"/work_queues/{make_work_queue(client)['id']}/claim_runs"
    ahead = {"scheduled_before": (NOON + timedelta(days=1)).isoformat(), "lease_seconds": 60}
    (claim,) = ok(client.post(route, json=ahead))
    clock.advance(minutes=2)
    assert expiry().run_once().number == 1
    run = read(client, claim)
    due = (NOON + timedelta(hours=20)).isoformat()
    assert run["next_scheduled_start_time"] == run["state"]["state_details"]["scheduled_time"] == run["expected_start_time"] == due
    assert ok(client.post(route, json={})) == []
    clock.advance(hours=20)
    assert len(ok(client.post(route, json={}))) == 1


def test_a_claim_comes_after_what_it_has_waited_for(client, database, database_url):
    make_due_runs(client, 1, due=NOON - timedelta(hours=1))
    changed = NOON + timedelta(seconds=1)
    with database.transaction() as session:
        session.execute(update(FlowRun.__table__).values(updated=changed))
    (claim,) = ok(client.post(f"/work_queues/{make_work_queue(client)['id']}/claim_runs"))
    run = read(client, claim)
    # on SQLite nobody's clock is read before it is their turn
    entered = NOON if database_url.startswith("sqlite") else changed + timedelta(microseconds=1)
    assert run["updated"] == run["state"]["timestamp"] == entered.isoformat()
    assert claim["flow_run"]["state"] == run["state"]


def test_a_lease_holds_up_to_its_last_moment(client, clock, expiry, claimed):
    (claim,) = claimed(1)
    clock.advance(seconds=59.999)
    assert expiry().run_once().number == 0
    ok(beat(client, claim))
    clock.advance(seconds=59.999)
    assert expiry().run_once().number == 0
    clock.advance(milliseconds=1)
    problem(beat(client, claim), 409)
    assert expiry().run_once().number == 1
    assert expiry().run_once().number == 0


@pytest.mark.parametrize("type", ["COMPLETED", "FAILED", "CANCELLED", "SCHEDULED"])
def test_a_lease_ends_with_its_run(client, clock, expiry, claimed, database, type):
    (claim,) = claimed(1)
    set_state(client, claim, "RUNNING")
    set_state(client, claim, type)
    assert leases(database) == {}
    before = read(client, claim)
    clock.advance(minutes=2)
    assert expiry().run_once().number == 0
    assert read(client, claim)["state"] == before["state"]
    problem(beat(client, claim), 409)


@pytest.mark.parametrize("type", ["COMPLETED", "SCHEDULED"])
def test_a_lease_that_was_left_on_a_run_nobody_holds_is_deleted_and_the_run_stays_as_it_is(client, clock, expiry, database, type):
    run = make_flow_run(client, state={"type": type})
    left = {"id": UUID(int=1), "created": NOON, "flow_run_id": UUID(run["id"]), "expires_at": NOON}
    with database.transaction() as session:
        session.execute(LEASE.insert().values(left))
    clock.advance(seconds=1)
    assert expiry().run_once().number == 1
    assert leases(database) == {}
    assert ok(client.get(f"/flow_runs/{run['id']}"))["state"] == run["state"]


def test_no_pass_and_no_transition_reads_the_parameters_of_runs_however_large_they_are(client, clock, expiry, claimed, database):
    claims = claimed(2)
    make_due_runs(client, 2, due=NOON - timedelta(hours=1))
    read = []
    event.listen(database.engine(), "before_cursor_execute", lambda *call: read.append(call[2]))
    clock.advance(minutes=2)
    assert LateRunMarker(make_parts(database, clock), 5).run_once().number == 2
    assert expiry().run_once().number == 2
    ids = [UUID(claim["flow_run"]["id"]) for claim in claims]
    database.run(lambda session: unit_of_work(session, clock).orchestration.set_flow_run_state(ids[0], new_state("CANCELLED", clock())))
    assert len(read) > 10
    assert not [statement for statement in read if "parameters" in statement or "context" in statement]


def test_what_was_running_inside_gives_its_slots_back_and_can_be_run_again(client, clock, expiry, claimed):
    ok(client.post("/concurrency_limits/", json={"tag": "db", "concurrency_limit": 2}), 200, 201)
    (claim,) = claimed(1)
    set_state(client, claim, "RUNNING")
    own = {"flow_run_id": claim["flow_run"]["id"]}
    tasks = {type: make_task_run(client, **own, tags=["db"]) for type in ("RUNNING", "COMPLETED", "PENDING")}
    stands = make_task_run(client, **own)
    child = make_flow_run(client, parent_task_run_id=stands["id"], state={"type": "RUNNING"})
    inner = make_task_run(client, flow_run_id=child["id"], tags=["db"])

    def enter(run, type):
        return ok(client.post(f"/task_runs/{run['id']}/set_state", json={"state": {"type": type}}), 200, 201)["status"]

    assert [enter(run, "RUNNING") for run in (tasks["COMPLETED"], tasks["RUNNING"])] == ["ACCEPT"] * 2
    enter(tasks["COMPLETED"], "COMPLETED")
    assert enter(inner, "RUNNING") == "ACCEPT"
    clock.advance(minutes=2)
    assert expiry().run_once().number == 1
    found = {type: ok(client.get(f"/task_runs/{run['id']}")) for type, run in (tasks | {"inner": inner, "stands": stands}).items()}
    types = {type: run["state_type"] for type, run in found.items()}
    assert types == {"RUNNING": "PENDING", "COMPLETED": "COMPLETED", "PENDING": "PENDING", "inner": "PENDING", "stands": "PENDING"}
    assert found["RUNNING"]["state"]["message"] == "Interrupted: the flow run that it belongs to is SCHEDULED again"
    assert found["PENDING"]["state"]["message"] is None
    assert found["stands"]["state"]["state_details"]["child_flow_run_id"] == child["id"]
    assert ok(client.get(f"/flow_runs/{child['id']}"))["state_type"] == "PENDING"
    assert ok(client.get("/concurrency_limits/tag/db"))["active_slots"] == []
    assert enter(tasks["RUNNING"], "RUNNING") == "ACCEPT"


def test_a_subflow_run_under_a_lease_of_its_own_goes_on(client, clock, expiry, claimed, database):
    (claim,) = claimed(1)
    set_state(client, claim, "RUNNING")
    stands = make_task_run(client, flow_run_id=claim["flow_run"]["id"], state={"type": "RUNNING"})
    child = make_flow_run(client, parent_task_run_id=stands["id"], state={"type": "RUNNING"})
    inner = make_task_run(client, flow_run_id=child["id"], state={"type": "RUNNING"})
    held = {"id": UUID(int=1), "created": NOON, "flow_run_id": UUID(child["id"]), "expires_at": NOON + timedelta(days=1)}
    with database.transaction() as session:
        session.execute(LEASE.insert().values(held))
    clock.advance(minutes=2)
    assert expiry().run_once().number == 1
    assert ok(client.get(f"/flow_runs/{child['id']}"))["state_type"] == "RUNNING"
    assert ok(client.get(f"/task_runs/{inner['id']}"))["state_type"] == "RUNNING"


def test_a_pass_ends_all_leases_that_have_run_out_in_batches(client, clock, expiry, claimed, database):
    claims = claimed(7)
    ok(beat(client, claims[3]))
    clock.advance(seconds=60)
    with database.transaction() as session:
        session.execute(LEASE.update().where(LEASE.c.id == UUID(claims[3]["lease_id"])).values(expires_at=NOON + timedelta(days=1)))
    report = expiry(batch_size=2).run_once()
    assert report.number == 6
    assert str(report).startswith("6 leases expired in ")
    assert leases(database) == {claims[3]["flow_run"]["id"]: claims[3]["lease_id"]}


# by the clock of the workers the leases hold a moment longer, by that of the schedulers they have run out
EARLY, LATE = NOON + timedelta(seconds=59), NOON + timedelta(seconds=61)


@pytest.fixture
def busy(database_url):
    """A `Database` with connections for many threads."""
    database = Database(database_url, Settings(database_pool_size=16, database_lock_timeout=20.0))
    yield database
    database.dispose()


def while_leases_end(database, claims, act, schedulers):
    """Do `act(session, flow_run_id, lease_id)` for all claims at the same time, while as many `schedulers` end the leases.

    Returns whether each was done rather than refused, and how many leases were ended.
    """
    begin = threading.Barrier(len(claims) + schedulers)

    def try_to(claim):
        begin.wait()
        ids = UUID(claim["flow_run"]["id"]), UUID(claim["lease_id"])
        try:
            database.run(lambda session: act(session, *ids))
        except Conflict:
            return False
        return True

    def end(_):
        begin.wait()
        return LeaseExpiry(make_parts(database, lambda: LATE), batch_size=3).run_once().number

    with ThreadPoolExecutor(len(claims) + schedulers) as pool:
        ended = [pool.submit(end, n) for n in range(schedulers)]
        done = list(pool.map(try_to, claims))
        number = sum(one.result() for one in ended)
    # a scheduler passes over a lease that is being renewed or ended, and none of these is left with the time it had
    return done, number + LeaseExpiry(make_parts(database, lambda: LATE)).run_once().number


def test_of_heartbeats_and_the_end_of_leases_at_the_same_time_one_wins(client, claimed, busy):
    def keep(session, flow_run_id, lease_id):
        unit_of_work(session, lambda: EARLY).work_queue_service.heartbeat(flow_run_id, lease_id, 600)

    claims = claimed(25)
    kept, number = while_leases_end(busy, claims, keep, schedulers=3)
    assert number == kept.count(False)
    held = leases(busy)
    for claim, still in zip(claims, kept, strict=True):
        assert (claim["flow_run"]["id"] in held) == still
        assert read(client, claim)["state_type"] == ("PENDING" if still else "SCHEDULED")


def test_a_worker_that_ends_its_run_in_the_moment_its_lease_runs_out_has_ended_it_or_gets_409(client, claimed, busy):
    def finish(session, flow_run_id, lease_id):
        unit_of_work(session, lambda: EARLY).orchestration.set_flow_run_state(flow_run_id, new_state("COMPLETED", EARLY), lease_id=lease_id)

    claims = claimed(20)
    finished, number = while_leases_end(busy, claims, finish, schedulers=2)
    assert number == finished.count(False)
    with busy.transaction(read_only=True) as session:
        entries = session.execute(select(STATE.c.flow_run_id, STATE.c.type).order_by(STATE.c.id)).all()
    for claim, over in zip(claims, finished, strict=True):
        end = "COMPLETED" if over else "SCHEDULED"
        assert read(client, claim)["state_type"] == end
        history = [row.type for row in entries if str(row.flow_run_id) == claim["flow_run"]["id"]]
        assert history == ["SCHEDULED", "PENDING", end]


def test_a_deleted_run_takes_its_lease_along(client, clock, expiry, claimed, database):
    claims = claimed(2)
    client.delete(f"/flow_runs/{claims[0]['flow_run']['id']}")
    assert leases(database) == {claims[1]["flow_run"]["id"]: claims[1]["lease_id"]}
    with database.transaction() as session:
        session.execute(delete(LEASE))
    problem(beat(client, claims[0]), 404)
    problem(beat(client, claims[1]), 409)

"""Claiming runs from a work queue, and keeping them with heartbeats."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from app.db.models import FlowRun, FlowRunState, Lease
from app.domain.states import RunTimes, enter, new_state
from tests.api.asking import ids, ok, problem, wrong_fields
from tests.api.factories import make_deployment, make_due_runs, make_flow, make_flow_run, make_task_run, make_work_queue

NOON = datetime(2022, 6, 1, 12, tzinfo=UTC)
FLOW_RUN, STATE, LEASE = FlowRun.__table__, FlowRunState.__table__, Lease.__table__
TIMES = RunTimes.__dataclass_fields__


@pytest.fixture(autouse=True)
def stopped(clock):
    """Nothing here goes by the real time."""
    clock.stop_at(NOON)


@pytest.fixture
def rows(database):
    """`rows(table, condition)`: what is stored, past the API, oldest first."""

    def rows(table, *conditions):
        with database.transaction(read_only=True) as session:
            return session.execute(select(table).where(*conditions).order_by(table.c.id)).all()

    return rows


def claim(client, queue, **asked):
    return ok(client.post(f"/work_queues/{queue['id']}/claim_runs", json=asked))


def beat(client, run, lease_id, **asked):
    return client.post(f"/flow_runs/{run['id']}/heartbeat", json={"lease_id": lease_id} | asked)


def runs_in(claims):
    return [claim["flow_run"]["id"] for claim in claims]


def test_a_claimed_run_is_pending_under_a_lease_and_answered_as_it_is_read(client, clock, rows):
    (run,) = make_due_runs(client, 1, due=NOON, parameters={"n": 10**30}, tags=["a"], flow_runner={"type": "docker", "config": {"x": 1}})
    queue = make_work_queue(client, name="etl")
    clock.advance(minutes=1)
    (claimed,) = claim(client, queue, worker="worker-1", lease_seconds=30)
    assert set(claimed) == {"lease_id", "lease_expires_at", "flow_run"}
    assert claimed["lease_expires_at"] == (clock() + timedelta(seconds=30)).isoformat()
    answered = claimed["flow_run"]
    assert answered == ok(client.get(f"/flow_runs/{run['id']}"))
    changed = {"updated", "state_id", "state_type", "state_name", "next_scheduled_start_time", "state", "estimated_start_time_delta"}
    assert {name for name in run if run[name] != answered[name]} == changed
    assert answered["next_scheduled_start_time"] is None
    assert answered["estimated_start_time_delta"] == 60.0
    assert answered["state"] == {
        "id": answered["state_id"],
        "type": "PENDING",
        "name": "Pending",
        "timestamp": clock().isoformat(),
        "message": "Claimed by worker-1 from the work queue etl",
        "data": None,
        "state_details": run["state"]["state_details"] | {"scheduled_time": None},
    }
    assert UUID(claimed["lease_id"]).version == UUID(answered["state_id"]).version == 7
    (lease,) = rows(LEASE)
    assert (str(lease.id), str(lease.flow_run_id), str(lease.work_queue_id), lease.worker) == (
        claimed["lease_id"],
        run["id"],
        queue["id"],
        "worker-1",
    )


def test_a_claim_is_one_more_entry_of_the_history(client, rows):
    (run,) = make_due_runs(client, 1)
    claimed = claim(client, make_work_queue(client))
    history = rows(STATE, STATE.c.flow_run_id == UUID(run["id"]))
    assert [(row.type, row.name, row.message) for row in history] == [
        ("SCHEDULED", "Scheduled", None),
        ("PENDING", "Pending", f"Claimed from the work queue {client.post('/work_queues/filter').json[0]['name']}"),
    ]
    assert str(history[-1].id) == claimed[0]["flow_run"]["state_id"]
    assert history[-1].state_details["flow_run_id"] == run["id"]


@pytest.mark.parametrize("before", ["SCHEDULED", "COMPLETED"])
def test_claiming_keeps_the_books_of_a_run_as_entering_any_state_does(client, clock, rows, database, before):
    make_due_runs(client, 1)
    # a run that was rescheduled after its end has times of all kinds
    past = {"run_count": 2, "total_run_time": 1.5, "start_time": NOON - timedelta(hours=2), "end_time": NOON - timedelta(hours=1)}
    if before == "COMPLETED":
        with database.transaction() as session:
            session.execute(update(FLOW_RUN).values(past | {"expected_start_time": None}))
    (row,) = rows(FLOW_RUN)
    clock.advance(minutes=1)
    claim(client, make_work_queue(client))
    (after,) = rows(FLOW_RUN)
    expected = enter(RunTimes(**{name: getattr(row, name) for name in TIMES}), None, new_state("PENDING", clock()))
    assert RunTimes(**{name: getattr(after, name) for name in TIMES}) == expected


def test_a_claimed_subflow_run_names_the_task_run_that_stands_for_it(client):
    parent = make_task_run(client)
    deployment = make_deployment(client)
    body = {"flow_id": deployment["flow_id"], "deployment_id": deployment["id"], "parent_task_run_id": parent["id"]}
    run = make_flow_run(client, **body, state={"type": "SCHEDULED"})
    (claimed,) = claim(client, make_work_queue(client))
    details = claimed["flow_run"]["state"]["state_details"]
    assert (details["flow_run_id"], details["task_run_id"]) == (run["id"], parent["id"])
    assert claimed["flow_run"] == ok(client.get(f"/flow_runs/{run['id']}"))
    mirrored = ok(client.get(f"/task_runs/{parent['id']}"))["state"]
    assert (mirrored["message"], mirrored["state_details"]["child_flow_run_id"]) == (claimed["flow_run"]["state"]["message"], run["id"])


def test_runs_are_claimed_longest_due_first_and_each_once(client):
    runs = make_due_runs(client, 5, due=NOON - timedelta(hours=1))
    queue, other = make_work_queue(client), make_work_queue(client)
    assert runs_in(claim(client, queue, limit=2)) == [run["id"] for run in runs[:2]]
    assert runs_in(claim(client, other, limit=2)) == [run["id"] for run in runs[2:4]]
    assert claim(client, queue, limit=0) == []
    assert runs_in(claim(client, queue)) == [runs[4]["id"]]
    assert claim(client, queue) == claim(client, other) == []


def test_only_scheduled_runs_that_are_due_are_claimed_whatever_their_state_is_called(client):
    deployment = make_deployment(client)
    path = f"/deployments/{deployment['id']}/create_flow_run"
    for type in ("PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"):
        ok(client.post(path, json={"state": {"type": type}}), 201)
    later = {"scheduled_time": (NOON + timedelta(seconds=1)).isoformat()}
    ok(client.post(path, json={"state": {"type": "SCHEDULED", "state_details": later}}), 201)
    late = [ok(client.post(path, json={"state": {"type": "SCHEDULED", "name": name}}), 201) for name in ("Late", "AwaitingRetry")]
    assert set(runs_in(claim(client, make_work_queue(client)))) == ids(late)


def test_runs_can_be_claimed_ahead_of_their_time(client):
    runs = make_due_runs(client, 3, due=NOON + timedelta(minutes=1))
    queue = make_work_queue(client)
    assert claim(client, queue) == []
    early = claim(client, queue, scheduled_before=(NOON + timedelta(minutes=2)).isoformat())
    assert runs_in(early) == [run["id"] for run in runs[:2]]
    assert [one["flow_run"]["expected_start_time"] for one in early] == [run["expected_start_time"] for run in runs[:2]]


def test_a_limited_queue_hands_out_no_more_than_it_has_room_for(client):
    runs = make_due_runs(client, 6, due=NOON - timedelta(hours=1), tags=["a"])
    queue = make_work_queue(client, filter={"tags": ["a"]}, concurrency_limit=3)
    assert runs_in(claim(client, queue, limit=2)) == [run["id"] for run in runs[:2]]
    assert runs_in(claim(client, queue, limit=2)) == [runs[2]["id"]]
    assert claim(client, queue) == []
    client.delete(f"/flow_runs/{runs[0]['id']}")
    assert runs_in(claim(client, queue)) == [runs[3]["id"]]


def test_a_lease_that_somebody_left_on_a_waiting_run_is_replaced(client, database, rows):
    (run,) = make_due_runs(client, 1)
    stale = {"id": uuid4(), "created": NOON, "flow_run_id": UUID(run["id"]), "worker": "gone", "expires_at": NOON + timedelta(days=1)}
    with database.transaction() as session:
        session.execute(LEASE.insert().values(stale))
    (claimed,) = claim(client, make_work_queue(client))
    (lease,) = rows(LEASE)
    assert (str(lease.id), lease.worker) == (claimed["lease_id"], None)
    assert problem(beat(client, run, str(stale["id"])), 409)


@pytest.mark.parametrize("route", ["claim_runs", "heartbeat"])
def test_the_length_of_a_lease_is_the_settings_unless_it_is_asked_for_within_bounds(client, clock, route):
    (run,) = make_due_runs(client, 1)
    queue = make_work_queue(client)
    (claimed,) = claim(client, queue)
    path = {"claim_runs": f"/work_queues/{queue['id']}/claim_runs", "heartbeat": f"/flow_runs/{run['id']}/heartbeat"}[route]
    given = {"lease_id": claimed["lease_id"]} if route == "heartbeat" else {}
    for wrong in (0, 86_401, 1.5, "60", True):
        assert wrong_fields(client.post(path, json=given | {"lease_seconds": wrong})) == {"body.lease_seconds"}
    if route == "heartbeat":
        clock.advance(seconds=10)
        for asked, seconds in (({}, 60), ({"lease_seconds": 1}, 1), ({"lease_seconds": 86_400}, 86_400), ({"lease_seconds": None}, 60)):
            renewed = ok(client.post(path, json=given | asked))
            assert renewed == given | {"lease_expires_at": (clock() + timedelta(seconds=seconds)).isoformat()}
    else:
        assert claimed["lease_expires_at"] == (NOON + timedelta(seconds=60)).isoformat()


@pytest.mark.parametrize("worker", ["", "w" * 256, 5])
def test_a_worker_is_called_something_in_255_characters(client, worker):
    queue = make_work_queue(client)
    assert wrong_fields(client.post(f"/work_queues/{queue['id']}/claim_runs", json={"worker": worker})) == {"body.worker"}


def test_a_heartbeat_keeps_a_run_beyond_the_first_end_of_its_lease(client, clock):
    (run,) = make_due_runs(client, 1)
    (claimed,) = claim(client, make_work_queue(client), lease_seconds=10)
    for _ in range(3):
        clock.advance(seconds=9)
        ok(beat(client, run, claimed["lease_id"], lease_seconds=10))
    clock.advance(seconds=10)
    assert "does not hold" in problem(beat(client, run, claimed["lease_id"]), 409)["detail"]


def test_a_heartbeat_needs_the_lease_of_that_very_run(client):
    first, second = make_due_runs(client, 2)
    claims = {one["flow_run"]["id"]: one["lease_id"] for one in claim(client, make_work_queue(client))}
    unclaimed = make_flow_run(client, flow_id=make_flow(client)["id"])
    for run, lease in ((first, claims[second["id"]]), (second, str(uuid4())), (unclaimed, claims[first["id"]])):
        problem(beat(client, run, lease), 409)
    assert problem(beat(client, {"id": str(uuid4())}, claims[first["id"]]), 404)["detail"] == "Flow run not found"
    assert wrong_fields(client.post(f"/flow_runs/{first['id']}/heartbeat", json={})) == {"body.lease_id"}
    assert wrong_fields(beat(client, first, "x")) == {"body.lease_id"}

"""Flow runs: create or get, read, change, list, count, delete."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update

from app.db.models import FlowRun, FlowRunState, TaskRunState
from tests.api.factories import make_deployment, make_flow, make_flow_run, make_task_run

NOON = datetime(2022, 6, 1, 12, tzinfo=UTC)
LATER = "2022-06-02T12:00:00+00:00"


def scheduled(instant):
    return {"type": "SCHEDULED", "state_details": {"scheduled_time": instant}}


def read(client, run):
    response = client.get(f"/flow_runs/{run['id']}")
    assert response.status_code == 200
    return response.json


def rows_in(app, model):
    return app.extensions["mintaka"].database.run(lambda session: session.scalar(select(func.count()).select_from(model)))


def test_a_new_flow_run_is_pending_and_answered_with_every_field(client, clock):
    clock.stop_at(NOON)
    flow = make_flow(client)
    response = client.post("/flow_runs/", json={"flow_id": flow["id"]})
    assert response.status_code == 201
    run = response.json
    id, state_id, name = run["id"], run["state_id"], run["name"]
    assert UUID(id).version == UUID(state_id).version == 7
    assert run == {
        "id": id,
        "created": NOON.isoformat(),
        "updated": NOON.isoformat(),
        "name": name,
        "flow_id": flow["id"],
        "state_id": state_id,
        "deployment_id": None,
        "flow_version": None,
        "parameters": {},
        "idempotency_key": None,
        "context": {},
        "empirical_policy": {},
        "empirical_config": {},
        "tags": [],
        "parent_task_run_id": None,
        "state_type": "PENDING",
        "state_name": "Pending",
        "run_count": 0,
        "expected_start_time": NOON.isoformat(),
        "next_scheduled_start_time": None,
        "start_time": None,
        "end_time": None,
        "total_run_time": 0.0,
        "estimated_run_time": 0.0,
        "estimated_start_time_delta": 0.0,
        "auto_scheduled": False,
        "flow_runner": {"type": None, "config": None},
        "state": {
            "id": state_id,
            "type": "PENDING",
            "name": "Pending",
            "timestamp": NOON.isoformat(),
            "message": None,
            "data": None,
            "state_details": {
                "flow_run_id": id,
                "task_run_id": None,
                "child_flow_run_id": None,
                "scheduled_time": None,
                "cache_key": None,
                "cache_expiration": None,
            },
        },
    }
    assert read(client, run) == run


def test_a_flow_run_keeps_what_it_was_created_with(client, clock):
    clock.stop_at(NOON)
    deployment = make_deployment(client)
    given = {
        "name": "first-try",
        "flow_id": deployment["flow_id"],
        "deployment_id": deployment["id"],
        "flow_version": "1.0",
        "parameters": {"n": 10**30, "x": [1.5, None, {"é": True}]},
        "idempotency_key": "k",
        "context": {"a": {"b": 1}},
        "tags": ["b", "a"],
        "parent_task_run_id": make_task_run(client)["id"],
        "flow_runner": {"type": "docker", "config": {"image": "x"}},
    }
    run = make_flow_run(client, **given)
    assert run | given == run
    assert read(client, run) | given == read(client, run)


def test_a_run_that_is_given_no_name_is_named_with_two_words(client):
    flow = make_flow(client)
    names = [make_flow_run(client, flow_id=flow["id"], **given)["name"] for given in ({}, {"name": None}, {"name": ""})]
    assert all(len(name.split("-")) == 2 and all(word.isalpha() for word in name.split("-")) for name in names)
    assert len({make_flow_run(client, flow_id=flow["id"])["name"] for _ in range(20)}) > 10


@pytest.mark.parametrize("kind", ["SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"])
def test_a_first_state_shows_in_the_run_and_is_embedded_in_it(client, clock, kind):
    clock.stop_at(NOON)
    run = make_flow_run(client, state={"type": kind, "message": "why", "data": {"encoding": "json", "blob": "1"}})
    assert (run["state_type"], run["state_name"]) == (kind, kind.capitalize())
    shown = run["state"]
    assert (shown["id"], shown["type"], shown["name"], shown["timestamp"]) == (run["state_id"], kind, kind.capitalize(), NOON.isoformat())
    assert (shown["message"], shown["data"]) == ("why", {"encoding": "json", "blob": "1"})
    assert read(client, run) == run
    assert [found["state"] for found in client.post("/flow_runs/filter").json] == [shown]


def test_a_state_may_have_a_name_and_details_of_its_own(client):
    child = str(uuid4())
    details = {"child_flow_run_id": child, "cache_key": "c", "cache_expiration": "2022-06-01T14:00:00+02:00"}
    run = make_flow_run(client, state={"type": "SCHEDULED", "name": "Late", "state_details": details | {"scheduled_time": LATER}})
    assert (run["state_name"], run["state"]["name"]) == ("Late", "Late")
    assert run["state"]["state_details"] == {
        "flow_run_id": run["id"],
        "task_run_id": None,
        "child_flow_run_id": child,
        "scheduled_time": LATER,
        "cache_key": "c",
        "cache_expiration": "2022-06-01T12:00:00+00:00",
    }
    assert read(client, run)["state"] == run["state"]


def test_a_scheduled_run_is_expected_and_due_at_its_time(client, clock):
    clock.stop_at(NOON)
    run = make_flow_run(client, state=scheduled("2022-06-02T14:00:00+02:00"))
    assert run["expected_start_time"] == run["next_scheduled_start_time"] == LATER
    assert run["state"]["state_details"]["scheduled_time"] == LATER
    assert (run["start_time"], run["run_count"], run["estimated_start_time_delta"]) == (None, 0, 0.0)


@pytest.mark.parametrize("state", [{"type": "SCHEDULED"}, scheduled(None)])
def test_a_run_scheduled_for_no_time_is_due_now(client, clock, state):
    clock.stop_at(NOON)
    run = make_flow_run(client, state=state)
    assert run["expected_start_time"] == run["next_scheduled_start_time"] == NOON.isoformat()
    assert run["state"]["state_details"]["scheduled_time"] == NOON.isoformat()


def test_only_a_scheduled_run_is_due(client, clock):
    clock.stop_at(NOON)
    run = make_flow_run(client, state={"type": "PENDING", "state_details": {"scheduled_time": LATER}})
    assert (run["expected_start_time"], run["next_scheduled_start_time"]) == (NOON.isoformat(), None)


def test_a_run_that_has_not_started_in_time_is_late_by_the_time_since(client, clock):
    clock.stop_at(NOON)
    run = make_flow_run(client, state=scheduled(LATER))
    clock.advance(hours=24, seconds=30)
    assert read(client, run)["estimated_start_time_delta"] == 30.0
    [listed] = client.post("/flow_runs/filter").json
    assert (listed["estimated_start_time_delta"], listed["estimated_run_time"]) == (30.0, 0.0)


def test_a_running_run_has_started_once_and_its_run_time_grows(client, clock):
    clock.stop_at(NOON)
    run = make_flow_run(client, state={"type": "RUNNING"})
    assert (run["run_count"], run["start_time"], run["end_time"]) == (1, NOON.isoformat(), None)
    clock.advance(seconds=1.5)
    after = read(client, run)
    assert (after["total_run_time"], after["estimated_run_time"], after["estimated_start_time_delta"]) == (0.0, 1.5, 0.0)


@pytest.mark.parametrize("kind", ["COMPLETED", "FAILED", "CANCELLED"])
def test_a_run_that_is_over_without_having_run_has_no_times_and_is_never_late(client, clock, kind):
    clock.stop_at(NOON)
    run = make_flow_run(client, state={"type": kind})
    clock.advance(hours=1)
    after = read(client, run)
    assert (after["start_time"], after["end_time"], after["run_count"], after["total_run_time"]) == (None, None, 0, 0.0)
    assert (after["expected_start_time"], after["estimated_start_time_delta"], after["estimated_run_time"]) == (NOON.isoformat(), 0.0, 0.0)


def test_a_second_request_with_the_same_idempotency_key_is_answered_with_the_first_run_and_200(app, client, clock):
    clock.stop_at(NOON)
    first = make_flow_run(client, idempotency_key="k", tags=["a"])
    body = {"flow_id": first["flow_id"], "idempotency_key": "k", "name": "other", "state": {"type": "RUNNING"}}
    response = client.post("/flow_runs/", json=body)
    assert (response.status_code, response.json) == (200, first)
    assert (rows_in(app, FlowRun), rows_in(app, FlowRunState)) == (1, 1)


def test_an_idempotency_key_is_a_flows_own_and_none_or_another_makes_another_run(client):
    first = make_flow_run(client, idempotency_key="k")
    for other in (
        {"flow_id": make_flow(client)["id"], "idempotency_key": "k"},
        {"idempotency_key": "K"},
        {"idempotency_key": None},
        {},
        {},
    ):
        assert client.post("/flow_runs/", json={"flow_id": first["flow_id"]} | other).status_code == 201
    assert client.post("/flow_runs/count").json == 6


@pytest.mark.parametrize("reference", ["flow_id", "deployment_id", "parent_task_run_id"])
def test_a_run_that_refers_to_what_does_not_exist_is_409_and_not_made(client, reference):
    response = client.post("/flow_runs/", json={"flow_id": make_flow(client)["id"]} | {reference: str(uuid4())})
    assert response.status_code == 409
    assert client.post("/flow_runs/count").json == 0


def test_changing_a_run_sets_what_is_given_and_keeps_its_state(client, clock):
    clock.stop_at(NOON)
    run = make_flow_run(client, state={"type": "SCHEDULED"}, flow_runner={"type": "docker", "config": {"a": 1}}, tags=["a"])
    clock.advance(hours=1)
    changes = {"name": "renamed", "flow_version": "2", "parameters": {"z": 1}, "tags": ["q"]}
    response = client.patch(f"/flow_runs/{run['id']}", json=changes)
    assert (response.status_code, response.data) == (204, b"")
    after = read(client, run)
    moving = {"updated": "2022-06-01T13:00:00+00:00", "estimated_start_time_delta": 3600.0}
    assert after == run | changes | moving
    assert client.patch(f"/flow_runs/{run['id']}", json={"flow_runner": {"type": "subprocess"}}).status_code == 204
    assert read(client, run)["flow_runner"] == {"type": "subprocess", "config": None}
    assert client.patch(f"/flow_runs/{run['id']}", json={"flow_runner": None, "flow_version": None}).status_code == 204
    assert read(client, run) == after | {"flow_runner": {"type": None, "config": None}, "flow_version": None}


@pytest.mark.parametrize("field", ["state", "flow_id", "deployment_id", "idempotency_key", "auto_scheduled", "run_count"])
def test_what_is_not_for_clients_to_change_is_refused(client, field):
    run = make_flow_run(client)
    response = client.patch(f"/flow_runs/{run['id']}", json={field: run[field]})
    assert response.status_code == 422
    assert response.json["errors"][0]["type"] == "unknown_field"


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_an_unknown_run_is_404(client, method):
    make_flow_run(client)
    response = client.open(f"/flow_runs/{uuid4()}", method=method, **({"json": {"name": "x"}} if method == "PATCH" else {}))
    assert (response.status_code, response.json["detail"]) == (404, "Flow run not found")


ORDERS = {
    "ID_DESC": "eadbc",
    "NAME_ASC": "abcde",
    "NAME_DESC": "edcba",
    "EXPECTED_START_TIME_ASC": "bcdea",
    "EXPECTED_START_TIME_DESC": "aedcb",
    "NEXT_SCHEDULED_START_TIME_ASC": "cdeab",
    "END_TIME_DESC": "bdeac",
}


@pytest.fixture
def runs_to_sort(app, client, clock):
    """Runs a to e, made in the order c b d a e; d and e are scheduled for one time, c before, a after; b has ended, and d before it."""
    clock.stop_at(NOON)
    flow, runs = make_flow(client), {}
    for name, day in (("c", 1), ("b", None), ("d", 2), ("a", 3), ("e", 2)):
        state = {} if day is None else {"state": scheduled((NOON + timedelta(days=day)).isoformat())}
        runs[name] = make_flow_run(client, flow_id=flow["id"], name=name, **state)
    # no route ends a run in this test's reach without also moving its other times
    for name, minutes in (("b", 5), ("d", 3)):
        ended = update(FlowRun).where(FlowRun.id == UUID(runs[name]["id"])).values(end_time=NOON + timedelta(minutes=minutes))
        app.extensions["mintaka"].database.run(lambda session, ended=ended: session.execute(ended))
    return runs


@pytest.mark.parametrize("sort", [None, *ORDERS])
def test_runs_are_listed_in_the_order_that_is_asked_for_and_those_without_the_value_last(client, runs_to_sort, sort):
    body = {"sort": sort} if sort else {}
    assert "".join(run["name"] for run in client.post("/flow_runs/filter", json=body).json) == ORDERS[sort or "ID_DESC"]


@pytest.mark.parametrize("sort", ORDERS)
def test_equal_runs_have_an_order_too_so_that_pages_neither_repeat_nor_miss_one(client, clock, sort):
    clock.stop_at(NOON)
    flow = make_flow(client)
    states = [scheduled(LATER), {"type": "PENDING"}]
    ids = {make_flow_run(client, flow_id=flow["id"], name="same", state=states[n % 2])["id"] for n in range(7)}
    pages = [client.post("/flow_runs/filter", json={"sort": sort, "limit": 2, "offset": offset}).json for offset in (0, 2, 4, 6)]
    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert {run["id"] for page in pages for run in page} == ids


def test_an_order_that_is_not_known_is_refused_with_those_that_are(client):
    response = client.post("/flow_runs/filter", json={"sort": "START_TIME_ASC"})
    assert response.status_code == 422
    assert all(sort in response.json["detail"] for sort in ORDERS)


def test_runs_are_counted(client):
    flow = make_flow(client)
    for kind in ("PENDING", "RUNNING", "RUNNING"):
        make_flow_run(client, flow_id=flow["id"], state={"type": kind})
    assert client.post("/flow_runs/count").json == 3
    assert client.post("/flow_runs/count", json={"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}).json == 2


def test_deleting_a_run_deletes_its_history_its_task_runs_and_theirs(app, client):
    kept = make_task_run(client)
    task_run = make_task_run(client)
    run = {"id": task_run["flow_run_id"]}
    subflow_run = make_flow_run(client, parent_task_run_id=task_run["id"])
    response = client.delete(f"/flow_runs/{run['id']}")
    assert (response.status_code, response.data) == (204, b"")
    assert client.get(f"/flow_runs/{run['id']}").status_code == client.get(f"/task_runs/{task_run['id']}").status_code == 404
    assert read(client, subflow_run)["parent_task_run_id"] is None
    assert [found["id"] for found in client.post("/task_runs/filter").json] == [kept["id"]]
    assert (rows_in(app, FlowRunState), rows_in(app, TaskRunState)) == (2, 1)


def test_a_deleted_runs_idempotency_key_may_be_used_again(client):
    first = make_flow_run(client, idempotency_key="k")
    client.delete(f"/flow_runs/{first['id']}")
    again = client.post("/flow_runs/", json={"flow_id": first["flow_id"], "idempotency_key": "k"})
    assert again.status_code == 201
    assert again.json["id"] != first["id"]

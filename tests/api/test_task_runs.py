"""Task runs: create or get, read, list, count, delete."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from tests.api.asking import wrong_fields
from tests.api.factories import make_flow_run, make_task_run

NOON = datetime(2022, 6, 1, 12, tzinfo=UTC)


def test_a_new_task_run_is_pending_and_answered_with_every_field(client, clock):
    clock.stop_at(NOON)
    flow_run = make_flow_run(client)
    response = client.post("/task_runs/", json={"flow_run_id": flow_run["id"], "task_key": "extract", "dynamic_key": "0"})
    assert response.status_code == 201
    run = response.json
    id, state_id = run["id"], run["state_id"]
    assert UUID(id).version == UUID(state_id).version == 7
    assert len(run.pop("name").split("-")) == 2
    assert run == {
        "id": id,
        "created": NOON.isoformat(),
        "updated": NOON.isoformat(),
        "flow_run_id": flow_run["id"],
        "task_key": "extract",
        "dynamic_key": "0",
        "cache_key": None,
        "cache_expiration": None,
        "task_version": None,
        "empirical_policy": {"max_retries": 0, "retry_delay_seconds": 0.0},
        "tags": [],
        "task_inputs": {},
        "state_id": state_id,
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
        "state": {
            "id": state_id,
            "type": "PENDING",
            "name": "Pending",
            "timestamp": NOON.isoformat(),
            "message": None,
            "data": None,
            "state_details": {
                "flow_run_id": flow_run["id"],
                "task_run_id": id,
                "child_flow_run_id": None,
                "scheduled_time": None,
                "cache_key": None,
                "cache_expiration": None,
            },
        },
    }


def test_a_task_run_keeps_what_it_was_created_with(client, clock):
    clock.stop_at(NOON)
    given = {
        "name": "extract-0",
        "task_key": "extract",
        "dynamic_key": "0",
        "cache_key": "k" * 1000,
        "cache_expiration": "2022-06-01T12:00:00+00:00",
        "task_version": "2",
        "empirical_policy": {"max_retries": 3, "retry_delay_seconds": 1.5},
        "tags": ["b", "a"],
        "task_inputs": {"x": [{"input_type": "constant", "type": "int"}], "y": [{"input_type": "task_run", "id": str(uuid4())}], "z": []},
    }
    run = make_task_run(client, **given)
    assert run | given == run
    assert client.get(f"/task_runs/{run['id']}").json | given == client.get(f"/task_runs/{run['id']}").json


def test_the_kind_of_an_input_follows_from_its_member_where_it_is_not_said(client):
    parent = str(uuid4())
    given = {"x": [{"id": parent}], "y": [{"name": "table"}, {"type": "int"}]}
    assert make_task_run(client, task_inputs=given)["task_inputs"] == {
        "x": [{"input_type": "task_run", "id": parent}],
        "y": [{"input_type": "parameter", "name": "table"}, {"input_type": "constant", "type": "int"}],
    }


@pytest.mark.parametrize(
    "given, field",
    [
        ({}, "input_type"),
        ({"input_type": "other", "id": str(uuid4())}, "input_type"),
        ({"input_type": ["task_run"]}, "input_type"),
        ({"input_type": "task_run"}, "id"),
        ({"input_type": "task_run", "id": None}, "id"),
        ({"input_type": "parameter"}, "name"),
        ({"input_type": "constant"}, "type"),
        ({"input_type": "task_run", "id": str(uuid4()), "name": "x"}, "name"),
    ],
)
def test_an_input_has_what_its_kind_needs_and_nothing_else(client, given, field):
    body = {"flow_run_id": make_flow_run(client)["id"], "task_key": "t", "dynamic_key": "0"}
    fine = {"input_type": "constant", "type": "int"}
    refused = client.post("/task_runs/", json=body | {"task_inputs": {"x": [fine, given]}})
    assert wrong_fields(refused) == {f"body.task_inputs.x.1.{field}"}
    assert client.post("/task_runs/count").json == 0


def test_the_name_of_a_task_run_holds_that_of_its_task_and_more(client):
    name = "\N{CJK UNIFIED IDEOGRAPH-65E5}" * 255 + "-0123abcd-0"
    assert make_task_run(client, name=name)["name"] == name
    refused = client.post("/task_runs/", json={"flow_run_id": str(uuid4()), "task_key": "t", "dynamic_key": "0", "name": "n" * 513})
    assert wrong_fields(refused) == {"body.name"}


def test_a_task_run_with_the_same_flow_run_and_keys_is_answered_as_it_is_with_200(client, clock):
    clock.stop_at(NOON)
    first = make_task_run(client, task_key="t", dynamic_key="0", tags=["a"])
    body = {"flow_run_id": first["flow_run_id"], "task_key": "t", "dynamic_key": "0", "name": "other", "state": {"type": "RUNNING"}}
    response = client.post("/task_runs/", json=body)
    assert (response.status_code, response.json) == (200, first)
    for change in ({"task_key": "u"}, {"dynamic_key": "1"}, {"flow_run_id": make_flow_run(client)["id"]}):
        assert client.post("/task_runs/", json=body | change).status_code == 201


def test_a_task_run_of_a_flow_run_that_does_not_exist_is_409(client):
    response = client.post("/task_runs/", json={"flow_run_id": str(uuid4()), "task_key": "t", "dynamic_key": "0"})
    assert response.status_code == 409
    assert client.post("/task_runs/count").json == 0


@pytest.mark.parametrize("missing", ["flow_run_id", "task_key", "dynamic_key"])
def test_a_task_run_needs_its_flow_run_and_both_keys(client, missing):
    body = {"flow_run_id": make_flow_run(client)["id"], "task_key": "t", "dynamic_key": "0"}
    del body[missing]
    response = client.post("/task_runs/", json=body)
    assert response.status_code == 422
    assert [(error["loc"], error["type"]) for error in response.json["errors"]] == [(["body", missing], "missing")]


def test_a_task_run_that_is_created_running_has_started_once_and_its_run_time_grows(client, clock):
    clock.stop_at(NOON)
    run = make_task_run(client, state={"type": "RUNNING", "message": "go"})
    assert (run["run_count"], run["start_time"], run["estimated_run_time"]) == (1, NOON.isoformat(), 0.0)
    clock.advance(seconds=90)
    after = client.get(f"/task_runs/{run['id']}").json
    assert (after["total_run_time"], after["estimated_run_time"], after["estimated_start_time_delta"]) == (0.0, 90.0, 0.0)
    assert after["state"] == run["state"]


def test_a_task_run_is_read_by_id_and_an_unknown_one_is_404(client, clock):
    clock.stop_at(NOON)
    run = make_task_run(client)
    assert client.get(f"/task_runs/{run['id']}").json == run
    for method in ("GET", "DELETE"):
        response = client.open(f"/task_runs/{uuid4()}", method=method)
        assert (response.status_code, response.json["detail"]) == (404, "Task not found")


def test_task_runs_are_listed_in_the_order_that_is_asked_for(client, clock):
    clock.stop_at(NOON)
    flow_run = make_flow_run(client)
    at = {name: (NOON + timedelta(days=day)).isoformat() for name, day in (("c", 1), ("a", 3), ("d", 2))}
    for name in ("c", "b", "a", "d"):
        scheduled = {"state": {"type": "SCHEDULED", "state_details": {"scheduled_time": at[name]}}} if name in at else {}
        make_task_run(client, flow_run_id=flow_run["id"], name=name, **scheduled)
    orders = {
        "ID_DESC": "dabc",
        "NAME_ASC": "abcd",
        "NAME_DESC": "dcba",
        "EXPECTED_START_TIME_ASC": "bcda",
        "EXPECTED_START_TIME_DESC": "adcb",
        "NEXT_SCHEDULED_START_TIME_ASC": "cdab",
        "END_TIME_DESC": "dabc",
    }
    listed = {sort: [run["name"] for run in client.post("/task_runs/filter", json={"sort": sort}).json] for sort in orders}
    assert {sort: "".join(names) for sort, names in listed.items()} == orders
    assert [run["name"] for run in client.post("/task_runs/filter").json] == [*"dabc"]


def test_task_runs_are_counted(client):
    run = make_task_run(client)
    make_task_run(client, flow_run_id=run["flow_run_id"])
    make_task_run(client)
    assert client.post("/task_runs/count").json == 3
    assert client.post("/task_runs/count", json={"flow_runs": {"id": {"any_": [run["flow_run_id"]]}}}).json == 2


def test_deleting_a_task_run_leaves_its_flow_run_and_frees_its_subflow_run(client):
    run = make_task_run(client)
    subflow_run = make_flow_run(client, parent_task_run_id=run["id"])
    assert subflow_run["state"]["state_details"]["task_run_id"] == run["id"]
    response = client.delete(f"/task_runs/{run['id']}")
    assert (response.status_code, response.data) == (204, b"")
    assert client.get(f"/task_runs/{run['id']}").status_code == 404
    assert client.get(f"/flow_runs/{run['flow_run_id']}").status_code == 200
    assert client.get(f"/flow_runs/{subflow_run['id']}").json["parent_task_run_id"] is None

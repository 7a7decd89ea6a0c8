"""Retrying flow runs that are over: the same run again, or a new one of the same, on both databases."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tests.api.asking import all_runs, ok, problem, wrong_fields
from tests.api.factories import make_deployment, make_flow_run, make_task_run, make_work_queue

NOW = datetime(2026, 6, 10, 12, 30, tzinfo=UTC)
MADE_FROM = ("flow_id", "deployment_id", "flow_version", "parameters", "context", "flow_runner")


@pytest.fixture(autouse=True)
def stopped(api_clock):
    """Nothing here goes by the real time."""
    api_clock.stop_at(NOW)


def ended(client, type="FAILED", **fields):
    """A run that ran for a while and has ended."""
    run = make_flow_run(client, state={"type": "RUNNING"}, **fields)
    ok(client.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": type}}), 201)
    return read(client, run)


def read(client, run):
    return ok(client.get(f"/flow_runs/{run['id']}"))


def history(client, run):
    return [state["name"] for state in ok(client.get(f"/flow_run_states/?flow_run_id={run['id']}"))]


@pytest.mark.parametrize("type", ["FAILED", "CANCELLED", "COMPLETED"])
@pytest.mark.parametrize("body", [None, {}, {"new": False}])
def test_a_run_that_is_over_is_scheduled_again_with_its_history(api, api_clock, type, body):
    before = ended(api, type, parameters={"a": 1})
    api_clock.advance(minutes=5)
    again = ok(api.post(f"/flow_runs/{before['id']}/retry", **({} if body is None else {"json": body})))
    assert again == read(api, before)
    assert (again["state_type"], again["state_name"], again["end_time"]) == ("SCHEDULED", "AwaitingRetry", None)
    assert again["next_scheduled_start_time"] == datetime(2026, 6, 10, 12, 35, tzinfo=UTC).isoformat()
    assert again["state"]["message"] == f"Retried after {type.capitalize()}"
    kept = ("id", "run_count", "total_run_time", "parameters", "start_time", "expected_start_time")
    assert {name: again[name] for name in kept} == {name: before[name] for name in kept}
    assert history(api, before) == ["Running", type.capitalize(), "AwaitingRetry"]


def test_a_retried_run_is_handed_out_and_runs_to_its_end_again(api):
    deployment = make_deployment(api)
    queue = make_work_queue(api, filter={"deployment_ids": [deployment["id"]]})
    run = ended(api, flow_id=deployment["flow_id"], deployment_id=deployment["id"])
    ok(api.post(f"/flow_runs/{run['id']}/retry"))
    (claim,) = ok(api.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 5}))
    assert claim["flow_run"]["id"] == run["id"]
    for type in ("RUNNING", "COMPLETED"):
        ok(api.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": type}, "lease_id": claim["lease_id"]}), 201)
    assert (read(api, run)["run_count"], read(api, run)["state_type"]) == (2, "COMPLETED")


def test_a_new_run_is_made_of_the_same_and_linked_to_the_old_one(api):
    deployment = make_deployment(api, parameters={"a": 1}, tags=["etl"])
    body = {"parameters": {"b": 2}, "tags": ["adhoc"], "context": {"ticket": 7}, "idempotency_key": "once"}
    old = ok(api.post(f"/deployments/{deployment['id']}/create_flow_run", json=body | {"state": {"type": "RUNNING"}}), 201)
    ok(api.post(f"/flow_runs/{old['id']}/set_state", json={"state": {"type": "FAILED"}}), 201)
    old = read(api, old)
    new = ok(api.post(f"/flow_runs/{old['id']}/retry", json={"new": True}), 201)
    assert {name: new[name] for name in MADE_FROM} == {name: old[name] for name in MADE_FROM}
    assert new["tags"] == [f"retry_of:{old['id']}", *old["tags"]]
    assert (new["state_type"], new["idempotency_key"], new["run_count"], new["auto_scheduled"]) == ("SCHEDULED", None, 0, False)
    assert new["next_scheduled_start_time"] == NOW.isoformat()
    assert (new["name"] != old["name"], new["state"]["message"]) == (True, f"Retry of {old['name']} ({old['id']})")
    assert read(api, new) == new
    assert read(api, old) == old
    # the link is that to the run that was retried last
    ok(api.post(f"/flow_runs/{new['id']}/set_state", json={"state": {"type": "CANCELLED"}}), 201)
    third = ok(api.post(f"/flow_runs/{new['id']}/retry", json={"new": True}), 201)
    assert third["tags"] == [f"retry_of:{new['id']}", *old["tags"]]
    assert [run["id"] for run in all_runs(api, flow_runs={"tags": {"all_": [f"retry_of:{old['id']}"]}})] == [new["id"]]


def test_a_new_run_is_no_part_of_the_schedule_or_the_backfill_that_made_the_old_one(api):
    hourly = {"interval": 3600, "anchor_date": "2026-01-01T00:00:00+00:00"}
    deployment = make_deployment(api, schedule=hourly, tags=["etl"], is_schedule_active=False)
    window = {"start": "2026-06-01T00:00:00Z", "end": "2026-06-01T02:00:00Z", "max_active": 1}
    backfill = ok(api.post(f"/deployments/{deployment['id']}/backfills", json=window), 201)
    path, tag = f"/backfills/{backfill['id']}", f"backfill:{backfill['id']}"
    (run,) = all_runs(api, flow_runs={"tags": {"all_": [tag]}})
    ok(api.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": "FAILED"}}), 201)
    new = ok(api.post(f"/flow_runs/{run['id']}/retry", json={"new": True}), 201)
    assert new["tags"] == [f"retry_of:{run['id']}", "etl"]
    assert ok(api.get(path))["counts"]["scheduled"] == 1
    # the same run counts as active, so that the next one waits until there is room
    ok(api.post(f"/flow_runs/{run['id']}/retry"))
    assert ok(api.get(path))["counts"]["scheduled"] == 2
    ok(api.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": "COMPLETED"}}), 201)
    assert (ok(api.get(path))["made"], ok(api.get(path))["counts"]["completed"]) == (2, 1)


@pytest.mark.parametrize("state", ["SCHEDULED", "PENDING", "RUNNING"])
@pytest.mark.parametrize("new", [False, True])
def test_a_run_that_is_not_over_is_not_retried(api, state, new):
    run = make_flow_run(api, state={"type": state})
    told = problem(api.post(f"/flow_runs/{run['id']}/retry", json={"new": new}), 409)["detail"]
    assert told == f"The run is not over: it is {state}."
    assert read(api, run)["state_type"] == state


def test_a_subflow_is_retried_with_its_parent_or_as_a_run_of_its_own(api):
    parent = make_flow_run(api, state={"type": "RUNNING"})
    stand_in = make_task_run(api, flow_run_id=parent["id"])
    child = ended(api, parent_task_run_id=stand_in["id"])
    assert "subflow" in problem(api.post(f"/flow_runs/{child['id']}/retry"), 409)["detail"]
    assert ok(api.post(f"/flow_runs/{child['id']}/retry", json={"new": True}), 201)["parent_task_run_id"] is None


def test_what_is_wrong_is_said(api):
    problem(api.post(f"/flow_runs/{uuid4()}/retry"), 404)
    problem(api.post(f"/flow_runs/{uuid4()}/retry", json={"new": True}), 404)
    run = ended(api)
    assert wrong_fields(api.post(f"/flow_runs/{run['id']}/retry", json={"new": "yes"})) == {"body.new"}
    assert wrong_fields(api.post(f"/flow_runs/{run['id']}/retry", json={"again": True})) == {"body.again"}

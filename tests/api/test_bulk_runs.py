"""Setting the states of many flow runs, and deleting them, by filters, on both databases."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tests.api.asking import ids, ok, runs_of, wrong_fields
from tests.api.factories import make_deployment, make_flow_run, make_task_run

NOW = datetime(2026, 6, 10, 12, 30, tzinfo=UTC)
CANCELLED = {"type": "CANCELLED", "message": "The source is down"}


@pytest.fixture(autouse=True)
def stopped(api_clock):
    """Nothing here goes by the real time."""
    api_clock.stop_at(NOW)


@pytest.fixture
def deployment(api):
    return make_deployment(api)


def make(client, deployment, *types):
    path = f"/deployments/{deployment['id']}/create_flow_run"
    return [ok(client.post(path, json={"state": {"type": type}}), 201) for type in types]


def of(deployment, *types):
    criteria = {"deployment_id": {"any_": [deployment["id"]]}}
    return {"flow_runs": criteria | ({"state": {"type": {"any_": list(types)}}} if types else {})}


def set_states(client, filters, state=CANCELLED, **asked):
    return ok(client.post("/flow_runs/set_state", json=filters | {"state": state} | asked))


def delete(client, filters, **asked):
    return ok(client.post("/flow_runs/delete", json=filters | asked))


def types(client, runs):
    return [ok(client.get(f"/flow_runs/{run['id']}"))["state_type"] for run in runs]


def test_a_state_is_entered_by_the_runs_that_meet_the_filters_and_by_no_others(api, deployment):
    runs = make(api, deployment, "SCHEDULED", "RUNNING", "COMPLETED")
    (other,) = make(api, make_deployment(api), "RUNNING")
    answer = set_states(api, of(deployment, "SCHEDULED", "RUNNING"))
    assert answer == {"matched": 2, "changed": 2, "refused": []}
    assert types(api, [*runs, other]) == ["CANCELLED", "CANCELLED", "COMPLETED", "RUNNING"]
    assert ok(api.get(f"/flow_runs/{runs[0]['id']}"))["state"]["message"] == "The source is down"


def test_what_the_rules_refuse_is_said_and_the_others_are_changed(api, deployment):
    running, over = make(api, deployment, "RUNNING", "COMPLETED")
    answer = set_states(api, of(deployment))
    assert (answer["matched"], answer["changed"]) == (2, 1)
    assert answer["refused"] == [{"id": over["id"], "status": "ABORT", "reason": "The run is over."}]
    assert types(api, [running, over]) == ["CANCELLED", "COMPLETED"]
    assert set_states(api, of(deployment), force=True)["changed"] == 2
    assert types(api, [running, over]) == ["CANCELLED", "CANCELLED"]


def test_a_limit_takes_the_oldest_first_and_says_how_many_there_are(api, deployment):
    runs = make(api, deployment, *["SCHEDULED"] * 5)
    assert set_states(api, of(deployment, "SCHEDULED"), limit=2) == {"matched": 5, "changed": 2, "refused": []}
    assert types(api, runs) == ["CANCELLED"] * 2 + ["SCHEDULED"] * 3
    assert delete(api, of(deployment), limit=3) == {"matched": 5, "changed": 3, "refused": []}
    assert ids(runs_of(api, deployment)) == ids(runs[3:])


def test_a_dry_run_changes_nothing_and_says_what_the_real_thing_does(api, deployment):
    runs = make(api, deployment, "SCHEDULED", "RUNNING", "COMPLETED")
    before = [ok(api.get(f"/flow_runs/{run['id']}")) for run in runs]
    told = set_states(api, of(deployment), dry_run=True)
    to_delete = delete(api, of(deployment, "COMPLETED"), dry_run=True)
    assert [ok(api.get(f"/flow_runs/{run['id']}")) for run in runs] == before
    assert [len(ok(api.get(f"/flow_run_states/?flow_run_id={run['id']}"))) for run in runs] == [1, 1, 1]
    assert set_states(api, of(deployment)) == told
    assert (told["matched"], told["changed"]) == (3, 2)
    assert delete(api, of(deployment, "COMPLETED")) == to_delete == {"matched": 1, "changed": 1, "refused": []}


def test_runs_are_deleted_with_what_is_below_them(api, deployment):
    run, kept = make(api, deployment, "FAILED", "COMPLETED")
    task = make_task_run(api, flow_run_id=run["id"])
    assert delete(api, of(deployment, "FAILED"))["changed"] == 1
    assert api.get(f"/task_runs/{task['id']}").status_code == api.get(f"/flow_runs/{run['id']}").status_code == 404
    assert types(api, [kept]) == ["COMPLETED"]


def test_what_follows_from_a_state_follows_for_each(api, deployment):
    ok(api.patch(f"/deployments/{deployment['id']}/policy", json={"concurrency_limit": 2, "pause_after_failures": 3}))
    runs = make(api, deployment, *["SCHEDULED"] * 4)
    answer = set_states(api, of(deployment), {"type": "RUNNING"})
    assert (answer["changed"], [refused["status"] for refused in answer["refused"]]) == (2, ["WAIT", "WAIT"])
    task = make_task_run(api, flow_run_id=runs[0]["id"])
    set_states(api, of(deployment), {"type": "FAILED"})
    assert types(api, runs) == ["FAILED"] * 4
    assert ok(api.get(f"/task_runs/{task['id']}"))["state_type"] == "CANCELLED"
    assert ok(api.get(f"/deployments/{deployment['id']}/pause"))["paused"] is True


def test_the_runs_of_a_backfill_make_room_for_the_next_ones(api):
    hourly = make_deployment(api, schedule={"interval": 3600}, is_schedule_active=False)
    window = {"start": "2026-06-01T00:00:00Z", "end": "2026-06-01T09:00:00Z", "max_active": 3}
    backfill = ok(api.post(f"/deployments/{hourly['id']}/backfills", json=window), 201)
    assert set_states(api, of(hourly, "SCHEDULED"))["changed"] == 3
    found = ok(api.get(f"/backfills/{backfill['id']}"))
    assert (found["made"], found["counts"]["scheduled"], found["counts"]["cancelled"]) == (6, 3, 3)


def test_a_subflow_that_ends_with_its_parent_is_refused_as_over(api):
    parent = make_flow_run(api, state={"type": "RUNNING"})
    stand_in = make_task_run(api, flow_run_id=parent["id"], state={"type": "RUNNING"})
    child = make_flow_run(api, parent_task_run_id=stand_in["id"], state={"type": "RUNNING"})
    answer = set_states(api, {"flow_runs": {"id": {"any_": [parent["id"], child["id"]]}}})
    assert types(api, [parent, child]) == ["CANCELLED", "CANCELLED"]
    assert (answer["changed"], [refused["id"] for refused in answer["refused"]]) == (1, [child["id"]])


def test_criteria_on_what_runs_belong_to_choose_them_too(api, deployment):
    (run,) = make(api, deployment, "SCHEDULED")
    assert set_states(api, {"deployments": {"name": {"any_": [deployment["name"]]}}})["changed"] == 1
    assert delete(api, {"deployments": {"id": {"any_": [deployment["id"]]}}})["changed"] == 1
    assert api.get(f"/flow_runs/{run['id']}").status_code == 404
    assert delete(api, {"flow_runs": {"id": {"any_": [str(uuid4())]}}}) == {"matched": 0, "changed": 0, "refused": []}


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ({}, "body.flow_runs"),
        ({"flow_runs": {}}, "body.flow_runs"),
        ({"flow_runs": {"state": {"type": {"any_": None}}}, "deployments": None}, "body.flow_runs"),
        ({"flow_run": {}}, "body.flow_run"),
        ({"flow_runs": {"id": {"any_": []}}, "limit": 201}, "body.limit"),
        ({"flow_runs": {"id": {"any_": []}}, "limit": -1}, "body.limit"),
        ({"flow_runs": {"id": {"any_": []}}, "dry_run": "no"}, "body.dry_run"),
    ],
)
@pytest.mark.parametrize("action", ["set_state", "delete"])
def test_what_is_wrong_is_said(api, action, asked, wrong):
    state = {"state": CANCELLED} if action == "set_state" else {}
    assert wrong in wrong_fields(api.post(f"/flow_runs/{action}", json=asked | state))


def test_a_state_has_to_be_given(api):
    assert wrong_fields(api.post("/flow_runs/set_state", json={"flow_runs": {"id": {"any_": []}}})) == {"body.state"}

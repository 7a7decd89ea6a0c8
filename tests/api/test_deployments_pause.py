"""Pausing and deleting deployments: which runs go, and which stay."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import func, select

from app.db.models import FlowRunState
from tests.api.asking import ids, ok, problem, runs_of, starts
from tests.api.factories import make_deployment, make_task_run
from tests.api.history import start_some

HOURLY = {"interval": 3600}
NOW = datetime(2022, 6, 1, 12, 30, tzinfo=UTC)


def by_hand(client, deployment, state_type, **fields):
    body = fields | {"state": {"type": state_type}}
    return ok(client.post(f"/deployments/{deployment['id']}/create_flow_run", json=body), 201)


def pause(client, deployment):
    return ok(client.post(f"/deployments/{deployment['id']}/set_schedule_inactive"))


def delete(client, deployment):
    response = client.delete(f"/deployments/{deployment['id']}")
    assert (response.status_code, response.data, response.headers.get("Content-Type")) == (204, b"", None)


def test_pausing_answers_null_and_switches_the_schedule_off(api):
    deployment = make_deployment(api, schedule=HOURLY)
    assert pause(api, deployment) is None
    paused = ok(api.get(f"/deployments/{deployment['id']}"))
    assert paused["is_schedule_active"] is False
    assert paused["schedule"] == deployment["schedule"]


def test_pausing_deletes_every_auto_scheduled_run_made_ahead_and_still_scheduled(api, api_clock):
    api_clock.stop_at(NOW)
    deployment = make_deployment(api, schedule=HOURLY)
    ok(api.post(f"/deployments/{deployment['id']}/schedule", json={"start_time": "2022-07-01", "max_runs": 300}))
    assert len(runs_of(api, deployment)) == 400
    pause(api, deployment)
    assert runs_of(api, deployment) == []


def test_pausing_keeps_runs_that_have_left_the_scheduled_state(api):
    deployment = make_deployment(api, schedule=HOURLY)
    started = start_some(api, runs_of(api, deployment))
    pause(api, deployment)
    left = runs_of(api, deployment)
    assert ids(left) == ids(started)
    assert {run["state_type"] for run in left} == {"PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"}


def test_pausing_keeps_manual_runs_in_every_state(api):
    deployment = make_deployment(api, schedule=HOURLY)
    manual = [by_hand(api, deployment, kind) for kind in ("SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED")]
    pause(api, deployment)
    assert ids(runs_of(api, deployment)) == ids(manual)


def test_pausing_keeps_the_runs_of_other_deployments(api):
    deployment = make_deployment(api, schedule=HOURLY)
    other = make_deployment(api, flow_id=deployment["flow_id"], schedule=HOURLY)
    before = runs_of(api, other)
    pause(api, deployment)
    assert ids(runs_of(api, other)) == ids(before)


def test_pausing_twice_or_without_a_schedule_changes_nothing(api):
    for deployment in (make_deployment(api, schedule=HOURLY), make_deployment(api)):
        manual = by_hand(api, deployment, "SCHEDULED")
        assert [pause(api, deployment) for _ in range(3)] == [None] * 3
        assert ids(runs_of(api, deployment)) == ids([manual])


def test_resuming_makes_the_runs_of_the_present_and_not_those_of_the_pause(api, api_clock):
    api_clock.stop_at(NOW)
    deployment = make_deployment(api, schedule=HOURLY)
    pause(api, deployment)
    api_clock.advance(days=10)
    ok(api.post(f"/deployments/{deployment['id']}/set_schedule_active"))
    runs = starts(runs_of(api, deployment))
    assert (runs[0], len(runs)) == ("2022-06-11T13:00:00+00:00", 100)


def test_no_history_of_deleted_runs_is_left(api):
    deployment = make_deployment(api, schedule=HOURLY)
    runs = runs_of(api, deployment)
    state_ids = [UUID(run["state_id"]) for run in runs]
    pause(api, deployment)
    database = api.application.extensions["mintaka"].database
    with database.transaction(read_only=True) as session:
        assert session.execute(select(func.count()).where(FlowRunState.id.in_(state_ids))).scalar_one() == 0


def test_deleting_answers_204_and_then_404(api):
    deployment = make_deployment(api)
    delete(api, deployment)
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/schedule"),
        ("POST", "/set_schedule_active"),
        ("POST", "/create_flow_run"),
    ):
        problem(api.open(f"/deployments/{deployment['id']}{path}", method=method), 404)
    assert ok(api.post("/deployments/count", json={"deployments": {"id": {"any_": [deployment["id"]]}}})) == 0


def test_deleting_deletes_scheduled_runs_auto_scheduled_or_not(api):
    deployment = make_deployment(api, schedule=HOURLY)
    manual = by_hand(api, deployment, "SCHEDULED")
    assert len(runs_of(api, deployment)) == 101
    delete(api, deployment)
    assert ok(api.post("/flow_runs/count", json={"flows": {"id": {"any_": [deployment["flow_id"]]}}})) == 0
    problem(api.get(f"/flow_runs/{manual['id']}"), 404)


def test_deleting_keeps_all_other_runs_without_a_deployment(api):
    deployment = make_deployment(api, schedule=HOURLY, parameters={"a": 1})
    started = start_some(api, runs_of(api, deployment))
    manual = [by_hand(api, deployment, kind) for kind in ("PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED")]
    tasks = [make_task_run(api, flow_run_id=run["id"]) for run in manual]
    delete(api, deployment)
    left = ok(api.post("/flow_runs/filter", json={"flows": {"id": {"any_": [deployment["flow_id"]]}}}))
    assert ids(left) == ids(started) | ids(manual)
    assert all(run["deployment_id"] is None for run in left)
    assert all(run["parameters"] == {"a": 1} for run in left)
    assert all(ok(api.get(f"/task_runs/{task['id']}"))["id"] == task["id"] for task in tasks)


def test_deleting_keeps_the_flow_and_its_other_deployments_and_runs(api):
    deployment = make_deployment(api, schedule=HOURLY)
    other = make_deployment(api, flow_id=deployment["flow_id"], schedule=HOURLY)
    unattached = ok(api.post("/flow_runs/", json={"flow_id": deployment["flow_id"], "state": {"type": "SCHEDULED"}}), 201)
    before = runs_of(api, other)
    delete(api, deployment)
    assert ok(api.get(f"/flows/{deployment['flow_id']}"))["id"] == deployment["flow_id"]
    assert ids(runs_of(api, other)) == ids(before)
    assert ok(api.get(f"/flow_runs/{unattached['id']}"))["state_type"] == "SCHEDULED"


def test_a_name_is_free_again_after_deleting(api):
    deployment = make_deployment(api, schedule=HOURLY)
    delete(api, deployment)
    body = {"name": deployment["name"], "flow_id": deployment["flow_id"], "flow_data": deployment["flow_data"]}
    again = ok(api.post("/deployments/", json=body), 201)
    assert again["id"] != deployment["id"]
    assert again["schedule"] is None
    assert runs_of(api, again) == []


@pytest.mark.parametrize("action", ["set_schedule_active", "set_schedule_inactive"])
def test_switching_a_schedule_leaves_every_other_field(api, action):
    deployment = make_deployment(api, schedule=HOURLY, parameters={"a": 1}, tags=["x"], flow_runner={"type": "docker"})
    ok(api.post(f"/deployments/{deployment['id']}/{action}"))
    after = ok(api.get(f"/deployments/{deployment['id']}"))
    changing = {"updated": after["updated"], "is_schedule_active": action == "set_schedule_active"}
    assert after == deployment | changing

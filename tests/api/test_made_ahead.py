"""What an upsert and a pause delete: the runs that a schedule made ahead of their time and that never started. All others stay."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.asking import ids, ok, runs_of, starts
from tests.api.factories import make_deployment, make_task_run

HOURLY = {"interval": 3600}
NOW = datetime(2022, 6, 1, 12, 30, tzinfo=UTC)
PAST = {"start_time": "2022-05-31T00:00:00+00:00", "end_time": "2022-05-31T05:00:00+00:00"}


@pytest.fixture(autouse=True)
def stopped(api_clock):
    """Which runs were made ahead of their time does not depend on the real one."""
    api_clock.stop_at(NOW)


def pause(client, deployment):
    """Delete what a pause deletes."""
    ok(client.post(f"/deployments/{deployment['id']}/set_schedule_inactive"))


def upsert(client, deployment):
    """Delete what an update deletes that leaves the deployment without runs to come."""
    ok(client.post("/deployments/", json={name: deployment[name] for name in ("name", "flow_id")} | {"schedule": None}))


ENDINGS = pytest.mark.parametrize("end", [pause, upsert])


def enter(client, run, state_type, **fields):
    return ok(client.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": state_type} | fields, "force": True}), 200, 201)


@ENDINGS
def test_a_run_made_for_a_time_that_had_passed_stays(api, end):
    deployment = make_deployment(api, schedule=HOURLY)
    ok(api.post(f"/deployments/{deployment['id']}/schedule", json=PAST))
    made = runs_of(api, deployment)
    assert (len(made), starts(made)[0]) == (106, PAST["start_time"])
    end(api, deployment)
    assert ids(runs_of(api, deployment)) == ids(made[:6])


@ENDINGS
def test_a_run_made_ahead_is_deleted_though_its_time_has_passed_since(api, api_clock, end):
    deployment = make_deployment(api, schedule=HOURLY)
    api_clock.advance(hours=5)
    end(api, deployment)
    assert runs_of(api, deployment) == []


@ENDINGS
def test_a_run_that_awaits_a_retry_stays_with_its_task_runs_and_its_history(api, end):
    deployment = make_deployment(api, schedule=HOURLY)
    run = runs_of(api, deployment)[0]
    task = make_task_run(api, flow_run_id=run["id"])
    later = (NOW + timedelta(days=1)).isoformat()
    enter(api, run, "RUNNING")
    enter(api, run, "SCHEDULED", name="AwaitingRetry", state_details={"scheduled_time": later})
    end(api, deployment)
    (left,) = runs_of(api, deployment)
    assert (left["id"], left["state_name"], left["run_count"]) == (run["id"], "AwaitingRetry", 1)
    assert ok(api.get(f"/task_runs/{task['id']}"))["flow_run_id"] == run["id"]
    history = ok(api.get(f"/flow_run_states/?flow_run_id={run['id']}"))
    assert [state["type"] for state in history] == ["SCHEDULED", "RUNNING", "SCHEDULED"]


@ENDINGS
def test_a_run_that_was_handed_out_and_waits_for_a_new_holder_stays(api, end):
    deployment = make_deployment(api, schedule=HOURLY)
    run = runs_of(api, deployment)[0]
    enter(api, run, "PENDING")
    # as the end of a lease returns it: it has never run, and has a history
    enter(api, run, "SCHEDULED", state_details={"scheduled_time": run["expected_start_time"]})
    end(api, deployment)
    (left,) = runs_of(api, deployment)
    assert (left["id"], left["run_count"]) == (run["id"], 0)


@ENDINGS
def test_a_run_that_was_only_marked_late_is_deleted(api, end):
    deployment = make_deployment(api, schedule=HOURLY)
    run = runs_of(api, deployment)[0]
    enter(api, run, "SCHEDULED", name="Late", state_details={"scheduled_time": run["expected_start_time"]})
    end(api, deployment)
    assert runs_of(api, deployment) == []


def test_what_stays_keeps_what_it_was_made_with_and_is_not_made_twice(api):
    deployment = make_deployment(api, schedule=HOURLY, parameters={"version": 1})
    ok(api.post(f"/deployments/{deployment['id']}/schedule", json=PAST))
    first_ahead = runs_of(api, deployment)[6]
    enter(api, first_ahead, "RUNNING")
    enter(api, first_ahead, "SCHEDULED", name="AwaitingRetry", state_details={"scheduled_time": first_ahead["expected_start_time"]})
    identity = {name: deployment[name] for name in ("name", "flow_id")}
    ok(api.post("/deployments/", json=identity | {"parameters": {"version": 2}}))
    runs = runs_of(api, deployment)
    assert len(runs) == len(set(starts(runs))) == 106
    assert [run["parameters"]["version"] for run in runs] == [1] * 7 + [2] * 99

"""`mintaka deployments explain` and `mintaka runs explain`."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.asking import ok
from tests.api.factories import make_deployment, make_flow_run, make_work_queue
from tests.cli.results import documents, done
from tests.parts import monthly_heartbeat

NOW = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def stopped(clock, app):
    """Nothing here goes by the real time, and a scheduler runs."""
    clock.stop_at(NOW)
    monthly_heartbeat(app.extensions["mintaka"])


@pytest.fixture
def deployment(client):
    return make_deployment(client, schedule={"cron": "0 9 * * *"})


def claim(client, queue, **asked):
    return ok(client.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 1} | asked))


def due(client, deployment, **state):
    path = f"/deployments/{deployment['id']}/create_flow_run"
    return ok(client.post(path, json={"state": {"type": "SCHEDULED"} | state}), 201)


def test_a_deployment_is_explained_and_the_exit_code_says_whether_it_will_run(run, client, deployment):
    explained = run("deployments", "explain", deployment["id"])
    assert explained.exit_code == 1
    first, _, reason = explained.stdout.splitlines()
    assert first == f"{deployment['id']} will not run, as things are; its next run is due at 2026-06-02T09:00:00+00:00 (in 20 h)"
    assert reason.split()[0] == "no_queue_matches"
    claim(client, make_work_queue(client))
    explained = run("deployments", "explain", deployment["id"])
    assert done(explained) == f"{deployment['id']} will run at 2026-06-02T09:00:00+00:00 (in 20 h)\n"
    answered = ok(client.get(f"/deployments/{deployment['id']}/explain"))
    assert documents(run("deployments", "explain", deployment["id"], "--output", "json")) == answered


def test_a_deployment_without_a_run_says_so(run, client):
    deployment = make_deployment(client)
    explained = run("deployments", "explain", deployment["id"])
    assert (explained.exit_code, explained.stdout.splitlines()[0]) == (1, f"{deployment['id']} will not run: no run waits to be started")


def reasons(run, id):
    return documents(run("runs", "explain", id, "--output", "json"))["reasons"]


def test_a_run_is_explained_in_each_of_its_states(run, client, clock, deployment):
    queue = make_work_queue(client)
    claim(client, queue, limit=0)
    path = f"/deployments/{deployment['id']}/policy"
    ok(client.patch(path, json={"concurrency_limit": 1}))
    later = due(client, deployment, state_details={"scheduled_time": (NOW + timedelta(hours=1)).isoformat()})
    assert [reason["code"] for reason in reasons(run, later["id"])] == ["run_not_due"]
    first, second = due(client, deployment), due(client, deployment)
    [waiting] = reasons(run, first["id"])
    assert (waiting["code"], waiting["message"]) == ("run_late", f"It was due at {NOW.isoformat()}, and may be handed out at any moment.")
    claim(client, queue, worker="w-1")
    [held] = reasons(run, first["id"])
    assert (held["code"], held["message"].split(";")[0]) == (
        "lease_held",
        f"The worker w-1 holds the run {first['name']}, which is Pending",
    )
    assert [reason["code"] for reason in reasons(run, second["id"])] == ["deployment_full", "run_late"]
    ok(client.post(f"/flow_runs/{first['id']}/set_state", json={"state": {"type": "FAILED", "message": "boom"}}), 201)
    [ended] = reasons(run, first["id"])
    assert (ended["code"], ended["message"]) == ("run_ended", "The run is over, FAILED (Failed): boom")
    shown = done(run("runs", "explain", first["id"])).splitlines()
    assert shown[0] == f"{first['name']} ({first['id']}) is Failed"


def test_a_run_without_a_lease_or_without_a_deployment(run, client):
    scheduled, pending = make_flow_run(client, state={"type": "SCHEDULED"}), make_flow_run(client)
    assert [reason["code"] for reason in reasons(run, scheduled["id"])] == ["no_queue_matches"]
    assert [reason["code"] for reason in reasons(run, pending["id"])] == ["run_held"]

"""Whether due runs start: limits, overlap, missed runs, and pauses after failures, on both databases."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from app.scheduler.policies import PolicyPass
from tests.api.asking import ok, problem, runs_of, wrong_fields
from tests.api.factories import make_deployment, make_work_queue

NOW = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
NONE = {"concurrency_limit": None, "overlap": "buffer_all", "catchup_window_seconds": None, "pause_after_failures": None}


@pytest.fixture(autouse=True)
def stopped(api_clock):
    """Nothing here goes by the real time."""
    api_clock.stop_at(NOW)


@pytest.fixture
def settle(shared):
    """Make the scheduler's pass over policies."""
    return lambda: PolicyPass(shared.app.extensions["mintaka"]).run_once()


def deployed(client, **policy):
    """A deployment with a policy, and a work queue of its runs."""
    deployment = make_deployment(client, name=f"d-{uuid4()}")
    ok(client.patch(f"/deployments/{deployment['id']}/policy", json=policy))
    return deployment, make_work_queue(client, filter={"deployment_ids": [deployment["id"]]})


def due(client, deployment, *minutes_ago, **fields):
    """Runs that were due so many minutes ago."""
    path = f"/deployments/{deployment['id']}/create_flow_run"
    times = [(NOW - timedelta(minutes=minutes)).isoformat() for minutes in minutes_ago]
    states = [{"type": "SCHEDULED", "state_details": {"scheduled_time": time}} for time in times]
    return [ok(client.post(path, json={"state": state, **fields}), 201) for state in states]


def propose(client, run, type, **more):
    return ok(client.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": type}, **more}), 200, 201)


def claim(client, queue, limit=10):
    return ok(client.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": limit}))


def look(client, queue, limit=10):
    return [run["id"] for run in ok(client.post(f"/work_queues/{queue['id']}/get_runs", json={"limit": limit}))]


def state_of(client, run):
    return ok(client.get(f"/flow_runs/{run['id']}"))["state"]


def names(client, runs):
    return [state_of(client, run)["name"] for run in runs]


def ids(runs):
    return [run["id"] for run in runs]


def test_a_policy_is_read_and_changed_field_by_field(api):
    deployment = make_deployment(api)
    path = f"/deployments/{deployment['id']}/policy"
    assert ok(api.get(path)) == NONE
    assert ok(api.patch(path, json={"concurrency_limit": 3, "overlap": "skip"})) == NONE | {"concurrency_limit": 3, "overlap": "skip"}
    assert ok(api.patch(path, json={"concurrency_limit": None, "pause_after_failures": 2})) == NONE | {
        "overlap": "skip",
        "pause_after_failures": 2,
    }
    assert ok(api.patch(path, json={"overlap": None, "pause_after_failures": None, "catchup_window_seconds": 60})) == NONE | {
        "catchup_window_seconds": 60
    }
    assert ok(api.patch(path)) == ok(api.get(path))


@pytest.mark.parametrize(
    "body, wrong",
    [
        ({"concurrency_limit": 0}, "body.concurrency_limit"),
        ({"concurrency_limit": 1001}, "body.concurrency_limit"),
        ({"concurrency_limit": 1.5}, "body.concurrency_limit"),
        ({"overlap": "queue"}, "body.overlap"),
        ({"catchup_window_seconds": 0}, "body.catchup_window_seconds"),
        ({"pause_after_failures": 0}, "body.pause_after_failures"),
        ({"limit": 1}, "body.limit"),
    ],
)
def test_what_is_wrong_with_a_policy_is_422(api, body, wrong):
    deployment = make_deployment(api)
    assert wrong_fields(api.patch(f"/deployments/{deployment['id']}/policy", json=body)) == {wrong}


def test_a_policy_of_what_is_not_there_is_404(api):
    problem(api.get(f"/deployments/{uuid4()}/policy"), 404)
    problem(api.patch(f"/deployments/{uuid4()}/policy", json={"concurrency_limit": 1}), 404)


def test_a_policy_survives_an_upsert_of_its_deployment(api):
    deployment, _ = deployed(api, concurrency_limit=2)
    ok(api.post("/deployments/", json={name: deployment[name] for name in ("name", "flow_id")} | {"tags": ["x"]}))
    assert ok(api.get(f"/deployments/{deployment['id']}/policy"))["concurrency_limit"] == 2


def test_a_queue_hands_out_no_more_runs_than_there_is_room_for_and_those_of_others_all_the_same(api):
    full, queue = deployed(api, concurrency_limit=2)
    other = make_deployment(api)
    queue = make_work_queue(api, filter={"deployment_ids": [full["id"], other["id"]]})
    limited, free = due(api, full, 9, 8, 7, 6), due(api, other, 5, 4, 3)
    assert look(api, queue) == ids(limited[:2]) + ids(free)
    assert look(api, queue, 3) == ids([*limited[:2], free[0]])
    claims = claim(api, queue)
    assert [one["flow_run"]["id"] for one in claims] == ids(limited[:2]) + ids(free)
    assert look(api, queue) == claim(api, queue) == []
    propose(api, limited[0], "COMPLETED")
    assert look(api, queue) == ids(limited[2:3])
    assert [one["flow_run"]["id"] for one in claim(api, queue, 1)] == ids(limited[2:3])
    assert names(api, limited) == ["Completed", "Pending", "Pending", "Scheduled"]


def test_what_waits_for_room_keeps_nobody_else_waiting(api):
    full, _ = deployed(api, concurrency_limit=1)
    other = make_deployment(api)
    queue = make_work_queue(api, filter={"deployment_ids": [full["id"], other["id"]]})
    due(api, full, *range(30, 20, -1))
    (free,) = due(api, other, 1)
    assert len(claim(api, queue, 1)) == 1
    assert [one["flow_run"]["id"] for one in claim(api, queue, 1)] == [free["id"]]


@pytest.mark.parametrize("type", ["PENDING", "RUNNING"])
def test_a_run_that_finds_no_room_is_told_to_wait_and_who_holds_it(api, type):
    deployment, _ = deployed(api, concurrency_limit=1)
    holder, run = due(api, deployment, 2, 1)
    assert propose(api, holder, type)["status"] == "ACCEPT"
    answer = propose(api, run, type)
    assert (answer["status"], answer["state"]) == ("WAIT", None)
    assert f"{holder['name']} ({holder['id']}) holds the room" in answer["details"]["reason"]
    # it has its room already
    assert propose(api, holder, "RUNNING")["status"] == "ACCEPT"
    propose(api, holder, "FAILED")
    assert propose(api, run, type)["status"] == "ACCEPT"


def test_force_asks_no_rule(api):
    deployment, _ = deployed(api, concurrency_limit=1)
    holder, run = due(api, deployment, 2, 1)
    propose(api, holder, "RUNNING")
    assert propose(api, run, "RUNNING", force=True)["status"] == "ACCEPT"


def test_a_run_that_is_made_by_hand_and_finds_no_room_is_scheduled_now(api):
    deployment, _ = deployed(api, concurrency_limit=1)
    path = f"/deployments/{deployment['id']}/create_flow_run"
    first, second = (ok(api.post(path, json={}), 201) for _ in range(2))
    third = ok(api.post("/flow_runs/", json={"flow_id": deployment["flow_id"], "deployment_id": deployment["id"]}), 201)
    assert [run["state_type"] for run in (first, second, third)] == ["PENDING", "SCHEDULED", "SCHEDULED"]
    assert second["next_scheduled_start_time"] == NOW.isoformat()
    assert first["id"] in second["state"]["message"]
    # an idempotency key that made a run before finds it, room or not
    key = {"idempotency_key": "x"}
    made = ok(api.post(path, json=key), 201)
    assert ok(api.post(path, json=key))["id"] == made["id"]


def test_buffer_all_lets_every_run_wait(api, settle):
    deployment, queue = deployed(api, concurrency_limit=1)
    runs = due(api, deployment, 3, 2, 1)
    claim(api, queue)
    assert settle().number == 0
    assert names(api, runs) == ["Pending", "Scheduled", "Scheduled"]


def test_skip_ends_what_is_due_and_finds_no_room_and_says_who_holds_it(api, api_clock, settle):
    deployment, queue = deployed(api, concurrency_limit=1, overlap="skip")
    runs = due(api, deployment, 3, 2)
    later = due(api, deployment, -5)
    # there is room, so nothing is skipped
    assert settle().number == 0
    claim(api, queue, 1)
    assert names(api, runs) == ["Pending", "Skipped"]
    skipped = state_of(api, runs[1])
    assert (skipped["type"], skipped["message"]) == ("CANCELLED", f"Skipped: {runs[0]['name']} ({runs[0]['id']}) holds the room.")
    assert names(api, later) == ["Scheduled"]
    # the next one is skipped though nobody asks
    api_clock.advance(minutes=6)
    assert settle().number == 1
    assert names(api, later) == ["Skipped"]
    assert settle().number == 0


def test_buffer_one_lets_the_longest_due_wait(api, settle):
    deployment, queue = deployed(api, concurrency_limit=1, overlap="buffer_one")
    holder = due(api, deployment, 9)
    claim(api, queue)
    runs = due(api, deployment, 3, 2, 1)
    assert settle().number == 2
    assert names(api, holder + runs) == ["Pending", "Scheduled", "Skipped", "Skipped"]
    assert runs[0]["id"] in state_of(api, runs[1])["message"]
    assert settle().number == 0


def test_cancel_other_cancels_the_oldest_and_the_worker_learns_it_at_its_next_heartbeat(api):
    deployment, queue = deployed(api, concurrency_limit=2, overlap="cancel_other")
    held = due(api, deployment, 9, 8)
    claims = claim(api, queue)
    assert len(claims) == 2
    (run,) = due(api, deployment, 1)
    assert look(api, queue) == [run["id"]]
    assert [one["flow_run"]["id"] for one in claim(api, queue)] == [run["id"]]
    assert names(api, [*held, run]) == ["Superseded", "Pending", "Pending"]
    superseded = f"Superseded by {run['name']} ({run['id']})."
    assert (state_of(api, held[0])["type"], state_of(api, held[0])["message"]) == ("CANCELLED", superseded)
    lease = {"lease_id": claims[0]["lease_id"]}
    told = problem(api.post(f"/flow_runs/{held[0]['id']}/heartbeat", json=lease), 409)["detail"]
    assert "was cancelled (Superseded)" in told
    assert run["id"] in told
    told = problem(api.post(f"/flow_runs/{held[0]['id']}/set_state", json=lease | {"state": {"type": "COMPLETED"}}), 409)["detail"]
    assert "was cancelled (Superseded)" in told
    ok(api.post(f"/flow_runs/{held[1]['id']}/heartbeat", json={"lease_id": claims[1]["lease_id"]}))


def test_cancel_other_makes_room_for_a_proposed_state_and_by_the_pass(api, settle):
    deployment, queue = deployed(api, concurrency_limit=1, overlap="cancel_other")
    first, second = due(api, deployment, 9, 8)
    propose(api, first, "RUNNING")
    assert propose(api, second, "PENDING")["status"] == "ACCEPT"
    assert names(api, [first, second]) == ["Superseded", "Pending"]
    # of several that are due the newest starts
    runs = due(api, deployment, 3, 2, 1)
    assert settle().number == 3
    assert names(api, [second, *runs]) == ["Superseded", "Superseded", "Superseded", "Scheduled"]
    assert [one["flow_run"]["id"] for one in claim(api, queue)] == [runs[2]["id"]]


def test_what_is_inside_a_superseded_run_ends_with_it(api):
    deployment, queue = deployed(api, concurrency_limit=1, overlap="cancel_other")
    (held,) = due(api, deployment, 9)
    propose(api, held, "RUNNING")
    task = ok(api.post("/task_runs/", json={"flow_run_id": held["id"], "task_key": "t", "dynamic_key": "0"}), 201)
    due(api, deployment, 1)
    claim(api, queue)
    assert ok(api.get(f"/task_runs/{task['id']}"))["state_type"] == "CANCELLED"


def test_a_run_that_is_due_for_too_long_is_missed_and_handed_to_nobody(api, api_clock, settle):
    deployment, queue = deployed(api, catchup_window_seconds=60)
    runs = due(api, deployment, 3, 2)
    # made just now, they could not be started earlier
    assert look(api, queue) == ids(runs)
    api_clock.advance(seconds=60)
    assert look(api, queue) == ids(runs)
    api_clock.advance(seconds=0.01)
    assert look(api, queue) == claim(api, queue) == []
    answer = propose(api, runs[0], "PENDING")
    assert (answer["status"], answer["state"]["name"], answer["state"]["type"]) == ("REJECT", "Missed", "CANCELLED")
    assert settle().number == 1
    assert names(api, runs) == ["Missed", "Missed"]
    assert "catch-up window of 60 s" in state_of(api, runs[1])["message"]
    assert settle().number == 0


def test_a_run_that_has_started_once_is_not_missed(api, api_clock, settle):
    deployment, queue = deployed(api, catchup_window_seconds=60)
    (run,) = due(api, deployment, 3)
    propose(api, run, "RUNNING")
    propose(api, run, "SCHEDULED")
    api_clock.advance(hours=1)
    assert settle().number == 0
    assert look(api, queue) == [run["id"]]
    assert propose(api, run, "RUNNING")["status"] == "ACCEPT"


def test_a_deployment_is_paused_after_as_many_failures_in_a_row_as_it_says(api):
    deployment = make_deployment(api, schedule={"interval": 86_400})
    ok(api.patch(f"/deployments/{deployment['id']}/policy", json={"pause_after_failures": 2}))
    path = f"/deployments/{deployment['id']}"

    def run(type):
        made = ok(api.post(f"{path}/create_flow_run", json={"state": {"type": "RUNNING"}}), 201)
        propose(api, made, type)
        return made

    for type in ("FAILED", "COMPLETED", "FAILED", "CANCELLED"):
        run(type)
    assert ok(api.get(f"{path}/pause"))["paused"] is False
    last = run("FAILED")
    pause = ok(api.get(f"{path}/pause"))
    assert (pause["paused"], pause["until"]) == (True, None)
    assert pause["note"] == f"Paused after 2 failed runs in a row; the last one is {last['name']} ({last['id']})."
    assert runs_of(api, deployment, state={"type": {"any_": ["SCHEDULED"]}}) == []
    # it begins anew when it is resumed
    ok(api.post(f"{path}/set_schedule_active"))
    run("FAILED")
    assert ok(api.get(f"{path}/pause"))["paused"] is False
    run("FAILED")
    assert ok(api.get(f"{path}/pause"))["paused"] is True


def test_failures_without_a_policy_pause_nothing(api):
    deployment = make_deployment(api)
    for _ in range(3):
        made = ok(api.post(f"/deployments/{deployment['id']}/create_flow_run", json={"state": {"type": "RUNNING"}}), 201)
        propose(api, made, "FAILED")
    assert ok(api.get(f"/deployments/{deployment['id']}/pause"))["paused"] is False

"""What is inside a flow run: it ends with it, and is interrupted when the run is to start again. No slot stays behind."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.api.asking import ok, problem
from tests.api.factories import make_due_runs, make_flow, make_flow_run, make_task_run, make_work_queue

NOON = datetime(2022, 6, 1, 12, tzinfo=UTC)
OVER = ["COMPLETED", "FAILED", "CANCELLED"]


@pytest.fixture(autouse=True)
def stopped(api_clock):
    api_clock.stop_at(NOON)


@pytest.fixture
def tag(api):
    """A tag with a limit of 10."""
    tag = f"tag-{uuid4()}"
    ok(api.post("/concurrency_limits/", json={"tag": tag, "concurrency_limit": 10}))
    return tag


def slots(api, tag):
    return ok(api.get(f"/concurrency_limits/tag/{tag}"))["active_slots"]


def enter(api, run, type, **state):
    kind = "task_runs" if "task_key" in run else "flow_runs"
    body = {"state": {"type": type, **state}}
    return ok(api.post(f"/{kind}/{run['id']}/set_state", json=body), 201)


def read(api, run):
    return ok(api.get(f"/{'task_runs' if 'task_key' in run else 'flow_runs'}/{run['id']}"))


def family(api, tag, flow_run):
    """What is inside a flow run that is RUNNING: task runs in several states, and two subflows, one in the other, with a task run each."""
    own = {"flow_run_id": flow_run["id"], "tags": [tag]}
    made = {name: make_task_run(api, **own) for name in ("running", "pending", "retried", "completed", "unready")}
    for name in ("running", "completed"):
        enter(api, made[name], "RUNNING")
    enter(api, made["completed"], "COMPLETED")
    enter(api, made["retried"], "SCHEDULED", name="AwaitingRetry", state_details={"scheduled_time": (NOON + timedelta(days=1)).isoformat()})
    enter(api, made["unready"], "PENDING", name="NotReady")
    outer = flow_run
    for name in ("child", "grandchild"):
        made[f"stands for {name}"] = make_task_run(api, flow_run_id=outer["id"])
        outer = make_flow_run(api, flow_id=flow_run["flow_id"], parent_task_run_id=made[f"stands for {name}"]["id"])
        made[name] = outer
        made[f"in {name}"] = make_task_run(api, flow_run_id=outer["id"], tags=[tag])
        enter(api, outer, "RUNNING")
        enter(api, made[f"in {name}"], "RUNNING")
    return made


NAMES = ("child", "grandchild", "in child", "in grandchild", "stands for child", "stands for grandchild", "running")


@pytest.mark.parametrize("type", OVER)
@pytest.mark.parametrize("force", [False, True])
def test_what_is_inside_ends_with_its_flow_run(api, api_clock, tag, type, force):
    run = make_flow_run(api, state={"type": "RUNNING"})
    made = family(api, tag, run)
    assert len(slots(api, tag)) == 3
    api_clock.advance(seconds=90)
    ok(api.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": type}, "force": force}), 201)
    assert slots(api, tag) == []
    after = {name: read(api, one) for name, one in made.items()}
    types = {name: one["state_type"] for name, one in after.items()}
    ended = dict.fromkeys((*NAMES, "pending", "retried"), "CANCELLED")
    assert types == ended | {"completed": "COMPLETED", "unready": "PENDING"}
    assert {after[name]["state"]["message"] for name in ended} == {f"Ended with the flow run that it belongs to, which is {type}"}
    # as if each had entered the state by itself
    for name in ("running", "child", "in grandchild"):
        assert (after[name]["total_run_time"], after[name]["end_time"]) == (90, api_clock().isoformat())
    assert after["stands for child"]["state"]["state_details"]["child_flow_run_id"] == made["child"]["id"]
    assert after["child"]["state"]["state_details"]["task_run_id"] == made["stands for child"]["id"]
    history = ok(api.get(f"/task_run_states/?task_run_id={made['running']['id']}"))
    assert [state["type"] for state in history] == ["PENDING", "RUNNING", "CANCELLED"]
    assert history[-1] == after["running"]["state"]


def test_what_is_running_inside_a_run_that_is_given_back_is_pending_and_holds_no_slot(api, api_clock, tag):
    make_due_runs(api, 1, tags=[tag])
    queue = make_work_queue(api, filter={"tags": [tag]})
    (claim,) = ok(api.post(f"/work_queues/{queue['id']}/claim_runs"))
    run = claim["flow_run"]
    enter(api, run, "RUNNING")
    made = family(api, tag, run)
    api_clock.advance(seconds=30)
    ok(api.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": "SCHEDULED"}, "lease_id": claim["lease_id"]}), 201)
    assert slots(api, tag) == []
    types = {name: read(api, one)["state_type"] for name, one in made.items()}
    kept = {"pending": "PENDING", "retried": "SCHEDULED", "completed": "COMPLETED", "unready": "PENDING"}
    assert types == dict.fromkeys(NAMES, "PENDING") | kept
    assert read(api, made["running"])["state"]["message"] == "Interrupted: the flow run that it belongs to is SCHEDULED again"
    assert read(api, made["running"])["total_run_time"] == 30
    assert enter(api, made["running"], "RUNNING")["status"] == "ACCEPT"


def test_a_subflow_that_a_worker_holds_by_a_lease_of_its_own_goes_on(api, tag):
    run = make_flow_run(api, state={"type": "RUNNING"})
    stands = make_task_run(api, flow_run_id=run["id"])
    flow = make_flow(api)
    deployed = ok(
        api.post("/deployments/", json={"name": "inner", "flow_id": flow["id"], "flow_data": {"encoding": "json", "blob": "1"}}), 201
    )
    child = {"flow_id": flow["id"], "deployment_id": deployed["id"], "parent_task_run_id": stands["id"], "tags": [tag]}
    child = make_flow_run(api, **child, state={"type": "SCHEDULED"})
    queue = make_work_queue(api, filter={"tags": [tag]})
    (claim,) = ok(api.post(f"/work_queues/{queue['id']}/claim_runs"))
    assert claim["flow_run"]["id"] == child["id"]
    inner = make_task_run(api, flow_run_id=child["id"], tags=[tag])
    enter(api, inner, "RUNNING")
    enter(api, run, "FAILED")
    assert read(api, child)["state_type"] == "PENDING"
    assert slots(api, tag) == [inner["id"]]
    ok(api.post(f"/flow_runs/{child['id']}/set_state", json={"state": {"type": "RUNNING"}, "lease_id": claim["lease_id"]}), 201)


def test_a_limit_is_reset_for_task_runs_that_nobody_ends(api, tag):
    one, two = (make_task_run(api, tags=[tag]) for _ in range(2))
    enter(api, one, "RUNNING")
    limit = ok(api.post(f"/concurrency_limits/tag/{tag}/reset"))
    assert limit == ok(api.get(f"/concurrency_limits/tag/{tag}"))
    assert (limit["active_slots"], limit["concurrency_limit"], read(api, one)["state_type"]) == ([], 10, "RUNNING")
    enter(api, two, "RUNNING")
    # what is running after all gives nothing back that it does not hold
    enter(api, one, "COMPLETED")
    assert slots(api, tag) == [two["id"]]
    problem(api.post("/concurrency_limits/tag/none/reset"), 404)


def test_the_runs_that_take_up_room_in_a_queue_are_listed_with_who_holds_them_since_when(api, api_clock, tag):
    due, taken = make_due_runs(api, 2, due=NOON - timedelta(hours=1), tags=[tag])
    queue = make_work_queue(api, filter={"tags": [tag]}, concurrency_limit=2)
    (claim,) = ok(api.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 1, "worker": "w1", "lease_seconds": 60}))
    api_clock.advance(seconds=5)
    enter(api, taken, "RUNNING")
    api_clock.advance(seconds=5)
    ok(api.post(f"/flow_runs/{due['id']}/set_state", json={"state": {"type": "RUNNING"}, "lease_id": claim["lease_id"]}), 201)
    held = ok(api.post(f"/work_queues/{queue['id']}/holders"))
    running = {"state_type": "RUNNING", "state_name": "Running"}
    assert held == [
        {"id": due["id"], "name": due["name"], "deployment_id": due["deployment_id"], "since": NOON.isoformat(), "worker": "w1"}
        | running
        | {"lease_expires_at": claim["lease_expires_at"]},
        {"id": taken["id"], "name": taken["name"], "deployment_id": taken["deployment_id"], "worker": None, "lease_expires_at": None}
        | running
        | {"since": (NOON + timedelta(seconds=5)).isoformat()},
    ]
    assert ok(api.post(f"/work_queues/{queue['id']}/holders", json={"limit": 1, "offset": 1})) == held[1:]
    problem(api.post(f"/work_queues/{uuid4()}/holders"), 404)


def test_other_runs_are_left_alone(api, tag):
    ended, other = (make_flow_run(api, state={"type": "RUNNING"}) for _ in range(2))
    mine, theirs = (make_task_run(api, flow_run_id=run["id"], tags=[tag]) for run in (ended, other))
    for task_run in (mine, theirs):
        enter(api, task_run, "RUNNING")
    enter(api, ended, "FAILED")
    assert slots(api, tag) == [theirs["id"]]
    assert read(api, theirs)["state_type"] == "RUNNING"

"""Setting states over the API: the answers, what a transition does to its run, and what follows from it elsewhere."""

from datetime import timedelta
from uuid import uuid4

import pytest

from tests.api.factories import make_flow, make_flow_run, make_task_run


def propose(client, run, type, *, status=None, kind=None, force=None, lease_id=None, **state):
    kind = kind or ("task_runs" if "task_key" in run else "flow_runs")
    body = {"state": {"type": type, **state}}
    body |= {} if force is None else {"force": force}
    body |= {} if lease_id is None else {"lease_id": lease_id}
    response = client.post(f"/{kind}/{run['id']}/set_state", json=body)
    if status is not None:
        assert response.status_code == status, response.text
    return response.json


@pytest.fixture
def flow_run(client):
    return make_flow_run(client, flow_id=make_flow(client)["id"])


def task_run(client, flow_run, retries=0, delay=0, **fields):
    policy = {"max_retries": retries, "retry_delay_seconds": delay}
    return make_task_run(client, flow_run_id=flow_run["id"], empirical_policy=policy, **fields)


def read(client, run):
    return client.get(f"/{'task_runs' if 'task_key' in run else 'flow_runs'}/{run['id']}").json


def history(client, run):
    kind = "task_run" if "task_key" in run else "flow_run"
    return client.get(f"/{kind}_states/?{kind}_id={run['id']}").json


def test_an_accepted_state_is_answered_with_its_run_and_becomes_the_runs_state(client, flow_run):
    outcome = propose(client, flow_run, "RUNNING", status=201, message="off we go")
    assert outcome["status"] == "ACCEPT"
    assert outcome["details"] == {"type": "accept_details"}
    assert outcome["state"]["state_details"]["flow_run_id"] == flow_run["id"]
    assert read(client, flow_run)["state"] == outcome["state"]


def test_start_end_and_counts_follow_from_the_states(client, clock, flow_run):
    clock.stop_at(clock())
    for type, seconds in (("RUNNING", 5), ("PENDING", 7), ("RUNNING", 11), ("COMPLETED", 13)):
        clock.advance(seconds=seconds)
        propose(client, flow_run, type, status=201)
    run = read(client, flow_run)
    assert (run["run_count"], run["total_run_time"]) == (2, 7 + 13)
    states = history(client, flow_run)
    assert [state["type"] for state in states] == ["PENDING", "RUNNING", "PENDING", "RUNNING", "COMPLETED"]
    assert (run["start_time"], run["end_time"]) == (states[1]["timestamp"], states[4]["timestamp"])


def test_a_run_that_is_over_aborts_whoever_goes_on(client, flow_run):
    propose(client, flow_run, "COMPLETED", status=201)
    outcome = propose(client, flow_run, "RUNNING", status=200)
    assert (outcome["state"], outcome["status"], outcome["details"]["type"]) == (None, "ABORT", "abort_details")
    assert len(history(client, flow_run)) == 2


def test_force_leads_out_of_a_terminal_state_and_unsets_the_end(client, flow_run):
    for type in ("RUNNING", "COMPLETED"):
        propose(client, flow_run, type, status=201)
    assert read(client, flow_run)["end_time"] is not None
    assert propose(client, flow_run, "RUNNING", status=201, force=True)["state"]["name"] == "Running"
    assert read(client, flow_run)["end_time"] is None


def test_a_scheduled_run_waits_until_its_time_has_come(client, clock, flow_run):
    clock.stop_at(clock())
    due = clock() + timedelta(seconds=90)
    propose(client, flow_run, "SCHEDULED", status=201, state_details={"scheduled_time": due.isoformat()})
    run = read(client, flow_run)
    assert run["next_scheduled_start_time"] == due.isoformat()
    outcome = propose(client, flow_run, "RUNNING", status=200)
    assert (outcome["status"], outcome["details"]["delay_seconds"]) == ("WAIT", 90)
    clock.advance(seconds=90)
    propose(client, flow_run, "RUNNING", status=201)
    run = read(client, flow_run)
    assert (run["next_scheduled_start_time"], run["state_type"]) == (None, "RUNNING")


def test_a_failing_task_run_is_retried_as_often_as_its_policy_says(client, flow_run):
    run = task_run(client, flow_run, retries=1)
    propose(client, run, "RUNNING", status=201)
    outcome = propose(client, run, "FAILED", status=201, message="boom")
    assert (outcome["status"], outcome["details"]["type"]) == ("REJECT", "reject_details")
    assert (outcome["state"]["name"], outcome["state"]["message"]) == ("AwaitingRetry", "boom")
    assert propose(client, run, "RUNNING", status=201)["state"]["name"] == "Retrying"
    assert propose(client, run, "FAILED", status=201)["status"] == "ACCEPT"


@pytest.mark.parametrize(("lasts", "later", "cached"), [(None, 10**6, True), (60, 59, True), (60, 61, False)])
def test_a_cached_result_is_used_until_it_expires(client, clock, flow_run, lasts, later, cached):
    clock.stop_at(clock())
    details = {"cache_key": "k" * 5000}
    first, second = task_run(client, flow_run), task_run(client, flow_run)
    propose(client, first, "RUNNING", status=201, state_details=details)
    expiration = {} if lasts is None else {"cache_expiration": (clock() + timedelta(seconds=lasts)).isoformat()}
    data = {"encoding": "json", "blob": "42"}
    propose(client, first, "COMPLETED", status=201, data=data, state_details=details | expiration)
    clock.advance(seconds=later)
    outcome = propose(client, second, "RUNNING", status=201, state_details=details)
    assert outcome["status"] == ("REJECT" if cached else "ACCEPT")
    if cached:
        assert (outcome["state"]["name"], outcome["state"]["data"]) == ("Cached", data)
        assert outcome["state"]["state_details"]["task_run_id"] == second["id"]
        assert read(client, second)["run_count"] == 0


def test_the_newest_cached_result_counts(client, flow_run):
    details = {"cache_key": "k"}
    for blob in ("1", "2"):
        run = task_run(client, flow_run)
        propose(client, run, "COMPLETED", status=201, data={"encoding": "json", "blob": blob}, state_details=details)
    outcome = propose(client, task_run(client, flow_run), "RUNNING", state_details=details)
    assert outcome["state"]["data"]["blob"] == "2"


def test_a_forced_completion_is_not_cached(client, flow_run):
    propose(client, task_run(client, flow_run), "COMPLETED", force=True, state_details={"cache_key": "k"})
    assert propose(client, task_run(client, flow_run), "RUNNING", state_details={"cache_key": "k"})["status"] == "ACCEPT"


def test_a_subflow_puts_its_states_onto_the_task_run_that_stands_for_it(client, flow_run):
    parent = task_run(client, flow_run)
    child = make_flow_run(client, flow_id=flow_run["flow_id"], parent_task_run_id=parent["id"])
    propose(client, child, "RUNNING", status=201)
    propose(client, child, "COMPLETED", status=201, message="done")
    state = read(client, parent)["state"]
    assert (state["type"], state["message"]) == ("COMPLETED", "done")
    details = state["state_details"]
    assert (details["child_flow_run_id"], details["task_run_id"], details["flow_run_id"]) == (child["id"], parent["id"], flow_run["id"])
    assert [state["type"] for state in history(client, parent)] == ["PENDING", "PENDING", "RUNNING", "COMPLETED"]
    assert history(client, child)[0]["state_details"]["task_run_id"] == parent["id"]


@pytest.mark.parametrize("kind", ["flow_runs", "task_runs"])
def test_a_run_that_does_not_exist_is_404(client, kind):
    propose(client, {"id": uuid4()}, "RUNNING", kind=kind, status=404)


@pytest.mark.parametrize("kind", ["flow_runs", "task_runs"])
@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, ["body", "state"]),
        ({"state": None}, ["body", "state"]),
        ({"state": {}}, ["body", "state", "type"]),
        ({"state": {"type": "LATE"}}, ["body", "state", "type"]),
        ({"state": {"type": "RUNNING"}, "force": "yes"}, ["body", "force"]),
        ({"state": {"type": "RUNNING"}, "name": "x"}, ["body", "name"]),
    ],
)
def test_what_is_no_state_is_refused_by_name(client, kind, body, loc):
    response = client.post(f"/{kind}/{uuid4()}/set_state", json=body)
    assert response.status_code == 422
    assert response.json["errors"][0]["loc"] == loc


def test_a_lease_that_is_not_the_runs_is_409_and_changes_nothing(client, flow_run):
    propose(client, flow_run, "RUNNING", lease_id=str(uuid4()), status=409)
    assert read(client, flow_run)["state_type"] == "PENDING"


@pytest.mark.parametrize("kind", ["flow_run", "task_run"])
def test_a_state_can_be_read_by_its_id(client, flow_run, kind):
    run = flow_run if kind == "flow_run" else task_run(client, flow_run)
    assert client.get(f"/{kind}_states/{run['state_id']}").json == run["state"]
    missing = client.get(f"/{kind}_states/{uuid4()}")
    assert missing.status_code == 404
    assert "state not found" in missing.json["detail"]


@pytest.mark.parametrize("kind", ["flow_run", "task_run"])
def test_a_history_is_asked_for_by_a_run(client, kind):
    assert client.get(f"/{kind}_states/?{kind}_id={uuid4()}").json == []
    for query in ("", f"?{kind}_id=x"):
        refused = client.get(f"/{kind}_states/{query}")
        assert refused.status_code == 422
        assert refused.json["errors"][0]["loc"] == ["query", f"{kind}_id"]

"""The audit trail: what an entry says, what leaves none, and by whom a change was made, on both databases."""

import dataclasses
from types import SimpleNamespace
from uuid import UUID, uuid4

import orjson
import pytest
from flask import g

from app import create_app
from app.api.http.transaction import in_transaction, unit_of_work
from app.domain.audit import OPERATORS
from app.services.unit_of_work import UnitOfWork
from tests.api.asking import ok, problem
from tests.api.factories import make_block, make_deployment, make_due_runs, make_flow, make_flow_run, make_task_run, make_work_queue
from tests.conftest import ApiClient

HOURLY = {"interval": 3600, "anchor_date": "2026-01-01T00:00:00+00:00"}


def find(app, **criteria):
    """The entries that meet criteria, the oldest first, as plain JSON."""
    parts = app.extensions["mintaka"]
    filters = {"audit_entries": criteria}
    found = parts.database.run(lambda session: UnitOfWork(session, parts).audit_entries.find(filters, None), read_only=True)
    return orjson.loads(orjson.dumps(found[::-1]))


@pytest.fixture
def left(shared):
    """The entries that an answered request left."""
    return lambda response: find(shared.app, request_id={"any_": [response.headers["X-Request-ID"]]})


@pytest.fixture
def of(shared):
    """The entries of an object, a document."""
    return lambda document: find(shared.app, object_id={"any_": [UUID(document["id"])]})


def test_an_update_says_what_each_field_was_and_is(api, of):
    made = make_deployment(api, schedule=HOURLY, tags=["a"], parameters={"x": 1, "y": 1})
    body = {"flow_id": made["flow_id"], "name": made["name"], "flow_data": {"encoding": "json", "blob": "2"}}
    ok(api.post("/deployments/", json=body | {"tags": ["b"], "schedule": {"cron": "0 6 * * *"}, "parameters": {"y": 2}}))
    created, updated = of(made)
    assert (created["action"], updated["action"], updated["object_name"]) == ("create", "update", made["name"])
    assert updated["changes"]["tags"] == {"before": ["a"], "after": ["b"]}
    assert updated["changes"]["parameters"] == {"changed": ["y"], "removed": ["x"]}
    assert updated["changes"]["flow_data"] == {"changed": ["blob"]}
    schedule = updated["changes"]["schedules.default"]
    assert (schedule["before"]["schedule"]["interval"], schedule["after"]["schedule"]["cron"]) == (3600, "0 6 * * *")
    assert updated["changes"].keys() == {"tags", "parameters", "flow_data", "schedules.default"}


def test_a_pause_says_why(api, of):
    made = make_deployment(api, schedule=HOURLY)
    ok(api.post(f"/deployments/{made['id']}/set_schedule_inactive", json={"note": "the source is down"}))
    _, entry = of(made)
    assert entry["action"] == "pause"
    assert entry["changes"]["is_schedule_active"] == {"before": True, "after": False}
    assert entry["changes"]["pause_note"] == {"before": None, "after": "the source is down"}


def test_a_claim_says_which_runs_whose_it_was(api, of):
    runs = make_due_runs(api, 2)
    queue = make_work_queue(api, filter={"deployment_ids": [runs[0]["deployment_id"]]})
    claimed = ok(api.post(f"/work_queues/{queue['id']}/claim_runs", json={"worker": "host-1"}))
    _, entry = of(queue)
    assert entry["details"] == {"worker": "host-1", "flow_run_ids": [one["flow_run"]["id"] for one in claimed]}
    assert {one["flow_run"]["id"] for one in claimed} == {run["id"] for run in runs}


def test_a_state_change_says_from_what_to_what(api, of):
    run = make_flow_run(api, state={"type": "SCHEDULED"})
    ok(api.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": "RUNNING"}}), 201)
    _, entry = of(run)
    assert entry["changes"]["state_type"] == {"before": "SCHEDULED", "after": "RUNNING"}
    assert entry["details"] == {"status": "ACCEPT"}


def test_many_changes_at_once_say_which_runs_were_asked_for_and_how_many_there_were(api, left):
    ids = [make_flow_run(api)["id"] for _ in range(2)]
    ok(api.post(f"/flow_runs/{ids[0]}/set_state", json={"state": {"type": "COMPLETED"}}), 201)
    filters = {"flow_runs": {"id": {"any_": ids}}}
    asked = filters | {"state": {"type": "CANCELLED"}}
    tried = api.post("/flow_runs/set_state", json=asked | {"dry_run": True})
    done = api.post("/flow_runs/set_state", json=asked)
    assert (ok(tried)["changed"], left(tried)) == (1, [])
    [entry] = left(done)
    counts = {"matched": 2, "changed": 1, "refused": 1}
    assert entry["details"] == {"filter": filters, "state_type": "CANCELLED", "state_name": "Cancelled", "force": False} | counts


def test_blocks_have_the_names_of_their_data_alone(api, of):
    block = make_block(api, data={"user": "etl", "password": "hunter2"})
    ok(api.patch(f"/block_documents/{block['id']}", json={"data": {"token": "hunter3"}}), 204)
    created, updated = of(block)
    assert updated["changes"] == {"data": {"added": ["token"]}}
    assert "hunter" not in str((created, updated))


def unchanged(api):
    """Requests that are answered and change nothing, by what they are: (method, path, body)."""
    flow = make_flow(api)
    deployment = make_deployment(api, flow_id=flow["id"], schedule=HOURLY)
    same = {"flow_id": flow["id"], "name": deployment["name"], "flow_data": deployment["flow_data"], "schedule": deployment["schedule"]}
    run = make_flow_run(api, flow_id=flow["id"], idempotency_key="once")
    task = make_task_run(api, flow_run_id=run["id"])
    ok(api.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": "COMPLETED"}}), 201)
    queue = make_work_queue(api, filter={"deployment_ids": []})
    log = {"name": "n", "level": 20, "message": "m", "timestamp": "2022-06-01T00:00:00Z", "flow_run_id": run["id"]}
    return {
        "a flow that exists": ("POST", "/flows/", {"name": flow["name"]}),
        "the same deployment again": ("POST", "/deployments/", same),
        "a change of nothing": ("PATCH", f"/deployments/{deployment['id']}", {}),
        "the same schedule again": ("PUT", f"/deployments/{deployment['id']}/schedules/default", {"schedule": deployment["schedule"]}),
        "an active deployment activated": ("POST", f"/deployments/{deployment['id']}/set_schedule_active", None),
        "nothing to pause": ("POST", "/deployments/pause", {"deployments": {"id": {"any_": []}}}),
        "nothing to schedule": ("POST", f"/deployments/{deployment['id']}/schedule", {"max_runs": 1}),
        "a run that exists": ("POST", "/flow_runs/", {"flow_id": flow["id"], "idempotency_key": "once"}),
        "a task run that exists": ("POST", "/task_runs/", {name: task[name] for name in ("flow_run_id", "task_key", "dynamic_key")}),
        "a state that the rules refuse": ("POST", f"/flow_runs/{run['id']}/set_state", {"state": {"type": "RUNNING"}}),
        "a claim of nothing": ("POST", f"/work_queues/{queue['id']}/claim_runs", {}),
        "a look": ("POST", f"/work_queues/{queue['id']}/get_runs", {"agent_id": str(uuid4())}),
        "logs": ("POST", "/logs/", [log]),
        "a preview": ("POST", "/schedules/preview", {"schedule": HOURLY}),
        "a list": ("POST", "/flows/filter", {}),
    }


def test_what_changes_nothing_leaves_no_entry(api, left):
    for what, (method, path, body) in unchanged(api).items():
        response = api.open(path, method=method, json=body)
        assert response.status_code < 300, (what, response.text)
        assert left(response) == [], what


def test_a_change_that_is_rolled_back_leaves_no_entry(api, left):
    queue = make_work_queue(api)
    refused = api.post("/work_queues/", json={"name": queue["name"]})
    problem(refused, 409)
    assert left(refused) == []
    missing = api.delete(f"/flows/{uuid4()}")
    problem(missing, 404)
    assert left(missing) == []


def test_the_key_that_a_request_has_is_who_made_the_change(shared):
    key, name = SimpleNamespace(id=uuid4(), name="ci"), f"flow-{uuid4()}"
    with shared.app.test_request_context("/", environ_base={"REMOTE_ADDR": "192.0.2.7"}):
        g.key, g.request_id = key, str(uuid4())
        in_transaction(lambda: unit_of_work().flows.create(name, []))
        [entry] = find(shared.app, request_id={"any_": [g.request_id]})
    assert (entry["actor"], entry["key_id"], entry["address"]) == ("ci", str(key.id), "192.0.2.7")
    assert entry["object_name"] == name


def test_the_server_s_own_work_leaves_no_entry(shared):
    parts, name = shared.app.extensions["mintaka"], f"flow-{uuid4()}"
    parts.database.run(lambda session: UnitOfWork(session, parts).flows.create(name, []))
    assert find(shared.app, object_name={"any_": [name]}) == []


def test_what_workers_do_can_be_left_out(settings):
    app = create_app(dataclasses.replace(settings, audit=OPERATORS))
    app.test_client_class = ApiClient
    client = app.test_client()
    [run] = make_due_runs(client, 1)
    queue = make_work_queue(client)
    ok(client.post(f"/work_queues/{queue['id']}/claim_runs", json={}))
    ok(client.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": "RUNNING"}}), 201)
    make_task_run(client, flow_run_id=run["id"])
    ok(client.patch(f"/work_queues/{queue['id']}", json={"is_paused": True}), 204)
    assert [(entry["action"], entry["object_kind"]) for entry in find(app)] == [
        ("create", "flow"),
        ("create", "deployment"),
        ("create", "flow_run"),
        ("create", "work_queue"),
        ("update", "work_queue"),
    ]
    app.extensions["mintaka"].database.dispose()

"""Every route that changes something leaves exactly one entry in the audit trail, on both databases."""

import dataclasses
from uuid import UUID

import orjson
import pytest

from app import create_app
from app.api.audit import UNRECORDED
from app.config import Settings
from app.services.unit_of_work import UnitOfWork
from tests.api.asking import ok
from tests.api.factories import (
    make_block,
    make_block_schema,
    make_block_type,
    make_deployment,
    make_due_runs,
    make_flow,
    make_flow_run,
    make_task_run,
    make_work_queue,
)
from tests.conftest import ApiClient
from tests.keys import change_keys, make_key

HOURLY = {"interval": 3600, "anchor_date": "2026-01-01T00:00:00+00:00"}
WINDOW = {"start": "2026-06-01T00:00:00+00:00", "end": "2026-06-01T06:00:00+00:00"}
SECRET = "hunter2"
# what no entry may hold: parameters, data of blocks, settings of runners and flow data have names alone
PARAMETERS = {"password": SECRET}
RUNNER = {"type": "subprocess", "config": {"env": {"TOKEN": SECRET}}}
FLOW_DATA = {"encoding": "json", "blob": SECRET}

# endpoint: what makes the request that is to leave an entry, as (method, path, body), and the entry's action and kind of object
CHANGES = {}


def change(endpoint, action, kind):
    """Decorate a function of a client that makes what a route changes, and returns the request that changes it."""

    def decorate(prepare):
        CHANGES[endpoint] = (prepare, action, kind)
        return prepare

    return decorate


def plain(endpoint, action, kind, make, method, path, body=None):
    """Say how a route is asked that needs no more than a document, which `make(client)` makes, in its path."""
    change(endpoint, action, kind)(lambda api: (method, path.format(**make(api)), body))


def deployment(api, **fields):
    return make_deployment(api, **{"schedule": HOURLY, "parameters": PARAMETERS, "flow_runner": RUNNER} | fields)


def paused(api):
    return deployment(api, is_schedule_active=False)


def backfill(api):
    made = paused(api)
    return ok(api.post(f"/deployments/{made['id']}/backfills", json=WINDOW | {"max_active": 1}), 201)


def scheduled(api):
    made = deployment(api)
    ok(api.put(f"/deployments/{made['id']}/schedules/nightly", json={"schedule": HOURLY}), 201)
    return made


def limit(api):
    return ok(api.post("/concurrency_limits/", json={"tag": f"tag-{make_flow(api)['name']}", "concurrency_limit": 1}))


def search(api):
    return ok(api.put("/saved_searches/", json={"name": make_flow(api)["name"]}), 201)


def over(api):
    run = make_flow_run(api)
    ok(api.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": "FAILED"}}), 201)
    return run


def block(api):
    return make_block(api, data={"password": SECRET})


def named(make, **fields):
    return lambda api: make(api, **fields)


@change("Flows.create_flow", "create", "flow")
def _create_flow(api):
    return "POST", "/flows/", {"name": f"{make_flow(api)['name']}-new"}


plain("Flows.update_flow", "update", "flow", make_flow, "PATCH", "/flows/{id}", {"tags": ["etl"]})
plain("Flows.delete_flow", "delete", "flow", make_flow, "DELETE", "/flows/{id}")


@change("Deployments.create_deployment", "create", "deployment")
def _create_deployment(api):
    own = {"flow_id": make_flow(api)["id"], "name": "nightly", "flow_data": FLOW_DATA, "schedule": HOURLY}
    return "POST", "/deployments/", own | {"parameters": PARAMETERS, "flow_runner": RUNNER}


plain("Deployments.update_deployment", "update", "deployment", deployment, "PATCH", "/deployments/{id}", {"parameters": {"token": SECRET}})
plain("Deployments.delete_deployment", "delete", "deployment", deployment, "DELETE", "/deployments/{id}")
plain("Deployments.set_schedule_active", "resume", "deployment", paused, "POST", "/deployments/{id}/set_schedule_active")
plain("Deployments.set_schedule_inactive", "pause", "deployment", deployment, "POST", "/deployments/{id}/set_schedule_inactive")
plain(
    "Deployments.schedule_deployment",
    "schedule",
    "deployment",
    deployment,
    "POST",
    "/deployments/{id}/schedule",
    {"start_time": "2026-06-01T00:00:00Z", "end_time": "2026-06-01T06:00:00Z"},
)
plain(
    "Deployments.create_flow_run_from_deployment",
    "create",
    "flow_run",
    deployment,
    "POST",
    "/deployments/{id}/create_flow_run",
    {"parameters": PARAMETERS},
)


@change("Deployments.pause_deployments", "pause", "deployment")
def _pause_deployments(api):
    return "POST", "/deployments/pause", {"deployments": {"id": {"any_": [deployment(api)["id"]]}}}


@change("Deployments.resume_deployments", "resume", "deployment")
def _resume_deployments(api):
    return "POST", "/deployments/resume", {"deployments": {"id": {"any_": [paused(api)["id"]]}}}


plain("Policies.update_policy", "set_policy", "deployment", deployment, "PATCH", "/deployments/{id}/policy", {"concurrency_limit": 2})
plain(
    "Schedules.set_schedule",
    "create",
    "schedule",
    deployment,
    "PUT",
    "/deployments/{id}/schedules/weekly",
    {"schedule": HOURLY, "parameters": PARAMETERS},
)
plain(
    "Schedules.update_schedule",
    "update",
    "schedule",
    scheduled,
    "PATCH",
    "/deployments/{id}/schedules/nightly",
    {"is_active": False, "parameters": PARAMETERS},
)
plain("Schedules.delete_schedule", "delete", "schedule", scheduled, "DELETE", "/deployments/{id}/schedules/nightly")

plain(
    "Backfills.create_backfill",
    "create",
    "backfill",
    paused,
    "POST",
    "/deployments/{id}/backfills",
    WINDOW | {"parameters": PARAMETERS, "max_active": 1},
)
plain("Backfills.pause_backfill", "pause", "backfill", backfill, "POST", "/backfills/{id}/pause")
plain("Backfills.cancel_backfill", "cancel", "backfill", backfill, "POST", "/backfills/{id}/cancel")


@change("Backfills.resume_backfill", "resume", "backfill")
def _resume_backfill(api):
    id = backfill(api)["id"]
    ok(api.post(f"/backfills/{id}/pause"))
    return "POST", f"/backfills/{id}/resume", None


@change("Flow Runs.create_flow_run", "create", "flow_run")
def _create_flow_run(api):
    # a subflow's run, whose state its parent's task run gets
    own = {"flow_id": make_flow(api)["id"], "parameters": PARAMETERS, "parent_task_run_id": make_task_run(api)["id"]}
    return "POST", "/flow_runs/", own


plain(
    "Flow Runs.update_flow_run",
    "update",
    "flow_run",
    make_flow_run,
    "PATCH",
    "/flow_runs/{id}",
    {"parameters": PARAMETERS},
)
plain("Flow Runs.delete_flow_run", "delete", "flow_run", make_flow_run, "DELETE", "/flow_runs/{id}")
plain("Flow Runs.retry_flow_run", "retry", "flow_run", over, "POST", "/flow_runs/{id}/retry")


@change("Flow Runs.set_flow_run_state", "set_state", "flow_run")
def _set_flow_run_state(api):
    parent = make_task_run(api)
    run = make_flow_run(api, parent_task_run_id=parent["id"])
    make_task_run(api, flow_run_id=run["id"])
    return "POST", f"/flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLED"}}


@change("Flow Runs.set_flow_run_states", "set_state", "flow_run")
def _set_flow_run_states(api):
    ids = [make_flow_run(api)["id"] for _ in range(2)]
    return "POST", "/flow_runs/set_state", {"flow_runs": {"id": {"any_": ids}}, "state": {"type": "CANCELLED"}}


@change("Flow Runs.delete_flow_runs", "delete", "flow_run")
def _delete_flow_runs(api):
    return "POST", "/flow_runs/delete", {"flow_runs": {"id": {"any_": [make_flow_run(api)["id"] for _ in range(2)]}}}


@change("Task Runs.create_task_run", "create", "task_run")
def _create_task_run(api):
    return "POST", "/task_runs/", {"flow_run_id": make_flow_run(api)["id"], "task_key": "extract", "dynamic_key": "0"}


plain(
    "Task Runs.set_task_run_state",
    "set_state",
    "task_run",
    make_task_run,
    "POST",
    "/task_runs/{id}/set_state",
    {"state": {"type": "RUNNING"}},
)
plain("Task Runs.delete_task_run", "delete", "task_run", make_task_run, "DELETE", "/task_runs/{id}")


@change("Concurrency Limits.create_concurrency_limit", "create", "concurrency_limit")
def _create_concurrency_limit(api):
    return "POST", "/concurrency_limits/", {"tag": f"new-{make_flow(api)['name']}", "concurrency_limit": 1}


plain("Concurrency Limits.delete_concurrency_limit", "delete", "concurrency_limit", limit, "DELETE", "/concurrency_limits/{id}")
plain("Concurrency Limits.delete_concurrency_limit_by_tag", "delete", "concurrency_limit", limit, "DELETE", "/concurrency_limits/tag/{tag}")
plain(
    "Concurrency Limits.reset_concurrency_limit_by_tag",
    "reset",
    "concurrency_limit",
    limit,
    "POST",
    "/concurrency_limits/tag/{tag}/reset",
)


@change("Work Queues.create_work_queue", "create", "work_queue")
def _create_work_queue(api):
    return "POST", "/work_queues/", {"name": f"new-{make_flow(api)['name']}", "filter": {"tags": ["etl"]}}


plain("Work Queues.update_work_queue", "update", "work_queue", make_work_queue, "PATCH", "/work_queues/{id}", {"is_paused": True})
plain("Work Queues.delete_work_queue", "delete", "work_queue", make_work_queue, "DELETE", "/work_queues/{id}")


@change("Work Queues.claim_work_queue_runs", "claim", "work_queue")
def _claim_work_queue_runs(api):
    [run, _] = make_due_runs(api, 2)
    queue = make_work_queue(api, filter={"deployment_ids": [run["deployment_id"]]})
    return "POST", f"/work_queues/{queue['id']}/claim_runs", {"worker": "host-1"}


@change("Saved Searches.put_saved_search", "create", "saved_search")
def _put_saved_search(api):
    return "PUT", "/saved_searches/", {"name": f"new-{make_flow(api)['name']}"}


plain("Saved Searches.delete_saved_search", "delete", "saved_search", search, "DELETE", "/saved_searches/{id}")


@change("Block Types.create_block_type", "create", "block_type")
def _create_block_type(api):
    return "POST", "/block_types/", {"name": f"new-{make_flow(api)['name']}"}


plain("Block Types.update_block_type", "update", "block_type", make_block_type, "PATCH", "/block_types/{id}", {"description": "For files"})
plain("Block Types.delete_block_type", "delete", "block_type", make_block_type, "DELETE", "/block_types/{id}")


@change("Block Schemas.create_block_schema", "create", "block_schema")
def _create_block_schema(api):
    kind = make_block_type(api)
    return "POST", "/block_schemas/", {"fields": {"title": kind["name"]}, "block_type_id": kind["id"], "capabilities": ["storage"]}


plain("Block Schemas.delete_block_schema", "delete", "block_schema", make_block_schema, "DELETE", "/block_schemas/{id}")


@change("Block Documents.create_block_document", "create", "block_document")
def _create_block_document(api):
    schema = make_block_schema(api)
    own = {"name": "warehouse", "data": {"password": SECRET}}
    return "POST", "/block_documents/", own | {"block_schema_id": schema["id"], "block_type_id": schema["block_type_id"]}


plain(
    "Block Documents.update_block_document",
    "update",
    "block_document",
    block,
    "PATCH",
    "/block_documents/{id}",
    {"data": {"password": f"{SECRET}!"}},
)
plain("Block Documents.delete_block_document", "delete", "block_document", block, "DELETE", "/block_documents/{id}")
plain(
    "Block Documents.set_default_storage_block_document",
    "set_default_storage",
    "block_document",
    block,
    "POST",
    "/block_documents/{id}/set_default_storage_block_document",
)


@change("Block Documents.clear_default_storage_block_document", "clear_default_storage", "block_document")
def _clear_default_storage_block_document(api):
    ok(api.post(f"/block_documents/{block(api)['id']}/set_default_storage_block_document"), 204)
    return "POST", "/block_documents/clear_default_storage_block_document", None


# the database of other tests is not to be cleared
ELSEWHERE = {"Admin.clear_database"}


def changing_endpoints():
    """The endpoints of routes that may change something: of a method that is not safe, and not in a transaction that only reads."""
    app = create_app(Settings(database_url="sqlite:////nowhere/mintaka.db"))
    rules = [rule for rule in app.url_map.iter_rules() if rule.methods - {"GET", "HEAD", "OPTIONS"}]
    return {rule.endpoint for rule in rules if not getattr(app.view_functions[rule.endpoint], "read_only", False)}


def entries_of(app, response):
    """The entries that a request left."""
    parts = app.extensions["mintaka"]
    wanted = {"audit_entries": {"request_id": {"any_": [response.headers["X-Request-ID"]]}}}
    return parts.database.run(lambda session: UnitOfWork(session, parts).audit_entries.find(wanted, None), read_only=True)


def test_every_route_that_may_change_something_is_recorded_or_listed_as_one_that_is_not():
    assert changing_endpoints() == CHANGES.keys() | ELSEWHERE | UNRECORDED.keys()
    assert not (CHANGES.keys() | ELSEWHERE) & UNRECORDED.keys()


@pytest.mark.parametrize("endpoint", CHANGES)
def test_a_change_leaves_exactly_one_entry(api, shared, endpoint):
    prepare, action, kind = CHANGES[endpoint]
    method, path, body = prepare(api)
    response = api.open(path, method=method, json=body)
    assert response.status_code < 300, response.text
    [entry] = entries_of(shared.app, response)
    assert (entry["action"], entry["object_kind"]) == (action, kind)
    assert (entry["via"], entry["address"], entry["actor"], entry["key_id"]) == ("api", "127.0.0.1", None, None)
    text = orjson.dumps([entry["changes"], entry["details"]]).decode()
    assert SECRET not in text
    # what was done is said, be it by fields or otherwise
    assert action == "reset" or text != "[{},{}]"
    # of many objects none is named
    is_of_many = path in ("/deployments/pause", "/deployments/resume", "/flow_runs/set_state", "/flow_runs/delete")
    assert isinstance(entry["object_id"], UUID) is not is_of_many
    assert (entry["object_name"] is not None) is not (is_of_many or kind == "backfill")


def test_clearing_the_database_leaves_the_trail_and_an_entry(settings):
    app = create_app(dataclasses.replace(settings, admin_database_routes=True))
    app.test_client_class = ApiClient
    client = app.test_client()
    key = make_key(app, "admin")
    made = client.post("/flows/", json={"name": "etl"})
    cleared = client.post("/admin/database/clear", json={"confirm": True})
    assert cleared.status_code == 204
    assert ok(client.post("/flows/count")) == 0
    # whoever may come goes on coming
    assert [one["name"] for one in change_keys(app, lambda keys: keys.list())] == [key["name"]]
    assert [entry["action"] for response in (made, cleared) for entry in entries_of(app, response)] == ["create", "clear"]
    app.extensions["mintaka"].database.dispose()

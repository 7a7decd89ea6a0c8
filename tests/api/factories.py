"""Things to test with, made through the API. A function returns the document that was answered; keywords go into the body as they are."""

from datetime import timedelta
from itertools import count

_numbers = count(1)


def make_flow(client, **fields):
    """A flow."""
    return _make(client, "/flows/", {"name": f"flow-{next(_numbers)}"} | fields)


def make_deployment(client, **fields):
    """A deployment without a schedule, of a flow of its own unless `flow_id` is given."""
    fields["flow_id"] = fields.get("flow_id") or make_flow(client)["id"]
    return _make(client, "/deployments/", {"name": f"deployment-{next(_numbers)}", "flow_data": {"encoding": "json", "blob": "1"}} | fields)


def make_flow_run(client, **fields):
    """A flow run, PENDING, of a flow of its own unless `flow_id` is given."""
    fields["flow_id"] = fields.get("flow_id") or make_flow(client)["id"]
    return _make(client, "/flow_runs/", fields)


def make_task_run(client, **fields):
    """A task run, PENDING, of a flow run of its own unless `flow_run_id` is given."""
    fields["flow_run_id"] = fields.get("flow_run_id") or make_flow_run(client)["id"]
    return _make(client, "/task_runs/", {"task_key": "task", "dynamic_key": str(next(_numbers))} | fields)


def make_work_queue(client, **fields):
    """A work queue of the runs of all deployments, unless `filter` says otherwise."""
    return _make(client, "/work_queues/", {"name": f"work-queue-{next(_numbers)}"} | fields)


def make_due_runs(client, number, *, due=None, **fields):
    """As many SCHEDULED runs of one deployment, which `fields` describe; the n-th is to start n minutes after `due`, or all of them now."""
    deployment = make_deployment(client, **fields)
    times = [{} if due is None else {"state_details": {"scheduled_time": (due + timedelta(minutes=n)).isoformat()}} for n in range(number)]
    path = f"/deployments/{deployment['id']}/create_flow_run"
    return [_make(client, path, {"state": {"type": "SCHEDULED"} | time}) for time in times]


def make_block_type(client, **fields):
    """A block type."""
    return _make(client, "/block_types/", {"name": f"type {next(_numbers)}"} | fields)


def make_block_schema(client, **fields):
    """A block schema that can be storage, of a type of its own unless `block_type_id` is given."""
    fields["block_type_id"] = fields.get("block_type_id") or make_block_type(client)["id"]
    return _make(client, "/block_schemas/", {"fields": {"title": f"Schema{next(_numbers)}"}, "capabilities": ["storage"]} | fields)


def make_block(client, schema=None, **fields):
    """A block of a schema (a document) of its own unless one is given."""
    schema = schema or make_block_schema(client)
    own = {"block_schema_id": schema["id"], "block_type_id": schema["block_type_id"]}
    named = {} if fields.get("is_anonymous") else {"name": f"block-{next(_numbers)}"}
    return _make(client, "/block_documents/", own | named | fields)


def _make(client, path, body):
    response = client.post(path, json=body)
    assert response.status_code in (200, 201), response.text
    return response.json

"""Things to test with, made through the API. A function returns the document that was answered; keywords go into the body as they are."""

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


def _make(client, path, body):
    response = client.post(path, json=body)
    assert response.status_code in (200, 201), response.text
    return response.json

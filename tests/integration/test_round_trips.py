"""How often each hot route asks PostgreSQL: statements, and messages, each of which is a round trip."""

from uuid import uuid4

import pytest
from sqlalchemy import event

from app.db.dialect import Connection
from tests.api.factories import make_deployment, make_flow, make_flow_run

# (statements, messages): a transaction that only reads needs no BEGIN and no COMMIT
READS = (1, 1)
# BEGIN goes with the first statement
WRITES = (1, 2)
# the entry in the audit trail goes with COMMIT
RECORDED = (2, 2)


@pytest.fixture
def database_url(postgres_url):
    """Only PostgreSQL is asked through a network."""
    return postgres_url


@pytest.fixture
def asked(app, monkeypatch):
    """A function that starts to count, and returns (statements, messages), two lists of what PostgreSQL is asked from then on."""
    statements, messages = [], []
    database = app.extensions["mintaka"].database

    def statement(_connection, _cursor, text, _parameters, _context, _many):
        statements.append(text)

    def send(connection, cursor, message, parameters=None):
        messages.append(message)
        cursor.execute(message, parameters)

    def start():
        monkeypatch.setattr(Connection, "send", send)
        for engine in (database.engine(), database.engine(read_only=True)):
            event.listen(engine, "before_cursor_execute", statement)
        return statements, messages

    return start


@pytest.fixture
def made(client):
    """A deployment, a run of it and a run that is RUNNING: what paths and bodies name."""
    flow = make_flow(client)
    deployment = make_deployment(client, flow_id=flow["id"], name="nightly")
    run = make_flow_run(client, flow_id=flow["id"])
    assert client.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": "RUNNING"}}).status_code == 201
    return {"flow": flow["id"], "flow_name": flow["name"], "deployment": deployment["id"], "run": run["id"]}


LOG = {"name": "etl", "level": 20, "message": "read", "timestamp": "2022-06-01T09:00:00+00:00", "flow_run_id": str(uuid4())}
NEW = {
    "flow_id": "{flow}",
    "name": "new",
    "flow_data": {"encoding": "json", "blob": "{}"},
    "schedule": {"cron": "0 9 * * *"},
    "is_schedule_active": False,
}
ROUTES = {
    "read a deployment": ("GET", "/deployments/{deployment}", None, READS),
    "read a deployment by name": ("GET", "/deployments/name/{flow_name}/nightly", None, READS),
    "list deployments": ("POST", "/deployments/filter", {"limit": 200}, READS),
    "count deployments": ("POST", "/deployments/count", {"flows": {"name": {"like_": "a"}}}, READS),
    "read a flow run": ("GET", "/flow_runs/{run}", None, READS),
    "list flow runs": ("POST", "/flow_runs/filter", {"sort": "EXPECTED_START_TIME_ASC"}, READS),
    "count flow runs": ("POST", "/flow_runs/count", {}, READS),
    "create a run of a deployment": ("POST", "/deployments/{deployment}/create_flow_run", {"parameters": {"a": 1}}, RECORDED),
    "create a run": ("POST", "/flow_runs/", {"flow_id": "{flow}"}, RECORDED),
    "write logs": ("POST", "/logs/", [LOG] * 100, WRITES),
    # the run, locked; its state; then both as they are to be, with the entry
    "set the state of a flow run": ("POST", "/flow_runs/{run}/set_state", {"state": {"type": "RUNNING"}}, (4, 3)),
    # the deployment, which is not there; it; its schedule, with the entry
    "create a deployment": ("POST", "/deployments/", NEW, (4, 3)),
    # the deployment, locked; its schedules; it, as it is to be. Nothing changes, and no entry is made
    "update a deployment with what it is": ("POST", "/deployments/", NEW, (3, 4)),
}


@pytest.mark.parametrize("route", ROUTES)
def test_a_hot_route_asks_so_often(client, made, asked, route):
    method, path, body, expected = ROUTES[route]
    if isinstance(body, dict):
        body = {name: value.format(**made) if name == "flow_id" else value for name, value in body.items()}

    def ask(body):
        response = client.open(path.format(**made), method=method, json=body)
        assert response.status_code < 300, response.text

    # what is asked once: whether the schema is current, what the driver wants to know of a new connection, and what is prepared on it
    ask(body)
    if route == "create a deployment":
        body["name"] = "another"
    else:
        # the first time it was created
        ask(body)
    statements, messages = asked()
    ask(body)
    assert (len(statements), len(messages)) == expected, messages

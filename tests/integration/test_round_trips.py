"""How often each hot route asks PostgreSQL: statements, and round trips, of which BEGIN and COMMIT are one each."""

from contextlib import contextmanager
from uuid import uuid4

import pytest
from sqlalchemy import event

from tests.api.factories import make_deployment, make_flow, make_flow_run

# (statements, round trips): a transaction that only reads needs no BEGIN and no COMMIT
READS, WRITES = (1, 1), (1, 3)
# a change that the audit trail has: its entry is one statement
RECORDED = (2, 4)


@pytest.fixture
def database_url(postgres_url):
    """Only PostgreSQL is asked through a network."""
    return postgres_url


@contextmanager
def counted(app):
    """A list of what PostgreSQL is asked while the block lasts: statements, and the BEGIN and COMMIT of transactions that write."""
    asked = []
    database = app.extensions["mintaka"].database
    writing, reading = database.engine(), database.engine(read_only=True)

    def statement(_connection, _cursor, text, _parameters, _context, _many):
        asked.append(text)

    def begin(_connection):
        asked.append("BEGIN")

    def commit(_connection):
        asked.append("COMMIT")

    listeners = [(writing, "before_cursor_execute", statement), (reading, "before_cursor_execute", statement)]
    listeners += [(writing, "begin", begin), (writing, "commit", commit)]
    for listener in listeners:
        event.listen(*listener)
    yield asked
    for listener in listeners:
        event.remove(*listener)


def numbers(asked):
    """How many of `asked` are statements, and how many round trips there were."""
    return sum(one not in ("BEGIN", "COMMIT") for one in asked), len(asked)


@pytest.fixture
def made(client):
    """A deployment, a run of it and a run that is RUNNING: what paths and bodies name."""
    flow = make_flow(client)
    deployment = make_deployment(client, flow_id=flow["id"], name="nightly")
    run = make_flow_run(client, flow_id=flow["id"])
    assert client.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": "RUNNING"}}).status_code == 201
    return {"flow": flow["id"], "flow_name": flow["name"], "deployment": deployment["id"], "run": run["id"]}


LOG = {"name": "etl", "level": 20, "message": "read", "timestamp": "2022-06-01T09:00:00+00:00", "flow_run_id": str(uuid4())}
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
    # the run, locked; its state; then both as they are to be; and the entry
    "set the state of a flow run": ("POST", "/flow_runs/{run}/set_state", {"state": {"type": "RUNNING"}}, (4, 6)),
}


@pytest.mark.parametrize("route", ROUTES)
def test_a_hot_route_asks_so_often(app, client, made, route):
    method, path, body, expected = ROUTES[route]
    if isinstance(body, dict):
        body = {name: value.format(**made) if isinstance(value, str) else value for name, value in body.items()}

    def ask():
        response = client.open(path.format(**made), method=method, json=body)
        assert response.status_code < 300, response.text

    # what is asked once: whether the schema is current, and what the driver wants to know of a new connection
    ask()
    with counted(app) as asked:
        ask()
    assert numbers(asked) == expected, asked

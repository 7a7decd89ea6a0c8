"""The checker finds what it looks for: each rule is broken by hand."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from tests.api.asking import ok
from tests.api.factories import make_flow_run
from tests.faults.checker import lost, schedule_faults, violations


@pytest.fixture
def database_url(sqlite_url):
    return sqlite_url


@pytest.fixture
def broken(database_url):
    """Execute a statement, which no rule of the database keeps from breaking those of the server."""

    def execute(statement, *values):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as connection, connection:
            connection.execute(statement, values)

    return execute


@pytest.fixture
def completed(client):
    run = make_flow_run(client, idempotency_key="load-1")
    for state in ("RUNNING", "COMPLETED"):
        ok(client.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": state}}), 201)
    return run["id"]


COPY = """
INSERT INTO flow_run_state (id, created, flow_run_id, type, name, timestamp, state_details)
SELECT lower(hex(randomblob(16))), created, flow_run_id, type, name, timestamp, state_details
FROM flow_run_state WHERE type = 'COMPLETED'"""
BREAKS = {
    "terminal states of a run after the first": COPY,
    "runs that are not in the newest state of their history": "UPDATE flow_run SET state_type = 'RUNNING'",
    "runs without a state": "DELETE FROM flow_run_state",
    "runs whose history goes on after its end": "UPDATE flow_run SET state_type = 'RUNNING'",
    "leases on runs that are over": """
        INSERT INTO lease (id, created, flow_run_id, expires_at) SELECT id, created, id, created FROM flow_run""",
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_broken_rule_is_found(completed, database_url, broken, what):
    assert violations(database_url) == []
    broken(BREAKS[what])
    assert any(found.startswith(what) for found in violations(database_url))


def test_a_lost_write_and_a_doubled_one_are_found(completed, database_url, broken, client):
    acknowledged = {"runs": ["load-1"], "deployments": {}, "ends": [completed]}
    assert lost(database_url, acknowledged) == []
    assert lost(database_url, acknowledged | {"runs": ["load-2"], "deployments": {"load-a": {0: 3}}}) == [
        ("runs", "load-2", 0),
        ("deployments", "load-a", None),
    ]
    broken("UPDATE flow_run SET state_type = 'FAILED'")
    assert lost(database_url, acknowledged) == [("ends", completed, None)]


def test_a_missing_instant_of_a_schedule_is_found(client, database_url, broken):
    flow = ok(client.post("/flows/", json={"name": "etl"}), 201)["id"]
    body = {"name": "hourly", "flow_id": flow, "flow_data": {"encoding": "json", "blob": "1"}, "schedule": {"interval": 3600}}
    deployment = ok(client.post("/deployments/", json=body), 201)["id"]
    assert schedule_faults(database_url, deployment, 3600) == []
    second = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
    broken("DELETE FROM flow_run WHERE expected_start_time = ?", second.strftime("%Y-%m-%d %H:%M:%S.%f"))
    assert schedule_faults(database_url, deployment, 3600) == ["99 runs for the 100 instants they span"]

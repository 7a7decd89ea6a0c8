"""What has to hold in a database after a fault, asked in plain SQL and without any of the application's code."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from uuid import UUID

import psycopg2

from tests.databases import libpq_dsn

TERMINAL = ("COMPLETED", "FAILED", "CANCELLED")
TERMINAL_SQL = str(TERMINAL)

# A run is in one state at a time, and what is over stays over
STATES = {
    "terminal states of a run after the first": f"""
        SELECT flow_run_id, count(*) FROM flow_run_state WHERE type IN {TERMINAL_SQL} GROUP BY flow_run_id HAVING count(*) > 1""",
    "runs that are not in the newest state of their history": """
        SELECT r.id, r.state_type FROM flow_run r JOIN flow_run_state s ON s.id = r.state_id
        WHERE s.type <> r.state_type OR s.flow_run_id <> r.id""",
    "runs without a state": "SELECT r.id FROM flow_run r LEFT JOIN flow_run_state s ON s.id = r.state_id WHERE s.id IS NULL",
    "runs whose history goes on after its end": f"""
        SELECT r.id, r.state_type FROM flow_run r WHERE r.state_type NOT IN {TERMINAL_SQL} AND EXISTS (
            SELECT 1 FROM flow_run_state s WHERE s.flow_run_id = r.id AND s.type IN {TERMINAL_SQL})""",
    "leases of a run beside the first": "SELECT flow_run_id, count(*) FROM lease GROUP BY flow_run_id HAVING count(*) > 1",
    "leases on runs that are over": f"""
        SELECT l.id FROM lease l JOIN flow_run r ON r.id = l.flow_run_id WHERE r.state_type IN {TERMINAL_SQL}""",
    "slots that no running task run holds": """
        SELECT s.id FROM concurrency_slot s JOIN task_run t ON t.id = s.task_run_id WHERE t.state_type <> 'RUNNING'""",
}


def rows(url, statement, *values):
    """The rows of a statement, whose parameters are written as ?, in the database at `url`."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return connection.execute(statement, values).fetchall()
    with closing(psycopg2.connect(libpq_dsn(url))) as connection, connection.cursor() as cursor:
        cursor.execute(statement.replace("%", "%%").replace("?", "%s"), values)
        return cursor.fetchall()


def violations(url):
    """What does not hold in the database at `url`, as sentences."""
    return [f"{what}: {found[:3]}" for what, statement in STATES.items() if (found := rows(url, statement))]


def lost(url, acknowledged):
    """The writes of `acknowledged` that are not there, or not once: {kind: {key: what was last written}}."""
    runs = dict(rows(url, "SELECT idempotency_key, count(*) FROM flow_run WHERE idempotency_key LIKE 'load-%' GROUP BY idempotency_key"))
    missing = [("runs", key, runs.get(key, 0)) for key in acknowledged["runs"] if runs.get(key) != 1]
    doubled = [("runs", key, number) for key, number in runs.items() if number > 1]
    stored = rows(url, "SELECT name, parameters FROM deployment WHERE name LIKE 'load-%'")
    texts = {name: str(parameters).replace(" ", "") for name, parameters in stored}
    wrong = [
        ("deployments", name, texts.get(name))
        for name, numbers in acknowledged["deployments"].items()
        if not any(f"{quote}n{quote}:{number}}}" in texts.get(name, "") for quote in "\"'" for number in numbers.values())
    ]
    ended = {str(UUID(str(id))) for (id,) in rows(url, "SELECT id FROM flow_run WHERE state_type = 'COMPLETED'")}
    return missing + doubled + wrong + [("ends", id, None) for id in acknowledged["ends"] if id not in ended]


def schedule_faults(url, deployment, seconds):
    """How the runs of a deployment that is scheduled each `seconds` from midnight of 2020-01-01 UTC on differ from one run an instant."""
    start = datetime(2020, 1, 1, tzinfo=UTC)
    found = rows(url, "SELECT expected_start_time FROM flow_run WHERE auto_scheduled AND deployment_id = ?", _id(url, deployment))
    numbers = sorted((_instant(moment) - start).total_seconds() / seconds for (moment,) in found)
    whole = [round(number) for number in numbers]
    faults = [f"{number} is no instant of the schedule" for number, near in zip(numbers, whole, strict=True) if abs(number - near) > 1e-6]
    expected = list(range(whole[0], whole[-1] + 1)) if whole else []
    return faults + ([] if whole == expected else [f"{len(whole)} runs for the {len(expected)} instants they span"])


def _id(url, id):
    return UUID(id).hex if url.startswith("sqlite") else id


def _instant(moment):
    return datetime.fromisoformat(moment).replace(tzinfo=UTC) if isinstance(moment, str) else moment

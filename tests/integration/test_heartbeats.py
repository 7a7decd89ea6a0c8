"""`app.scheduler.heartbeats`: who runs where, since when, and who has fallen silent."""

import os
import socket
from datetime import UTC, datetime

import pytest

from app.errors import Unavailable
from app.scheduler.heartbeats import Heartbeat
from tests.api.asking import ok
from tests.cli.results import documents
from tests.parts import make_parts, unit_of_work

NOON = datetime(2022, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def process(database, clock):
    """The heartbeats of a process that began at noon."""
    clock.stop_at(NOON)
    return Heartbeat(make_parts(database, clock))


@pytest.fixture
def listed(database, clock):
    """listed() is what is known of all processes."""
    return lambda: database.run(lambda session: unit_of_work(session, clock).heartbeats.list(), read_only=True)


def test_a_process_is_known_from_its_first_pass_on_and_until_it_ends(process, clock, listed):
    passes = process.after("scheduler", 60, lambda: "done")
    assert listed() == []
    for minutes in (1, 2):
        clock.advance(minutes=1)
        assert passes() == "done"
        here = {"service": "scheduler", "host": socket.gethostname(), "pid": os.getpid(), "since": NOON, "silent": False}
        assert listed() == [here | {"last_pass": clock()}], minutes
    process.end()
    assert listed() == []


def test_a_pass_that_fails_is_no_sign_of_life(process, listed):
    def fail():
        raise Unavailable("down")

    with pytest.raises(Unavailable):
        process.after("scheduler", 60, fail)()
    assert listed() == []


def test_whoever_misses_three_loops_is_silent_and_is_forgotten_a_day_later(process, clock, listed, client, app):
    process.after("scheduler", 60, int)()
    process.after("late_runs", 5, int)()
    clock.advance(seconds=180)
    assert {one["service"]: one["silent"] for one in listed()} == {"late_runs": True, "scheduler": False}
    assert ok(client.get("/ready?for=scheduler")) is True
    assert len(documents(app.test_cli_runner().invoke(args=["scheduler", "status", "--output", "json"]))) == 2
    clock.advance(seconds=1)
    assert client.get("/ready?for=scheduler").status_code == 503
    assert ok(client.get("/ready?for=web")) is True
    status = app.test_cli_runner().invoke(args=["scheduler", "status"])
    assert status.exit_code == 1
    assert [line.split()[0] for line in status.stdout.splitlines()] == ["SERVICE", "late_runs", "scheduler"]
    assert status.stderr == "No scheduler makes passes; `mintaka scheduler run` starts one.\n"
    clock.advance(days=1)
    process.after("retention", 3600, int)()
    assert [one["service"] for one in listed()] == ["retention"]


def test_what_is_neither_is_refused(client):
    answer = client.get("/ready?for=nothing")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["loc"] == ["query", "for"]

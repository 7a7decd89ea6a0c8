"""The worker that the documentation shows, at work on a real server."""

import os
import subprocess
import sys
from contextlib import contextmanager, suppress

import pytest
import requests

from tests.serving import PATIENCE, ROOT, kill_group, wait_until

# What the worker runs: it notes its parameters and process, and then ends as they say, or never
PROGRAM = """
import json, os, pathlib, sys, time
given = json.load(sys.stdin)
pathlib.Path(sys.argv[1], f"{given['n']}.txt").write_text(str(os.getpid()))
if given["code"] is None:
    time.sleep(600)
sys.exit(given["code"])
"""


@pytest.fixture
def worker_file(tmp_path):
    """The documented worker, with a lease that is short enough for a test to see it renewed."""
    text = (ROOT / "docs" / "worker.py").read_text()
    assert "\nLEASE = 30 " in text
    file = tmp_path / "worker.py"
    file.write_text(text.replace("\nLEASE = 30 ", "\nLEASE = 6 "))
    return file


@contextmanager
def working(file, server, folder):
    """Run the worker on the queue "etl" for as long as the block lasts; yields its process."""
    command = [sys.executable, str(file), server.api, "etl", sys.executable, "-c", PROGRAM, str(folder)]
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        kill_group(process)


def ask(server, path, body=None):
    response = requests.request("GET" if body is None else "POST", f"{server.api}{path}", json=body, timeout=PATIENCE)
    assert response.ok, response.text
    return response.json()


def is_alive(pid):
    """Whether a process with this id is there."""
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_the_worker_runs_what_is_due_reports_how_it_ended_and_drops_what_is_taken_from_it(
    gunicorn_server, database_url, tmp_path, worker_file
):
    server = gunicorn_server(database_url, workers=1)
    flow = ask(server, "/flows/", {"name": "etl"})
    deployment = ask(server, "/deployments/", {"name": "d", "flow_id": flow["id"], "flow_data": {"encoding": "json", "blob": "1"}})
    ask(server, "/work_queues/", {"name": "etl"})

    def run(n, code):
        body = {"parameters": {"n": n, "code": code}, "state": {"type": "SCHEDULED"}}
        return ask(server, f"/deployments/{deployment['id']}/create_flow_run", body)["id"]

    def state_of(run):
        return ask(server, f"/flow_runs/{run}")["state"]

    good, bad, endless, last = (run(n, code) for n, code in enumerate((0, 3, None, 0)))
    with working(worker_file, server, tmp_path) as worker:
        noted = tmp_path / "2.txt"
        wait_until(lambda: worker.poll() is not None or (noted.exists() and noted.read_text()), "the third program runs")
        assert [(state_of(one)["type"], state_of(one)["message"]) for one in (good, bad)] == [
            ("COMPLETED", "exit code 0"),
            ("FAILED", "exit code 3"),
        ]
        assert (state_of(endless)["type"], state_of(last)["type"]) == ("RUNNING", "SCHEDULED")
        ask(server, f"/flow_runs/{endless}/set_state", {"state": {"type": "CANCELLED"}})
        wait_until(lambda: worker.poll() is not None or state_of(last)["type"] == "COMPLETED", "the worker goes on with the next run")
        assert worker.poll() is None, (tmp_path / "worker.log").read_text()
        assert not is_alive(int(noted.read_text()))
        assert state_of(endless)["type"] == "CANCELLED"
        assert [ask(server, f"/flow_runs/{one}")["run_count"] for one in (good, bad, endless, last)] == [1, 1, 1, 1]


def test_a_worker_that_is_stopped_stops_its_program_and_leaves_the_run_to_its_lease(gunicorn_server, sqlite_url, tmp_path, worker_file):
    server = gunicorn_server(sqlite_url, workers=1)
    flow = ask(server, "/flows/", {"name": "etl"})
    deployment = ask(server, "/deployments/", {"name": "d", "flow_id": flow["id"], "flow_data": {"encoding": "json", "blob": "1"}})
    ask(server, "/work_queues/", {"name": "etl"})
    body = {"parameters": {"n": 0, "code": None}, "state": {"type": "SCHEDULED"}}
    run = ask(server, f"/deployments/{deployment['id']}/create_flow_run", body)["id"]
    with working(worker_file, server, tmp_path) as worker:
        noted = tmp_path / "0.txt"
        wait_until(lambda: worker.poll() is not None or (noted.exists() and noted.read_text()), "the program runs")
        worker.terminate()
        assert worker.wait(PATIENCE) == 1
        assert not is_alive(int(noted.read_text()))
    assert ask(server, f"/flow_runs/{run}")["state_type"] == "RUNNING"

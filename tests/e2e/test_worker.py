"""The worker that the documentation shows, at work on a real server."""

import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from itertools import count

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
time.sleep(given.get("seconds", 0))
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
def working(file, api, folder):
    """Run the worker on the queue "etl" of the server at `api` for as long as the block lasts; yields its process."""
    command = [sys.executable, str(file), api, "etl", sys.executable, "-c", PROGRAM, str(folder)]
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        kill_group(process)


@contextmanager
def unreliable(url):
    """The URL of a proxy before the server at `url` that drops every second connection without an answer."""
    host, port = url.removeprefix("http://").split(":")

    def serve():
        for number in count():
            with suppress(OSError):
                client, _ = listener.accept()
                with client:
                    if number % 2 == 0:
                        continue
                    with socket.create_connection((host, int(port))) as server:
                        threading.Thread(target=pump, args=(client, server), daemon=True).start()
                        pump(server, client)
                continue
            return

    def pump(source, sink):
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


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


def open_queue(server):
    """Make the queue "etl", and return a function that puts a due run with parameters into it and returns its id."""
    flow = ask(server, "/flows/", {"name": "etl"})
    deployment = ask(server, "/deployments/", {"name": "d", "flow_id": flow["id"], "flow_data": {"encoding": "json", "blob": "1"}})
    ask(server, "/work_queues/", {"name": "etl"})

    def run(**parameters):
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return ask(server, f"/deployments/{deployment['id']}/create_flow_run", body)["id"]

    return run


def test_the_worker_runs_what_is_due_reports_how_it_ended_and_drops_what_is_taken_from_it(
    gunicorn_server, database_url, tmp_path, worker_file
):
    server = gunicorn_server(database_url, workers=1)
    run = open_queue(server)

    def state_of(run):
        return ask(server, f"/flow_runs/{run}")["state"]

    good, bad, endless, last = (run(n=n, code=code) for n, code in enumerate((0, 3, None, 0)))
    with working(worker_file, server.api, tmp_path) as worker:
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
    run = open_queue(server)(n=0, code=None)
    with working(worker_file, server.api, tmp_path) as worker:
        noted = tmp_path / "0.txt"
        wait_until(lambda: worker.poll() is not None or (noted.exists() and noted.read_text()), "the program runs")
        worker.terminate()
        assert worker.wait(PATIENCE) == 1
        assert not is_alive(int(noted.read_text()))
    assert ask(server, f"/flow_runs/{run}")["state_type"] == "RUNNING"


def test_a_run_outlasts_its_lease_and_connections_that_are_dropped(gunicorn_server, sqlite_url, tmp_path, worker_file):
    server = gunicorn_server(sqlite_url, workers=1)
    path = f"/flow_runs/{open_queue(server)(n=0, code=0, seconds=7)}"
    with unreliable(server.url) as url, working(worker_file, f"{url}/api", tmp_path) as worker:
        wait_until(lambda: worker.poll() is not None or ask(server, path)["state_type"] == "COMPLETED", "the run completes")
        said = (tmp_path / "worker.log").read_text()
        assert worker.poll() is None, said
    run = ask(server, path)
    assert (run["state"]["message"], run["run_count"]) == ("exit code 0", 1)
    assert "trying again" in said

"""`worker start`, at work on a real server."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from itertools import count
from uuid import uuid4

import pytest
import requests

from app.worker.api import Api
from app.worker.handlers import Cancelled, current_run, state
from app.worker.worker import Worker
from benchmarks.soak_worker import soak
from tests.keys import bearer, stored_key
from tests.serving import PATIENCE, ROOT, environment, free_port, kill_group, running_gunicorn, running_scheduler, wait_until

JOB = ("--handler", "tests.e2e.worker_jobs:job")
LEASE = 6  # seconds: short enough for a test to see it renewed


def ask(server, path, body=None):
    method, headers = "GET" if body is None else "POST", bearer(server.key) if server.key else {}
    response = requests.request(method, f"{server.api}{path}", json=body, headers=headers, timeout=PATIENCE)
    assert response.ok, response.text
    return response.json()


def state_of(server, run):
    return ask(server, f"/flow_runs/{run}")["state"]


def history(server, run):
    return [entry["type"] for entry in ask(server, f"/flow_run_states/?flow_run_id={run}")]


def deploy(server, **more):
    flow = ask(server, "/flows/", {"name": "etl"})
    body = {"name": uuid4().hex, "flow_id": flow["id"], "flow_data": {"encoding": "json", "blob": "1"}}
    return ask(server, "/deployments/", body | more)["id"]


@pytest.fixture(scope="module")
def shared_server(sqlite_template, tmp_path_factory):
    """A server on SQLite for tests that mind their own queues; yields it and the URL of its database."""
    url = f"sqlite:///{shutil.copy(sqlite_template, tmp_path_factory.mktemp('worker') / 'mintaka.db')}"
    with running_gunicorn(url, workers=1) as server:
        yield server, url


@pytest.fixture
def server(shared_server):
    return shared_server[0]


class Queue:
    """A new work queue of the runs of one deployment. `run(...)` puts a due run with those parameters into it, and returns its id."""

    def __init__(self, server, *others):
        self.server, self.name, self.deployment = server, uuid4().hex, deploy(server)
        ask(server, "/work_queues/", {"name": self.name, "filter": {"deployment_ids": [self.deployment, *others]}})

    def run(self, **parameters):
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return ask(self.server, f"/deployments/{self.deployment}/create_flow_run", body)["id"]


class Process:
    """A worker in a process of its own. `notes()` are the numbers of the runs that its handler was called for."""

    def __init__(self, process, folder):
        self.process, self.folder = process, folder

    def notes(self):
        file = self.folder / "notes.txt"
        return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []

    def said(self):
        return (self.folder / "worker.log").read_text()

    def until(self, condition, what):
        wait_until(lambda: self.process.poll() is not None or condition(), what)
        assert self.process.poll() is None, self.said()

    def stop(self):
        self.process.terminate()
        return self.process.wait(PATIENCE)


@contextmanager
def working(api, queue_name, folder, *options, lease=LEASE, program=("app.worker",), key=None):
    """Run `worker start` on a queue of the server at `api` for as long as the block lasts; yields a `Process`. `key` is its API key."""
    command = [sys.executable, "-m", *program, "start", "--queue", queue_name, "--api", api, "--lease-seconds", str(lease)]
    variables = environment(database_url=f"sqlite:///{folder / 'none.db'}") | {"WORKER_NOTES": str(folder / "notes.txt")}
    variables |= {"MINTAKA_API_KEY": key} if key else {}
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--poll-seconds", "0.2", *options], cwd=ROOT, env=variables, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield Process(process, folder)
    finally:
        kill_group(process)


class Link:
    """A way to the server at `url`. While `cut` it refuses to carry anything; with `drop_every`, each so-many-th connection is dropped."""

    def __init__(self, url, drop_every=None):
        self.host, self.port = url.removeprefix("http://").split(":")
        self.drop_every, self.cut, self.open = drop_every, False, set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.api = f"http://127.0.0.1:{self.listener.getsockname()[1]}/api"
        threading.Thread(target=self._serve, daemon=True).start()

    def sever(self):
        """Cut what there is, and what would come."""
        self.cut = True
        for end in list(self.open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.sever()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _serve(self):
        with suppress(OSError):
            for number in count():
                client, _ = self.listener.accept()
                if self.cut or (self.drop_every and number % self.drop_every == 0):
                    client.close()
                else:
                    threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client):
        with client, socket.create_connection((self.host, int(self.port))) as server:
            self.open |= {client, server}
            back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
            back.start()
            self._pump(client, server)
            back.join()
            self.open -= {client, server}

    @staticmethod
    def _pump(source, sink):
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def link():
    """Make a `Link`, which is closed when the test ends."""
    links = []

    def make(url, **options):
        links.append(Link(url, **options))
        return links[-1]

    yield make
    for one in links:
        one.close()


def test_scheduled_runs_complete_a_handler_that_raises_fails_and_a_cancelled_one_stops(gunicorn_server, database_url, tmp_path):
    server = gunicorn_server(database_url, workers=1, auth="on")
    server.key = stored_key(database_url, "admin")
    ticking = deploy(server, parameters={"n": 3}, schedule={"interval": 1})
    queue = Queue(server, ticking)
    bad, endless = queue.run(n=1, do="fail"), queue.run(n=2, do="heed")
    done = {"deployments": {"id": {"any_": [ticking]}}, "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    key, among_the_others = stored_key(database_url, "worker"), ("flask", "--app", "wsgi", "worker")
    with working(server.api, queue.name, tmp_path, *JOB, "--slots", "2", program=among_the_others, key=key) as worker:
        worker.until(lambda: ask(server, "/flow_runs/count", done) >= 2, "two scheduled runs complete")
        scheduled = ask(server, "/flow_runs/filter", done)[0]
        assert scheduled["auto_scheduled"]
        assert history(server, scheduled["id"]) == ["SCHEDULED", "PENDING", "RUNNING", "COMPLETED"]
        assert scheduled["state"]["data"] == {"encoding": "json", "blob": json.dumps({"rows": 3})}
        assert (state_of(server, bad)["type"], state_of(server, bad)["message"]) == ("FAILED", "LookupError: no such table: 1\ufffd")
        assert state_of(server, endless)["type"] == "RUNNING"
        ask(server, f"/flow_runs/{endless}/set_state", {"state": {"type": "CANCELLED"}})
        worker.until(lambda: "stopped: " in worker.said(), "the worker stops the cancelled run")
        assert state_of(server, endless)["type"] == "CANCELLED"
        asked = {"logs": {"flow_run_id": {"any_": [bad]}}, "sort": "TIMESTAMP_ASC"}
        worker.until(lambda: len(ask(server, "/logs/filter", asked)) >= 3, "the failed run's log arrives")
        logged = {line["message"].splitlines()[0]: line for line in ask(server, "/logs/filter", asked)}
        assert logged["run 1 is told to fail"]["name"] == "jobs"
        assert 'raise LookupError(f"no such table' in logged["the handler failed"]["message"]
        assert worker.stop() == 0, worker.said()
    assert len(worker.notes()) == len(set((tmp_path / "notes.txt").read_text().splitlines()))


def test_a_stopped_worker_lets_runs_end_and_gives_back_those_that_do_not(server, tmp_path):
    queue = Queue(server)
    brief, endless, waiting = queue.run(n=1, seconds=1), queue.run(n=2, do="heed"), queue.run(n=3)
    with working(server.api, queue.name, tmp_path, *JOB, "--slots", "2", "--grace-seconds", "2") as worker:
        worker.until(lambda: sorted(worker.notes()) == ["1", "2"], "two runs are executed")
        assert worker.stop() == 0, worker.said()
    assert state_of(server, brief)["type"] == "COMPLETED"
    given_back = state_of(server, endless)
    assert (given_back["type"], history(server, endless)) == ("SCHEDULED", ["SCHEDULED", "PENDING", "RUNNING", "SCHEDULED"])
    assert re.fullmatch(r"Given back: \S+:\d+ was stopped", given_back["message"])
    assert history(server, waiting) == ["SCHEDULED"]


def test_what_a_killed_worker_held_goes_back_and_is_executed_by_the_next(shared_server, tmp_path):
    server, url = shared_server
    queue = Queue(server)
    run = queue.run(n=1, seconds=1)
    with running_scheduler(url, tmp_path / "scheduler.log", late_runs_loop_seconds=0.2):
        with working(server.api, queue.name, tmp_path, *JOB, lease=3) as worker:
            worker.until(worker.notes, "the run is executed")
            os.killpg(worker.process.pid, signal.SIGKILL)
        with working(server.api, queue.name, tmp_path, *JOB, lease=3) as worker:
            worker.until(lambda: state_of(server, run)["type"] == "COMPLETED", "the next worker completes the run")
    assert history(server, run) == ["SCHEDULED", "PENDING", "RUNNING", "SCHEDULED", "PENDING", "RUNNING", "COMPLETED"]
    assert worker.notes() == ["1", "1"]


def test_a_run_outlasts_its_lease_and_connections_that_are_dropped(server, tmp_path, link):
    queue = Queue(server)
    run = queue.run(n=1, seconds=4)
    bad = link(server.url, drop_every=2)
    with working(bad.api, queue.name, tmp_path, *JOB, lease=3) as worker:
        worker.until(lambda: state_of(server, run)["type"] == "COMPLETED", "the run completes")
        said = worker.said()
    assert history(server, run) == ["SCHEDULED", "PENDING", "RUNNING", "COMPLETED"]
    assert "trying again" in said


def test_a_worker_without_its_server_stops_what_it_executes_before_another_is_given_it_and_comes_back(server, tmp_path, link):
    queue = Queue(server)
    run = queue.run(n=1, do="heed")
    line = link(server.url)
    with working(line.api, queue.name, tmp_path, *JOB, lease=3) as worker:
        worker.until(worker.notes, "the run is executed")
        line.sever()
        worker.until(lambda: "stopped: its lease ran out" in worker.said(), "the worker stops the run")
        assert state_of(server, run)["type"] == "RUNNING"
        line.cut = False
        last = queue.run(n=2)
        worker.until(lambda: state_of(server, last)["type"] == "COMPLETED", "the worker executes runs again")
    assert worker.notes() == ["1", "2"]


def test_a_command_is_given_the_run_and_ends_with_all_that_it_started(server, tmp_path):
    queue = Queue(server)
    good, bad, endless = queue.run(code=0), queue.run(code=3), queue.run(code=None)
    script = tmp_path / "script.sh"
    script.write_text(
        f"""echo "$MINTAKA_PARAMETERS of $MINTAKA_RUN_ID at $MINTAKA_API_URL"
case $MINTAKA_PARAMETERS in *null*) sleep 600 & echo $! > {tmp_path}/pid; wait;; *3*) echo 'no such table' >&2; exit 3;; esac"""
    )
    with working(server.api, queue.name, tmp_path, "--command", f"sh {script}", "--slots", "3") as worker:
        worker.until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "the third command runs")
        worker.until(lambda: state_of(server, bad)["type"] == "FAILED" and state_of(server, good)["type"] == "COMPLETED", "the others end")
        assert state_of(server, bad)["message"] == "exit code 3: no such table"
        assert state_of(server, good)["message"] == "exit code 0"
        ask(server, f"/flow_runs/{endless}/set_state", {"state": {"type": "CANCELLED"}})
        worker.until(lambda: not is_alive(int((tmp_path / "pid").read_text())), "what the third command started is ended")
        asked = {"logs": {"flow_run_id": {"any_": [good]}}}
        first = f'{{"code": 0}} of {good} at {server.api}'
        worker.until(lambda: first in [line["message"] for line in ask(server, "/logs/filter", asked)], "its output is logged")


def is_alive(pid):
    """Whether a process with this id is there and has not ended."""
    with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def test_a_handler_that_does_not_stop_is_left_behind_and_its_run_given_back(server, monkeypatch):
    queue = Queue(server)
    run = queue.run()
    called, over = threading.Event(), threading.Event()

    def deaf(run):
        called.set()
        over.wait(PATIENCE)
        return state("COMPLETED")

    monkeypatch.setattr("app.worker.worker.ENDING", 0.1)
    worker = Worker(Api(server.api), queue.name, deaf, name="w", grace_seconds=0.1)
    ended = []
    thread = threading.Thread(target=lambda: ended.append(worker.run()))
    thread.start()
    try:
        assert called.wait(PATIENCE)
        worker.stop()
        thread.join(PATIENCE)
        assert ended == [False]
        assert state_of(server, run)["message"] == "Given back: w was stopped"
    finally:
        over.set()


def test_a_second_signal_waits_for_nothing(server):
    queue = Queue(server)
    run = queue.run()
    called = threading.Event()

    def heed(run):
        assert current_run() is run
        called.set()
        run.cancelled.wait(PATIENCE)
        raise Cancelled

    worker = Worker(Api(server.api), queue.name, heed, name="w", grace_seconds=10 * PATIENCE)
    ended = []
    thread = threading.Thread(target=lambda: ended.append(worker.run()))
    thread.start()
    assert called.wait(PATIENCE)
    worker.stop()
    worker.stop()
    thread.join(PATIENCE)
    assert ended == [True]
    assert state_of(server, run)["type"] == "SCHEDULED"


def test_a_missing_queue_is_an_error_with_the_remedy_and_is_made_where_that_is_asked_for(server, tmp_path):
    with working(server.api, "new", tmp_path, *JOB) as worker:
        assert worker.process.wait(PATIENCE) == 1
    problem = f"The work queue 'new' at {server.api}: Work queue not found (404); --create-queue makes it."
    assert worker.said().splitlines()[-1] == f"Error: {problem}"
    for _ in range(2):
        with working(server.api, "new", tmp_path, *JOB, "--create-queue") as worker:
            worker.until(lambda: "waits for runs of the work queue new" in worker.said(), "the worker waits")
        (tmp_path / "worker.log").write_text("")
    assert "new" in [queue["name"] for queue in ask(server, "/work_queues/filter", {})]


def test_a_worker_that_starts_before_its_server_waits_for_it(tmp_path):
    with working(f"http://127.0.0.1:{free_port()}/api", "etl", tmp_path, *JOB) as worker:
        worker.until(lambda: "no runs can be claimed, trying again" in worker.said(), "the worker says that there is no server")
        assert worker.stop() == 0


def test_a_soak_in_small(postgres_url, tmp_path):
    report = soak(postgres_url, tmp_path, runs=60, workers=2, kills=1, slots=3, patience=PATIENCE)
    assert report["wrong"] == []
    assert (report["runs"], report["killed"], set(report["exit codes"])) == (60, 1, {0})

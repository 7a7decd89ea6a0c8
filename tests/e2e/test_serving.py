"""What the processes promise: gunicorn with the project's configuration, and `mintaka serve` that starts everything."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count

import psutil
import pytest
import requests

from tests.databases import flows_locked
from tests.serving import PATIENCE, ROOT, answers, environment, free_port, kill_group, wait_until


def family(process):
    """The living descendants of a process."""
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def has_accepted_a_connection(process):
    """Whether a descendant of `process` holds a connection: one that waits in the backlog belongs to nobody yet."""
    connections = (connection for child in family(process) for connection in child.net_connections("tcp"))
    return any(connection.status == psutil.CONN_ESTABLISHED for connection in connections)


def is_stopping(log):
    """Whether gunicorn, which writes to `log`, was told to stop. Its port stays open until the last worker is gone."""
    return "Handling signal: term" in log.read_text()


def test_a_stopping_server_answers_the_requests_it_has_accepted(gunicorn_server, database_url, database):
    server = gunicorn_server(database_url, workers=1, graceful_timeout=PATIENCE, database_lock_timeout=PATIENCE)
    with ThreadPoolExecutor() as pool:
        with flows_locked(database):
            answer = pool.submit(requests.post, f"{server.api}/flows/", json={"name": "late"}, timeout=PATIENCE)
            wait_until(lambda: has_accepted_a_connection(server.process), "the request is accepted")
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: is_stopping(server.log), "gunicorn stops")
            assert not answer.done()
        assert answer.result().status_code == 201
    assert server.process.wait(PATIENCE) == 0


def test_every_write_of_many_clients_at_once_is_kept(gunicorn_server, database_url):
    server = gunicorn_server(database_url, workers=2, threads=4, database_lock_timeout=PATIENCE)

    def create(number):
        return requests.post(f"{server.api}/flows/", json={"name": f"flow {number}"}, timeout=PATIENCE)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(create, range(100)))
    assert {answer.status_code for answer in answers} == {201}
    assert requests.post(f"{server.api}/flows/count", json={}, timeout=PATIENCE).json() == 100


# Asks at once again, so often
BUSY_CLIENT = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as client:
    for _ in range(int(sys.argv[2])):
        client.sendall(b"GET /api/health HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
        answer = b""
        while not answer.endswith(b"true"):
            answer += client.recv(65536)
        print(flush=True)
"""


def test_a_client_that_asks_without_pause_leaves_the_only_thread_to_others(gunicorn_server, sqlite_url):
    """The thread stays with a client that asks again at once, while nobody else needs it."""
    server = gunicorn_server(sqlite_url, workers=1, threads=1)
    command = [sys.executable, "-c", BUSY_CLIENT, server.url.rsplit(":", 1)[1], "50000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as busy:
        answered = count(busy.stdout.readline() and 1)
        reader = threading.Thread(target=lambda: [next(answered) for _ in busy.stdout], daemon=True)
        reader.start()
        before = next(answered)
        for _ in range(3):
            assert requests.get(f"{server.api}/health", timeout=PATIENCE).status_code == 200
        meanwhile = next(answered) - before
        busy.kill()
    # without a look at who waits, it is thousands for each
    assert 0 < meanwhile < 500


def test_serving_writes_nothing_into_the_home_folder(gunicorn_server, sqlite_url, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    server = gunicorn_server(sqlite_url, workers=1)
    assert server.stop() == 0
    assert list(home.iterdir()) == []


class Everything:
    """A running `mintaka serve` on a database that does not exist yet."""

    def __init__(self, folder, *options, parent=(), **settings):
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log = folder / "log"
        variables = environment(
            database_url=f"sqlite:///{folder / 'served.db'}",
            bind=self.url.removeprefix("http://"),
            workers=1,
            scheduler_loop_seconds=1,
            **settings,
        )
        command = [*parent, sys.executable, "-m", "app", "serve", *options]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=output, start_new_session=True)
        self.processes = []

    def wait_until_ready(self):
        """Wait until both gunicorn's worker and the scheduler run; remembers every process."""
        wait_until(lambda: self.process.poll() is not None or answers(f"{self.url}/api/ready"), "the server is ready")
        assert self.process.poll() is None, self.log.read_text()
        self.processes = family(self.process)
        return self

    def child(self, word):
        """The first process that was started with `word` in its command line."""
        return next(process for process in self.processes if word in " ".join(process.cmdline()))

    def all_ended(self):
        return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in self.processes)


@pytest.fixture
def everything(tmp_path):
    """`everything(*options, log_format="json", ...)` starts `mintaka serve` so; whatever is left of it ends with the test."""
    started = []

    def start(*options, **arguments):
        started.append(Everything(tmp_path, *options, **arguments))
        return started[-1].wait_until_ready()

    yield start
    for running in started:
        for process in running.processes:
            if process.is_running():
                process.kill()
        kill_group(running.process)


def test_serve_migrates_serves_and_schedules(everything):
    running = everything()
    assert requests.get(f"{running.url}/api/docs", timeout=PATIENCE).status_code == 200
    assert f"{running.url}/api/docs" in running.log.read_text()
    assert running.child("scheduler").is_running()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_stops_serve_and_all_it_started(everything, number):
    running = everything()
    # twice: a terminal and a tool that waits for the command may both pass Ctrl-C on
    running.process.send_signal(number)
    running.process.send_signal(number)
    assert running.process.wait(PATIENCE) == 0
    assert running.all_ended()


@pytest.mark.slow
def test_ctrl_c_lets_a_request_in_flight_finish(everything, tmp_path):
    running = everything()
    with ThreadPoolExecutor() as pool, closing(sqlite3.connect(tmp_path / "served.db", isolation_level=None, timeout=PATIENCE)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        answer = pool.submit(requests.post, f"{running.url}/api/flows/", json={"name": "late"}, timeout=PATIENCE)
        wait_until(lambda: has_accepted_a_connection(running.process), "the request is accepted")
        # what a terminal does: the signal goes to the whole foreground group
        os.killpg(running.process.pid, signal.SIGINT)
        wait_until(lambda: is_stopping(running.log), "gunicorn stops")
        assert not answer.done()
        writer.execute("ROLLBACK")
        assert answer.result().status_code == 201
    assert running.process.wait(PATIENCE) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "log_format", "line"),
    [
        ("web", "text", r"ERROR +\S+\[\d+\] mintaka\.serve web ended with exit code"),
        # who collects lines of JSON looks for this one among them
        ("scheduler", "json", r'^\{.*"logger": "mintaka\.serve", "message": "scheduler ended with exit code .*\}$'),
    ],
)
def test_when_one_part_dies_serve_stops_the_other_and_fails_and_the_log_says_which(everything, name, log_format, line):
    running = everything(log_format=log_format)
    running.child(name).kill()
    assert running.process.wait(PATIENCE) == 1
    assert re.search(line, running.log.read_text(), re.MULTILINE)
    wait_until(running.all_ended, "nothing is left running")


@pytest.mark.slow
def test_serve_ends_with_its_parent_when_asked_to(everything):
    parent = [sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])"]
    running = everything("--exit-with-parent", parent=parent)
    running.process.kill()
    wait_until(running.all_ended, "nothing is left running")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has ended")
def test_what_serve_started_ends_with_it_when_it_is_killed(everything):
    running = everything()
    running.process.kill()
    wait_until(running.all_ended, "nothing is left running")


SERVE = ("flask", "--app", "wsgi", "serve")


@pytest.mark.parametrize("command", [SERVE, ("gunicorn", "wsgi:app")], ids=["serve", "gunicorn"])
def test_a_port_that_is_in_use_is_one_line_that_names_the_setting_before_anything_is_started(tmp_path, command):
    database = tmp_path / "never-made.db"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        variables = environment(database_url=f"sqlite:///{database}", bind=address, log_level="error")
        ended = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].endswith(f"{address} is in use by another program; MINTAKA_BIND names another.")
    assert len(ended.stderr.splitlines()) == 1
    assert not database.exists()

"""Real servers for the tests: gunicorn on a free port and schedulers, each in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import requests

ROOT = Path(__file__).parent.parent
PATIENCE = 60  # seconds after which something that should happen is given up


@dataclass
class Server:
    """A running gunicorn: `url` is its root, `api` the base of the API, `process` its arbiter, `log` the file it writes to.

    `key` is an API key for it, where it asks for one.
    """

    url: str
    process: subprocess.Popen
    log: Path
    key: str | None = None

    @property
    def api(self):
        return f"{self.url}/api"

    def stop(self):
        """Ask it to finish what it does and end; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def environment(**settings):
    """This process's environment with `settings` (fields of `Settings`) in place of every MINTAKA_* variable that is set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MINTAKA_")}
    return kept | {f"MINTAKA_{name.upper()}": _text(value) for name, value in settings.items()}


def wait_until(condition, what, patience=PATIENCE):
    """Return the first true answer of `condition()`, asked again and again; fail after `patience` seconds of false ones."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"gave up waiting until {what}")


def answers(url):
    """Whether a server answers 200 at `url`."""
    try:
        return requests.get(url, timeout=PATIENCE).status_code == 200
    except requests.ConnectionError:
        return False


def free_port():
    """A TCP port that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(command, environment, log, url):
    """Run a server, writing to the file `log`, for as long as the block lasts; the block begins when `url` answers."""
    with open(log, "wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: process.poll() is not None or answers(url), f"{url} answers")
        assert process.poll() is None, Path(log).read_text()[-2000:]
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


@contextmanager
def running_gunicorn(url, **settings):
    """Serve the migrated database at `url` for as long as the block lasts; yields a `Server` that answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        # gunicorn inherits the socket: a port that is looked up first may be taken by the time it is bound
        variables = environment(database_url=url, bind=f"fd://{listener.fileno()}", **settings)
        command = [sys.executable, "-m", "gunicorn", "wsgi:app"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env=variables, stdout=output, stderr=output, pass_fds=[listener.fileno()], start_new_session=True
            )
        # with this copy open, a stopped server would seem to listen still
        listener.close()
        try:
            wait_until(lambda: process.poll() is not None or answers(f"{address}/api/health"), "gunicorn answers")
            assert process.poll() is None, log.read_text()
            yield Server(address, process, log)
        finally:
            kill_group(process)


@contextmanager
def running_scheduler(url, log, **settings):
    """Run `mintaka scheduler run` on the database at `url`, writing to the file `log`, while the block lasts. Yield its process."""
    command = [sys.executable, "-m", "app", "scheduler", "run"]
    variables = environment(database_url=url, **settings)
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=output, start_new_session=True)
    try:
        yield process
    finally:
        kill_group(process)


def kill_group(process):
    """End `process` and whatever it started in its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _text(value):
    if isinstance(value, timedelta):
        return str(value.total_seconds())
    return ",".join(value) if isinstance(value, (tuple, list)) else str(value)

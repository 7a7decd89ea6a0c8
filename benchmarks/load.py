"""Fill a PostgreSQL database with deployments and runs by COPY: as much as years of use leave, within minutes.

usage: python -m benchmarks.load DATABASE_URL [--deployments 10000] [--runs 2000000] [--task-runs 200000]

The database is migrated first; it should be empty. Each deployment has an hourly schedule; half of its runs are still to come, as its
schedule made them. Of those whose time has passed, nine in ten are COMPLETED, the others FAILED or CANCELLED; in the last hour some
are RUNNING, PENDING or late. Runs lie in the order in which schedulers make them: ten of a deployment side by side.
"""

import argparse
import io
import json
import random
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from functools import cache

import psycopg2
from psycopg2 import sql

from app.domain.names import random_name
from app.domain.states import NO_DETAILS
from tests import databases

DEPLOYMENTS_PER_FLOW = 10
TEAMS = 5
SIDE_BY_SIDE = 10
CHUNK = 20_000  # runs in one COPY
NULL = r"\N"
RUNNER = ("subprocess", '{"env": {"A": "b"}}')
PARAMETERS = '{"table": "orders", "limit": 1000}'
HOUR = 3600
AHEAD = 100  # hours that a run is made before it is to start

FLOW = "id created updated name tags"
DEPLOYMENT = (
    "id created updated name flow_id flow_data schedule is_schedule_active parameters flow_runner_type flow_runner_config top_up_due tags"
)
RUN = (
    "id created updated name flow_id deployment_id parameters idempotency_key auto_scheduled flow_runner_type flow_runner_config tags "
    "state_id state_type state_name run_count total_run_time expected_start_time next_scheduled_start_time start_time end_time"
)
TASK_RUN = (
    "id created updated name flow_run_id task_key dynamic_key tags state_id state_type state_name run_count total_run_time "
    "expected_start_time start_time end_time"
)
STATE = "id created {run}_id type name timestamp message state_details"
ENDS = ["COMPLETED"] * 45 + ["FAILED"] * 4 + ["CANCELLED"]
LAST_HOUR = ("RUNNING", "RUNNING", "COMPLETED", "PENDING", "LATE")
# types and names of the states that a run whose newest is of this type has gone through
HISTORIES = {
    "COMPLETED": ("Scheduled", "Pending", "Running", "Completed"),
    "FAILED": ("Scheduled", "Pending", "Running", "Failed"),
    "CANCELLED": ("Scheduled", "Cancelled"),
    "RUNNING": ("Scheduled", "Pending", "Running"),
    "PENDING": ("Scheduled", "Pending"),
    "LATE": ("Scheduled", "Late"),
    "SCHEDULED": ("Scheduled",),
}
STEPS = (None, 1, 2, 90)  # seconds between when a run was to start and its second, third and fourth state
DETAILS = {
    key: json.dumps(NO_DETAILS | {key: "%s", "scheduled_time": "%t"}).replace('"%t"', "%s") for key in ("flow_run_id", "task_run_id")
}


@cache
def text(moment):
    """An instant, in seconds since 1970, as ISO 8601. Millions of rows share a few thousand of them."""
    return datetime.fromtimestamp(moment, UTC).isoformat()


@cache
def _time_part(moment):
    digits = f"{moment * 1000:012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-"


class Ids:
    """Makes UUIDs of version 7 in order: the instant of a row, and a number that is never used twice."""

    def __init__(self):
        self.number = 0

    def __call__(self, moment):
        self.number += 1
        return f"{_time_part(moment)}{self.number:012x}"


class Copy:
    """Rows on their way into a table."""

    def __init__(self, cursor, table, columns):
        self.cursor, self.lines = cursor, []
        self.command = f"COPY {table} ({', '.join(columns.split())}) FROM STDIN"

    def add(self, *values):
        """Add a row of values as COPY reads them."""
        self.lines.append("\t".join(values))

    def send(self):
        """Send what was added."""
        self.cursor.copy_expert(self.command, io.StringIO("\n".join(self.lines) + "\n"), size=1 << 20)
        self.lines = []


class Loader:
    """Writes what an installation holds at this moment. Instants are seconds since 1970."""

    def __init__(self, cursor):
        self.cursor = cursor
        self.now, self.new_id, self.random = int(time.time()), Ids(), random.Random(0)
        self.hour = self.now - self.now % HOUR
        self.deployments = []
        self.states = Copy(cursor, "flow_run_state", STATE.format(run="flow_run"))

    def load_deployments(self, number, schedule, due):
        """Write deployments with active schedules: `schedule(index)` is one's document, `due(index)` the seconds until
        it is to be topped up."""
        flows, deployments = Copy(self.cursor, "flow", FLOW), Copy(self.cursor, "deployment", DEPLOYMENT)
        now, flow_data = text(self.now), json.dumps({"encoding": "json", "blob": "s3://bucket/flow.py"})
        for index in range(number):
            if index % DEPLOYMENTS_PER_FLOW == 0:
                flow_id = self.new_id(self.now)
                flows.add(flow_id, now, now, f"flow-{index // DEPLOYMENTS_PER_FLOW}", "[]")
            id, tags = self.new_id(self.now), ["etl", f"team-{index % TEAMS}"]
            facts = (flow_data, json.dumps(schedule(index)), "true", PARAMETERS)
            deployments.add(id, now, now, f"deployment-{index}", flow_id, *facts, *RUNNER, text(self.now + due(index)), json.dumps(tags))
            self.deployments.append((id, flow_id, index % 60, json.dumps(["auto-scheduled", *tags])))
        flows.send()
        deployments.send()

    def load_runs(self, number):
        """Write flow runs and the history of each, evenly spread over the deployments. Yields how many are written, now and then."""
        runs = Copy(self.cursor, "flow_run", RUN)
        each = -(-number // len(self.deployments))
        past, written = each // 2, 0
        for block in range(0, each, SIDE_BY_SIDE):
            for deployment in self.deployments:
                for place in range(block, min(block + SIDE_BY_SIDE, each, block + number - written)):
                    self._add_run(runs, deployment, place - past)
                    written += 1
                if len(runs.lines) >= CHUNK:
                    runs.send()
                    self.states.send()
                    yield written
        if runs.lines:
            runs.send()
            self.states.send()
        yield written

    def _add_run(self, runs, deployment, hours):
        """One run of `deployment`, a number of hours after this one."""
        deployment_id, flow_id, minute, tags = deployment
        expected = self.hour + minute * 60 + hours * HOUR
        if expected <= self.now - HOUR:
            kind = self.random.choice(ENDS)
        elif expected <= self.now:
            kind = self.random.choice(LAST_HOUR)
        else:
            kind = "SCHEDULED"
        made = min(expected - AHEAD * HOUR, self.now)
        id, name = self.new_id(made), HISTORIES[kind][-1]
        state_id, entered, began, ran = self._add_history(self.states, id, kind, made, expected)
        at = text(expected)
        runs.add(
            *(id, text(made), text(entered), random_name(), flow_id, deployment_id, PARAMETERS),
            *(f"scheduled {deployment_id} {at}", "true", *RUNNER, tags, state_id, "SCHEDULED" if kind == "LATE" else kind, name),
            *("1" if began else "0", str(ran), at, at if kind in ("SCHEDULED", "LATE") else NULL),
            *(text(began) if began else NULL, text(entered) if kind in ENDS else NULL),
        )

    def _add_history(self, states, id, kind, made, expected, key="flow_run_id"):
        """The states of a run. Returns the id of the newest, when it was entered, when the run began, and for how many seconds it ran."""
        began, ran, moment = None, 0, made
        for step, name in enumerate(HISTORIES[kind]):
            if step:
                moment = expected + STEPS[step]
            type = "SCHEDULED" if name == "Late" else name.upper()
            due = f'"{text(expected)}"' if type == "SCHEDULED" else "null"
            state_id, at = self.new_id(moment), text(moment)
            states.add(state_id, at, id, type, name, at, NULL, DETAILS[key] % (id, due))
            if name == "Running":
                began = moment
            elif began:
                ran = moment - began
        return state_id, moment, began, ran

    def load_task_runs(self, number):
        """Write task runs of flow runs that have completed, and their history."""
        self.cursor.execute("SELECT id, start_time FROM flow_run WHERE state_type = 'COMPLETED' ORDER BY id LIMIT %s", (number,))
        runs = Copy(self.cursor, "task_run", TASK_RUN)
        states = Copy(self.cursor, "task_run_state", STATE.format(run="task_run"))
        for flow_run_id, start_time in self.cursor.fetchall():
            start = int(start_time.timestamp())
            id = self.new_id(start)
            state_id, entered, began, ran = self._add_history(states, id, "COMPLETED", start, start, key="task_run_id")
            runs.add(
                *(id, text(start), text(entered), random_name(), flow_run_id, "etl.extract", "0", "[]", state_id),
                *("COMPLETED", "Completed", "1", str(ran), text(start), text(began), text(entered)),
            )
        if runs.lines:
            runs.send()
            states.send()


def hourly(index):
    """The schedule of one of many deployments: every hour at its minute."""
    return {"cron": f"{index % 60} * * * *", "timezone": "UTC", "day_or": True}


def load(url, deployments, runs, task_runs=0, tell=lambda text: None):
    """Fill the migrated database at `url`. Returns the seconds it took."""
    began = time.perf_counter()
    with closing(psycopg2.connect(databases.libpq_dsn(url))) as connection, connection.cursor() as cursor:
        # nothing reads it before it is complete, and what a crash takes is loaded again
        cursor.execute("SET synchronous_commit = off; SET maintenance_work_mem = '256MB'; SET timezone = 'UTC'")
        later = _without_indexes(cursor)
        loader = Loader(cursor)
        # each is looked at again in the next ten hours, a few a minute
        loader.load_deployments(deployments, hourly, lambda index: 60 + index * 10 * HOUR // deployments)
        for written in loader.load_runs(runs):
            tell(f"{written:,} runs in {time.perf_counter() - began:.0f} s")
        loader.load_task_runs(task_runs)
        tell("indexes and constraints")
        for statement in later:
            cursor.execute(statement)
        connection.commit()
        connection.autocommit = True
        cursor.execute("VACUUM ANALYZE")
    return time.perf_counter() - began


def load_active(url, number, schedule, due):
    """Write `number` deployments with active schedules and no run into the migrated database at `url`."""
    with closing(psycopg2.connect(databases.libpq_dsn(url))) as connection, connection.cursor() as cursor:
        Loader(cursor).load_deployments(number, schedule, due)
        connection.commit()
        connection.autocommit = True
        cursor.execute("VACUUM ANALYZE")


def _without_indexes(cursor):
    """Drop the indexes, unique keys and foreign keys of runs and their states. Returns the statements that bring them back.

    To build an index at the end is several times faster than to keep it while rows come.
    """
    tables = ["flow_run", "flow_run_state", "task_run", "task_run_state"]
    cursor.execute(
        """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), contype FROM pg_constraint
        WHERE conrelid = ANY (%s::regclass[]) AND contype IN ('f', 'u') ORDER BY contype DESC""",
        (tables,),
    )
    drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
    later = []
    for table, name, definition, _ in cursor.fetchall():
        table, name = sql.Identifier(table), sql.Identifier(name)
        cursor.execute(drop.format(table, name))
        later.append(sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(table, name, sql.SQL(definition)))
    cursor.execute(
        """SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
        WHERE indrelid = ANY (%s::regclass[]) AND NOT indisprimary""",
        (tables,),
    )
    for name, definition in cursor.fetchall():
        cursor.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
        later.append(sql.SQL(definition))
    return later


def main():
    """Migrate and load."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="such as postgresql://postgres@127.0.0.1/mintaka")
    parser.add_argument("--deployments", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=2_000_000)
    parser.add_argument("--task-runs", type=int, default=200_000)
    arguments = parser.parse_args()
    databases.migrated(arguments.url)
    seconds = load(
        arguments.url, arguments.deployments, arguments.runs, arguments.task_runs, lambda text: print(text, file=sys.stderr, flush=True)
    )
    print(f"loaded in {seconds:.0f} s")


if __name__ == "__main__":
    main()

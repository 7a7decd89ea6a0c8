"""Schedulers, each a process of its own, at work while clients change what they schedule. What the database holds in the end must agree.

No occurrence of any schedule here is less than half an hour away, so that the runs a deployment is to have stay the same for the whole test
whoever makes them and when.
"""

import random
import re
import threading
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID, uuid4

import pytest
import requests
from sqlalchemy import delete, func, insert, select, text, update

from app import create_app
from app.config import Settings
from app.db.models import Deployment, DeploymentSchedule, Flow, FlowRun, FlowRunState
from app.db.session import Database
from app.domain import schedules
from app.domain.clock import utcnow
from app.domain.instants import isoformat
from app.domain.planning import Policy
from app.scheduler.loop import Scheduler
from tests.conftest import ApiClient
from tests.parts import make_parts
from tests.serving import PATIENCE, running_gunicorn, running_scheduler, wait_until

pytestmark = pytest.mark.slow

SCHEDULE = DeploymentSchedule.__table__
DEPLOYMENT, FLOW, FLOW_RUN, STATE = Deployment.__table__, Flow.__table__, FlowRun.__table__, FlowRunState.__table__
MAX_RUNS = 10
SCHEDULING = {"scheduler_max_runs": MAX_RUNS, "scheduler_loop_seconds": 0.2}
LOCKS = {"database_lock_timeout": 10.0, "database_statement_timeout": 20.0}
FLOWS = [UUID(int=n) for n in range(1, 6)]


def schedule_of(version, began):
    """A schedule whose dates say which version it is, in one of the three kinds."""
    first = (began + timedelta(minutes=60 + version % 50)).replace(second=0, microsecond=0)
    if version % 3 == 0:
        return {"interval": 3600.0 * (2 + version % 5), "anchor_date": isoformat(first), "timezone": None}
    if version % 3 == 1:
        return {"cron": f"{first.minute} {first.hour} * * *", "timezone": "UTC", "day_or": True}
    return {"rrule": f"DTSTART:{first:%Y%m%dT%H%M00Z}\nRRULE:FREQ=DAILY", "timezone": "UTC"}


def body_of(name, flow, version, began, **others):
    """A deployment whose parameters, tags and schedule all say the version."""
    return {
        "name": name,
        "flow_id": str(flow),
        "flow_data": {"encoding": "json", "blob": "1"},
        "schedule": schedule_of(version, began),
        "parameters": {"version": version},
        "tags": [f"version-{version}"],
    } | others


def store(database, number, began):
    """Deployments as after an import: each has an active schedule, no runs, and is due. Returns a list of (name, flow id)."""
    stored = [(f"deployment-{n}", FLOWS[n % len(FLOWS)]) for n in range(number)]
    always = {"created": began, "updated": began}
    rows = [body_of(*stored[n], n, began, id=uuid4()) | always | {"flow_id": stored[n][1]} for n in range(number)]
    schedules = [
        {"id": row["id"], "deployment_id": row["id"], "slug": "default", "schedule": row.pop("schedule"), "top_up_due": began} | always
        for row in rows
    ]
    with database.transaction() as session:
        session.execute(insert(FLOW), [{"id": id, "name": f"flow-{id.int}"} | always for id in FLOWS])
        session.execute(insert(DEPLOYMENT), rows)
        session.execute(insert(SCHEDULE), schedules)
    return stored


class Client:
    """Changes deployments by chance, as `send(method, path, body)` lets it, and notes every answer that no client should get."""

    def __init__(self, send, seed, deployments, versions, began):
        self.send, self.chance, self.deployments, self.versions, self.began = send, random.Random(seed), deployments, versions, began
        self.wrong, self.answers = [], Counter()

    def run(self, rounds):
        """Make as many changes."""
        actions = (self.upsert, self.pause, self.resume, self.schedule, self.run_now, self.delete)
        for _ in range(rounds):
            action = self.chance.choices(actions, weights=(4, 2, 2, 1, 1, 1))[0]
            action(*self.chance.choice(self.deployments))

    def upsert(self, name, flow):
        others = self.chance.choice(({}, {}, {"is_schedule_active": True}, {"is_schedule_active": False}))
        self.ask("POST", "/deployments/", body_of(name, flow, next(self.versions), self.began, **others), 200, 201)

    def pause(self, name, flow):
        self.change("POST", name, flow, "/set_schedule_inactive")

    def resume(self, name, flow):
        self.change("POST", name, flow, "/set_schedule_active")

    def schedule(self, name, flow):
        # some of what the scheduler makes anyway
        self.change("POST", name, flow, "/schedule", {"max_runs": MAX_RUNS // 2})

    def run_now(self, name, flow):
        self.change("POST", name, flow, "/create_flow_run", {"idempotency_key": f"by hand {name} {self.chance.randrange(3)}"})

    def delete(self, name, flow):
        self.change("DELETE", name, flow, "")

    def change(self, method, name, flow, path, body=None):
        found = self.ask("GET", f"/deployments/name/flow-{flow.int}/{name}", None, 200, 404)
        if "id" in found:
            # another may have deleted it
            self.ask(method, f"/deployments/{found['id']}{path}", body, 200, 201, 204, 404)

    def ask(self, method, path, body, *statuses):
        status, answer = self.send(method, path, body)
        self.answers[status] += 1
        if status not in statuses:
            self.wrong.append((method, path, status, answer))
        return answer


class FlowClient(Client):
    """Makes flows with deployments, and deletes flows that others are just then making deployments for."""

    def run(self, rounds):
        for _ in range(rounds):
            flow = self.ask("POST", "/flows/", {"name": f"flow-{self.chance.randrange(3)}"}, 200, 201)["id"]
            for n in self.chance.sample(range(5), 2):
                body = body_of(f"deployment-{n}", flow, next(self.versions), self.began)
                made = self.ask("POST", "/deployments/", body, 200, 201, 409)
                if "id" in made:
                    self.ask("POST", f"/deployments/{made['id']}/create_flow_run", {}, 201, 404)
            if self.chance.random() < 0.5:
                self.ask("DELETE", f"/flows/{flow}", None, 204, 404)


def in_process(app):
    """A `send` that calls the application without a server."""

    def send(method, path, body):
        response = app.test_client().open(path, method=method, json=body)
        return response.status_code, response.get_json(silent=True)

    return send


def over_http(server):
    """A `send` that calls a running gunicorn over one connection."""
    session = requests.Session()

    def send(method, path, body):
        response = session.request(method, f"{server.api}{path}", json=body, timeout=PATIENCE)
        return response.status_code, response.json() if response.content else None

    return send


def move_time_on(database, clients_are_done):
    """Until then, again and again: some runs are gone and their deployments due, as if their time had come."""
    while not clients_are_done.wait(0.1):
        with database.transaction() as session:
            chosen = select(DEPLOYMENT.c.id).join(SCHEDULE, SCHEDULE.c.deployment_id == DEPLOYMENT.c.id)
            chosen = chosen.where(SCHEDULE.c.top_up_due.is_not(None)).order_by(func.random()).limit(40)
            due = session.scalars(chosen.with_for_update(key_share=True, skip_locked=True)).all()
            session.execute(update(SCHEDULE).where(SCHEDULE.c.deployment_id.in_(due)).values(top_up_due=datetime.now(UTC)))
            some = FLOW_RUN.c.auto_scheduled & (FLOW_RUN.c.name < "n")
            session.execute(delete(FLOW_RUN).where(FLOW_RUN.c.deployment_id.in_(due), some))


def disturb(database, clients, rounds):
    """Let all clients make `rounds` changes each, while time moves on."""
    done = threading.Event()
    with ThreadPoolExecutor(len(clients) + 1) as pool:
        mover = pool.submit(move_time_on, database, done)
        try:
            for change in [pool.submit(client.run, rounds) for client in clients]:
                change.result()
        finally:
            done.set()
        mover.result()
    assert [wrong for client in clients for wrong in client.wrong] == []


def nothing_is_due(database):
    """Whether every deployment has been topped up."""
    with database.transaction(read_only=True) as session:
        due = select(func.count()).where(SCHEDULE.c.top_up_due <= datetime.now(UTC))
        return session.scalar(due) == 0


def disagreements(database, began):
    """What is wrong with the runs in the database: runs that should not be, runs that are missing, runs that say another version."""
    with database.transaction(read_only=True) as session:
        of_deployment = SCHEDULE.c.deployment_id == DEPLOYMENT.c.id
        deployments = session.execute(select(DEPLOYMENT, SCHEDULE.c.schedule).outerjoin(SCHEDULE, of_deployment)).all()
        runs = session.execute(select(FLOW_RUN).where(FLOW_RUN.c.auto_scheduled).order_by(FLOW_RUN.c.expected_start_time)).all()
        first_states = session.scalar(select(func.count()).select_from(STATE).join(FLOW_RUN, FLOW_RUN.c.state_id == STATE.c.id))
        everything = session.scalar(select(func.count()).select_from(FLOW_RUN))
    found = defaultdict(list)
    for run in runs:
        found[run.deployment_id].append((run.flow_id, run.expected_start_time, run.parameters, run.tags))
    wrong = [] if first_states == everything else [("states", first_states, everything)]
    for row in deployments:
        dates = schedules.parse(row.schedule).occurrences(began, began + timedelta(days=100), MAX_RUNS) if row.is_schedule_active else ()
        expected = [(row.flow_id, date, row.parameters, ["auto-scheduled", *row.tags]) for date in dates]
        if found.pop(row.id, []) != expected:
            wrong.append((row.name, row.is_schedule_active, row.parameters))
    return wrong + [("runs of a deployment that is gone", id) for id in found]


def deadlocks(database):
    """How many deadlocks PostgreSQL has broken in this database."""
    # a connection reports what it counted when it ends, at the latest
    database.dispose()
    with database.transaction(read_only=True) as session:
        return session.scalar(text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))


@contextmanager
def schedulers(number, url, folder):
    """As many schedulers started at once. When the block ends they must have nothing to complain of, and stop when they are asked to."""
    logs = [folder / f"scheduler-{n}.log" for n in range(number)]
    with ExitStack() as running:
        processes = [running.enter_context(running_scheduler(url, log, **SCHEDULING, **LOCKS)) for log in logs]
        yield
        # one that is still starting when all is done would die of the signal
        wait_until(lambda: all("scheduled" in log.read_text() for log in logs), "every scheduler has made a pass")
        for process in processes:
            process.terminate()
        assert [process.wait(PATIENCE) for process in processes] == [0] * number, [log.read_text()[-2000:] for log in logs]
    complaints = [line for log in logs for line in log.read_text().splitlines() if " INFO " not in line]
    assert complaints == []
    work = [int(made) for log in logs for made in re.findall(r"scheduled (\d+) runs", log.read_text())]
    assert sum(work) > 0


@contextmanager
def application(url):
    """The application on the database at `url`, with the horizon of the schedulers."""
    settings = Settings(database_url=url, scheduler_max_runs=MAX_RUNS, log_level="error", **LOCKS)
    app = create_app(settings)
    app.test_client_class = ApiClient
    yield app
    app.extensions["mintaka"].database.dispose()


@pytest.mark.parametrize("number", [2, 4])
def test_schedulers_and_clients_at_once_leave_exactly_the_runs_that_are_due(postgres_url, tmp_path, number):
    began = datetime.now(UTC)
    with application(postgres_url) as app:
        database = app.extensions["mintaka"].database
        deployments = store(database, 500, began)
        versions = count(1000)
        clients = [Client(in_process(app), seed, deployments, versions, began) for seed in range(4)]
        with schedulers(number, postgres_url, tmp_path):
            disturb(database, clients, rounds=300)
            wait_until(lambda: nothing_is_due(database), "every deployment has been topped up")
        assert disagreements(database, began) == []
        assert deadlocks(database) == 0


def test_on_sqlite_a_scheduler_and_writers_in_several_processes_get_their_turns(sqlite_url, tmp_path):
    began = datetime.now(UTC)
    with application(sqlite_url) as app, running_gunicorn(sqlite_url, workers=2, **SCHEDULING, **LOCKS) as server:
        database = app.extensions["mintaka"].database
        deployments = store(database, 200, began)
        versions = count(1000)
        sends = [over_http(server), over_http(server), over_http(server), in_process(app), in_process(app)]
        clients = [Client(send, seed, deployments, versions, began) for seed, send in enumerate(sends)]
        with schedulers(1, sqlite_url, tmp_path):
            disturb(database, clients, rounds=100)
            wait_until(lambda: nothing_is_due(database), "every deployment has been topped up")
        assert disagreements(database, began) == []


@contextmanager
def scheduling_threads(number, url):
    """As many schedulers in threads of this process, each with connections of its own. A pass that fails makes the block fail."""
    done = threading.Event()

    def keep_scheduling():
        database = Database(url, Settings(database_url=url, **LOCKS))
        scheduler = Scheduler(make_parts(database, utcnow, Policy(max_runs=MAX_RUNS)), batch_size=5)
        while not done.is_set():
            scheduler.run_once()
            scheduler.run_once(all_active=True)
        database.dispose()

    with ThreadPoolExecutor(number) as pool:
        running = [pool.submit(keep_scheduling) for _ in range(number)]
        try:
            yield
        finally:
            done.set()
        for scheduler in running:
            scheduler.result()


def test_flows_deleted_while_schedulers_and_clients_work_on_them_take_everything_along(postgres_url):
    began = datetime.now(UTC)
    with application(postgres_url) as app:
        database = app.extensions["mintaka"].database
        versions = count()
        clients = [FlowClient(in_process(app), seed, None, versions, began) for seed in range(4)]
        with scheduling_threads(2, postgres_url):
            disturb(database, clients, rounds=40)
            wait_until(lambda: nothing_is_due(database), "every deployment has been topped up")
        assert disagreements(database, began) == []
        assert deadlocks(database) == 0


def test_on_sqlite_clients_write_between_the_batches_of_a_long_pass(sqlite_url):
    began = datetime.now(UTC)
    with application(sqlite_url) as app:
        database = app.extensions["mintaka"].database
        store(database, 60, began)
        scheduler = Scheduler(make_parts(Database(sqlite_url, Settings(**LOCKS))), batch_size=1)
        first_batch, batches, written_at = threading.Event(), [], []

        def tell(report):
            batches.append(report.deployments)
            first_batch.set()

        def write():
            first_batch.wait(PATIENCE)
            for n in range(5):
                assert app.test_client().post("/flows/", json={"name": f"written-{n}"}).status_code == 201
                written_at.append(len(batches))

        with ThreadPoolExecutor(1) as pool:
            writer = pool.submit(write)
            scheduler.run_once(progress=tell)
            writer.result()
        scheduler.database.dispose()
        assert len(batches) == 61
        # without gaps in between they would all wait for the end of the pass
        assert written_at[-1] < 60

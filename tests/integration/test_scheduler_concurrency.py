"""Several schedulers in processes of their own, and clients that change the same deployments at the same time."""

import random
import subprocess
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
import requests
from sqlalchemy import update

from app import create_app
from app.config import Settings
from app.db.models import Deployment
from app.domain import schedules
from app.services.scheduler import Scheduler
from tests.api.asking import all_runs, runs_of
from tests.api.factories import make_flow
from tests.cli.test_scheduler import COMMAND
from tests.conftest import ApiClient
from tests.serving import PATIENCE, ROOT, environment, kill_group

MAX_RUNS = 10
VERSIONS = 12
DATA = {"encoding": "json", "blob": "1"}


def body(flow_id, name, version):
    """A version of a deployment. No two have an instant in common, and each run carries its version's number."""
    schedule = {"interval": 3600, "anchor_date": f"2020-01-01T00:{version:02}:00+00:00"}
    carried = {"parameters": {"version": version}, "tags": [f"v{version}"]}
    return {"name": name, "flow_id": flow_id, "flow_data": DATA, "schedule": schedule} | carried


class World:
    """Deployments that clients change while schedulers run."""

    def __init__(self, url, deployments):
        self.url = url
        self.app = create_app(Settings(database_url=url, scheduler_max_runs=MAX_RUNS, log_level="warning"))
        self.app.test_client_class = ApiClient
        self.services = self.app.extensions["mintaka"]
        self.client = self.app.test_client()
        self.flow_id = make_flow(self.client)["id"]
        self.names = [f"d{number}" for number in range(deployments)]
        self.unexpected = []
        for name in self.names:
            # paused, since registering an active one would make its runs: the schedulers are to find all of them due at once
            response = self.client.post("/deployments/", json=body(self.flow_id, name, 0) | {"is_schedule_active": False})
            assert response.status_code == 201
        with self.services.database.transaction() as session:
            session.execute(update(Deployment).values(is_schedule_active=True, top_up_due=datetime.now(UTC)))

    def change(self, seconds, seed):
        """Upsert, pause, resume, schedule and delete at random for some seconds. Notes every answer that no client should get."""
        client, chance, deadline = self.app.test_client(), random.Random(seed), time.monotonic() + seconds
        done = Counter()
        while time.monotonic() < deadline:
            name, action = chance.choice(self.names), chance.choice(["upsert", "upsert", "pause", "resume", "schedule", "delete"])
            if action == "upsert":
                response = client.post("/deployments/", json=body(self.flow_id, name, chance.randrange(1, VERSIONS)))
            else:
                found = client.post("/deployments/filter", json={"deployments": {"name": {"any_": [name]}}})
                if found.status_code != 200 or not found.json:
                    continue
                path = f"/deployments/{found.json[0]['id']}"
                if action == "delete":
                    response = client.delete(path)
                else:
                    routes = {"pause": "set_schedule_inactive", "resume": "set_schedule_active", "schedule": "schedule"}
                    response = client.post(f"{path}/{routes[action]}")
            done[action] += 1
            if response.status_code not in (200, 201, 204, 404):
                self.unexpected.append((action, response.status_code, response.text))
        return done

    def check(self):
        """Whether the runs are exactly those that the schedules call for, at an instant after everybody has stopped."""
        Scheduler(self.services.database, self.services.clock, self.services.policy).run_once(all_active=True)
        now = datetime.now(UTC)
        deployments = []
        while page := self.client.post("/deployments/filter", json={"offset": len(deployments)}).json:
            deployments += page
        for deployment in deployments:
            runs = runs_of(self.client, deployment, state={"type": {"any_": ["SCHEDULED"]}})
            if not deployment["is_schedule_active"]:
                assert runs == [], "runs after a pause"
                continue
            assert {run["parameters"]["version"] for run in runs} == {deployment["parameters"]["version"]}, "runs of an old version"
            ahead = [run["expected_start_time"] for run in runs if datetime.fromisoformat(run["expected_start_time"]) >= now]
            wanted = schedules.parse(deployment["schedule"]).occurrences(now, self.services.policy.end(now), MAX_RUNS)
            assert ahead == [instant.isoformat() for instant in wanted]
        assert all_runs(self.client, flow_runs={"deployment_id": {"is_null_": True}}) == [], "runs after a delete"
        return len(deployments)


def run_together(world, tmp_path, schedulers, clients, seconds):
    """Start the schedulers and the clients, and end them. Returns what the clients did."""
    variables = environment(database_url=world.url, scheduler_max_runs=MAX_RUNS, scheduler_loop_seconds=0.2, scheduler_batch_size=7)
    logs = [tmp_path / f"scheduler-{number}.log" for number in range(schedulers)]
    with ExitStack() as stack:
        processes = []
        for log in logs:
            output = stack.enter_context(log.open("wb"))
            process = subprocess.Popen(COMMAND, cwd=ROOT, env=variables, stdout=output, stderr=output, start_new_session=True)
            stack.callback(kill_group, process)
            processes.append(process)
        with ThreadPoolExecutor(clients) as pool:
            done = sum(pool.map(lambda seed: world.change(seconds, seed), range(clients)), Counter())
        for process in processes:
            process.terminate()
        assert [process.wait(PATIENCE) for process in processes] == [0] * schedulers
    written = "".join(log.read_text() for log in logs)
    assert "Traceback" not in written, written
    assert written.count(" runs for ") >= schedulers
    return done


@pytest.fixture
def world_on():
    """Make a world on a database: `world_on(url, deployments)`."""
    worlds = []

    def make(url, deployments):
        worlds.append(World(url, deployments))
        return worlds[-1]

    yield make
    for world in worlds:
        world.services.database.dispose()


@pytest.mark.parametrize("schedulers", [2, 4])
def test_schedulers_and_clients_at_once_make_each_run_once_and_none_of_an_old_version(postgres_url, tmp_path, world_on, schedulers):
    world = world_on(postgres_url, 500)
    done = run_together(world, tmp_path, schedulers, clients=4, seconds=8)
    assert world.unexpected == []
    assert min(done[action] for action in ("upsert", "pause", "resume", "schedule", "delete")) > 0
    assert world.check() > 0


def test_on_sqlite_one_scheduler_and_several_writers_never_meet_a_locked_database(sqlite_url, tmp_path, world_on, gunicorn_server):
    world = world_on(sqlite_url, 60)
    server = gunicorn_server(sqlite_url, workers=2, threads=2, scheduler_max_runs=MAX_RUNS)
    stop, answered = threading.Event(), Counter()

    def write_through_gunicorn():
        number = 0
        while not stop.is_set():
            number += 1
            answered[requests.post(f"{server.api}/flows/", json={"name": f"other-{number}"}, timeout=PATIENCE).status_code] += 1

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write_through_gunicorn)
        try:
            done = run_together(world, tmp_path, schedulers=1, clients=3, seconds=6)
        finally:
            stop.set()
        writing.result(PATIENCE)
    assert world.unexpected == []
    assert set(answered) == {201}
    assert min(done.values()) > 0
    assert world.check() > 0

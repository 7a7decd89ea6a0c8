"""The concurrency limit of a deployment is exact, however many claim, propose states and create runs at the same moment."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from app import create_app
from app.config import Settings
from app.db.models import FlowRun, FlowRunState
from app.scheduler.leases import LeaseExpiry
from app.scheduler.policies import PolicyPass
from tests.api.asking import ok
from tests.api.factories import make_deployment, make_work_queue
from tests.conftest import ApiClient

CALLERS = 50
LIMIT = 3
FLOW_RUN, STATE = FlowRun.__table__, FlowRunState.__table__


@pytest.fixture
def app(database_url):
    """The application, with connections for many threads."""
    settings = Settings(database_url=database_url, database_pool_size=20, database_lock_timeout=30.0, log_level="error")
    app = create_app(settings)
    app.test_client_class = ApiClient
    yield app
    app.extensions["mintaka"].database.dispose()


def deployed(client, number, **policy):
    """A deployment with a policy, and as many due runs."""
    deployment = make_deployment(client)
    ok(client.patch(f"/deployments/{deployment['id']}/policy", json=policy))
    path = f"/deployments/{deployment['id']}/create_flow_run"
    due = [(datetime.now(UTC) - timedelta(seconds=number - n)).isoformat() for n in range(number)]
    states = [{"type": "SCHEDULED", "state_details": {"scheduled_time": time}} for time in due]
    return deployment, [ok(client.post(path, json={"state": state}), 201) for state in states]


def at_once(number, work):
    """What `work(n)` returns for each n, all of them begun at the same moment."""
    begin = threading.Barrier(number)

    def begun(n):
        begin.wait()
        return work(n)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(begun, range(number)))


def most_at_once(app, deployment):
    """How many runs of the deployment were PENDING or RUNNING at the same time at most, by their histories."""
    with app.extensions["mintaka"].database.transaction(read_only=True) as session:
        entries = session.execute(
            select(STATE.c.flow_run_id, STATE.c.type, STATE.c.timestamp, STATE.c.id)
            .join(FLOW_RUN, FLOW_RUN.c.id == STATE.c.flow_run_id)
            .where(FLOW_RUN.c.deployment_id == UUID(deployment["id"]))
            .order_by(STATE.c.created, STATE.c.id)
        ).all()
    held, most = set(), 0
    for entry in entries:
        (held.add if entry.type in ("PENDING", "RUNNING") else held.discard)(entry.flow_run_id)
        most = max(most, len(held))
    return most


def held(app, deployment):
    """How many runs of the deployment are PENDING or RUNNING."""
    wanted = FLOW_RUN.c.deployment_id == UUID(deployment["id"]), FLOW_RUN.c.state_type.in_(("PENDING", "RUNNING"))
    with app.extensions["mintaka"].database.transaction(read_only=True) as session:
        return session.scalar(select(func.count()).select_from(FLOW_RUN).where(*wanted))


def watched(app, deployment, work):
    """What `work()` returns, and how many runs of the deployment were held at most, asked again and again meanwhile."""
    seen, done = [0], threading.Event()

    def watch():
        while not done.wait(0.002):
            seen.append(held(app, deployment))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        return work(), max(seen)
    finally:
        done.set()
        watcher.join()


def test_fifty_that_claim_propose_and_create_at_once_never_hold_more_than_the_limit(app):
    client = app.test_client()
    deployment, runs = deployed(client, 40, concurrency_limit=LIMIT)
    queue = make_work_queue(client, filter={"deployment_ids": [deployment["id"]]})

    def call(n):
        client = app.test_client()
        if n % 3 == 0:
            claims = ok(client.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 1 + n % 4}))
            return [one["flow_run"]["id"] for one in claims]
        if n % 3 == 1:
            path = f"/flow_runs/{runs[n % len(runs)]['id']}/set_state"
            answer = ok(client.post(path, json={"state": {"type": ("PENDING", "RUNNING")[n % 2]}}), 200, 201)
            return [runs[n % len(runs)]["id"]] if answer["status"] == "ACCEPT" else []
        made = ok(client.post(f"/deployments/{deployment['id']}/create_flow_run", json={}), 201)
        return [made["id"]] if made["state_type"] == "PENDING" else []

    given, most = watched(app, deployment, lambda: at_once(CALLERS, call))
    assert len({id for ids in given for id in ids}) == LIMIT == held(app, deployment)
    assert most <= LIMIT


@pytest.mark.parametrize("overlap", ["buffer_all", "skip", "cancel_other"])
def test_runs_that_end_or_are_lost_give_their_room_to_others_until_none_is_left(app, overlap):
    client = app.test_client()
    deployment, runs = deployed(client, 24, concurrency_limit=LIMIT, overlap=overlap)
    queue = make_work_queue(client, filter={"deployment_ids": [deployment["id"]]})
    parts = app.extensions["mintaka"]
    begin = threading.Barrier(8)

    def work(n):
        chance, client = random.Random(n), app.test_client()
        begin.wait()
        for _ in range(200):
            if n == 0:
                PolicyPass(parts).run_once()
                LeaseExpiry(parts).run_once()
            for claim in ok(client.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 2, "lease_seconds": 1})):
                if chance.random() < 0.15:
                    continue  # the worker dies, and the lease gives its room back
                path, lease = f"/flow_runs/{claim['flow_run']['id']}/set_state", {"lease_id": claim["lease_id"]}
                for type in ("RUNNING", "COMPLETED"):
                    # one that is superseded meanwhile is refused
                    client.post(path, json=lease | {"state": {"type": type}})
            if not open_runs(app, deployment):
                return

    def all_of_it():
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))

    _, most = watched(app, deployment, all_of_it)
    assert most <= LIMIT
    assert most_at_once(app, deployment) <= LIMIT
    assert open_runs(app, deployment) == 0
    with parts.database.transaction(read_only=True) as session:
        ended = dict(session.execute(select(FLOW_RUN.c.state_name, func.count()).group_by(FLOW_RUN.c.state_name)).all())
    assert sum(ended.values()) == len(runs)
    other = {"buffer_all": set(), "skip": {"Skipped"}, "cancel_other": {"Superseded"}}[overlap]
    assert set(ended) - other == {"Completed"}


def open_runs(app, deployment):
    wanted = FLOW_RUN.c.deployment_id == UUID(deployment["id"]), FLOW_RUN.c.state_type.in_(("SCHEDULED", "PENDING", "RUNNING"))
    with app.extensions["mintaka"].database.transaction(read_only=True) as session:
        return session.scalar(select(func.count()).select_from(FLOW_RUN).where(*wanted))


def test_failures_at_once_pause_a_deployment_once(app):
    client = app.test_client()
    deployment = make_deployment(client, schedule={"interval": 3600})
    ok(client.patch(f"/deployments/{deployment['id']}/policy", json={"pause_after_failures": 5}))
    path = f"/deployments/{deployment['id']}/create_flow_run"
    runs = [ok(client.post(path, json={"state": {"type": "RUNNING"}}), 201) for _ in range(12)]

    upsert = {name: deployment[name] for name in ("name", "flow_id")} | {"tags": ["x"]}

    def fail(n):
        if n == 12:
            return app.test_client().post("/deployments/", json=upsert).status_code
        return app.test_client().post(f"/flow_runs/{runs[n]['id']}/set_state", json={"state": {"type": "FAILED"}}).status_code

    assert set(at_once(13, fail)) <= {200, 201}
    pause = ok(client.get(f"/deployments/{deployment['id']}/pause"))
    assert pause["paused"] is True
    assert pause["note"].startswith("Paused after 5 failed runs in a row")

"""Many workers that claim at once: no run is handed out twice, no limit exceeded, nobody gets an error."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, insert, select

from app import create_app
from app.config import Settings
from app.db.models import Agent, Deployment, Flow, FlowRun, FlowRunState, Lease
from app.domain.clock import utcnow
from app.domain.states import new_state
from app.repositories.flow_runs import FlowRuns
from tests.api.asking import ok
from tests.api.factories import make_deployment, make_work_queue
from tests.conftest import ApiClient

CLAIMERS = 50
FLOW, DEPLOYMENT, FLOW_RUN, STATE, LEASE = (model.__table__ for model in (Flow, Deployment, FlowRun, FlowRunState, Lease))
EXECUTING = ("PENDING", "RUNNING")


@pytest.fixture
def app(database_url):
    """The application, with connections for many threads."""
    settings = Settings(database_url=database_url, database_pool_size=20, database_lock_timeout=30.0, log_level="error")
    app = create_app(settings)
    app.test_client_class = ApiClient
    yield app
    app.extensions["mintaka"].database.dispose()


@pytest.fixture
def database(app):
    """The application's own."""
    return app.extensions["mintaka"].database


@pytest.fixture
def due(app, database):
    """due(number, tags): as many runs that were to start in the past; returns their ids as text."""

    def make(number, tags=()):
        deployment = make_deployment(app.test_client())
        now = datetime.now(UTC)
        rows = [
            {
                "id": uuid4(),
                "created": now,
                "updated": now,
                "name": f"run-{n}",
                "flow_id": UUID(deployment["flow_id"]),
                "deployment_id": UUID(deployment["id"]),
                "state_type": "SCHEDULED",
                "state_name": "Scheduled",
                "next_scheduled_start_time": now - timedelta(seconds=number - n),
                "tags": list(tags),
            }
            for n in range(number)
        ]
        with database.transaction() as session:
            session.execute(insert(FLOW_RUN), rows)
        return {str(row["id"]) for row in rows}

    return make


def at_once(number, work):
    """What `work(n)` returns for each n, all of them begun at the same moment."""
    begin = threading.Barrier(number)

    def begun(n):
        begin.wait()
        return work(n)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(begun, range(number)))


def claim_until_none(app, queue, limit):
    """What one worker is given until it is given nothing."""
    client, found = app.test_client(), []
    while claims := ok(client.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": limit, "worker": "w"})):
        found += claims
    return found


def stored(database):
    """Per run, how many entries its history has; and the ids of the runs that have a lease."""
    with database.transaction(read_only=True) as session:
        entries = session.execute(select(STATE.c.flow_run_id, func.count()).group_by(STATE.c.flow_run_id)).all()
        leased = session.scalars(select(LEASE.c.flow_run_id)).all()
    return {str(id): number for id, number in entries}, sorted(map(str, leased))


def test_fifty_claimers_of_two_queues_that_overlap_get_every_run_once(app, database, due):
    runs = due(80, tags=["a"]) | due(40)
    queues = [make_work_queue(app.test_client()), make_work_queue(app.test_client(), filter={"tags": ["a"]})]
    given = at_once(CLAIMERS, lambda n: claim_until_none(app, queues[n % 2], 1 + n % 3))
    # who finds all that is left in others' hands goes away with nothing
    given += [claim_until_none(app, queue, 200) for queue in queues]
    claims = [claim for worker in given for claim in worker]
    assert len(claims) == 120
    assert {claim["flow_run"]["id"] for claim in claims} == runs
    assert len({claim["lease_id"] for claim in claims}) == 120
    assert stored(database) == (dict.fromkeys(runs, 1), sorted(runs))


def test_fifty_claimers_of_a_limited_queue_never_hold_more_than_its_limit(app, database, due):
    runs, limit = due(60, tags=["a"]), 7
    due(10)
    queue = make_work_queue(app.test_client(), filter={"tags": ["a"]}, concurrency_limit=limit)
    first = at_once(CLAIMERS, lambda n: ok(app.test_client().post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 1 + n % 3})))
    assert sum(map(len, first)) == limit
    with watched(database) as most:
        for claim in (claim for worker in first for claim in worker):
            complete(database, claim)
        rest = at_once(CLAIMERS, lambda n: claim_and_complete(app, database, queue, 1 + n % 3))
    ids = [claim["flow_run"]["id"] for worker in (*first, *rest) for claim in worker]
    assert len(ids) == len(set(ids)) == 60
    assert set(ids) == runs
    assert 0 < max(most) <= limit


def claim_and_complete(app, database, queue, limit):
    """What one worker is given, each of which it completes, until none of the queue's runs is left."""
    client, found = app.test_client(), []
    while True:
        claims = ok(client.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": limit}))
        for claim in claims:
            complete(database, claim)
        found += claims
        if not claims:
            with database.transaction(read_only=True) as session:
                waiting = FLOW_RUN.c.state_type == "SCHEDULED", FLOW_RUN.c.tags != []
                if not session.scalar(select(func.count()).select_from(FLOW_RUN).where(*waiting)):
                    return found


def complete(database, claim):
    """Take a claimed run to its end."""

    def work(session):
        runs = FlowRuns(session, utcnow)
        run, previous = runs.lock(UUID(claim["flow_run"]["id"]))
        assert previous.type == "PENDING"
        runs.enter(run, previous, new_state("COMPLETED", utcnow()))

    database.run(work)


@contextmanager
def watched(database):
    """Yields a list that gets the number of tagged runs that are executing, again and again while the block lasts."""
    found, done = [], threading.Event()
    number = select(func.count()).select_from(FLOW_RUN).where(FLOW_RUN.c.state_type.in_(EXECUTING))

    def watch():
        while not done.is_set():
            with database.transaction(read_only=True) as session:
                found.append(session.scalar(number))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        done.set()
        watcher.join()


def test_fifty_polls_at_once_of_one_agent_and_of_new_ones_are_all_answered(app, database, due):
    runs, agent = due(5), str(uuid4())
    queue = make_work_queue(app.test_client())
    agents = [agent if n % 2 else str(uuid4()) for n in range(CLAIMERS)]
    path = f"/work_queues/{queue['id']}/get_runs"
    found = at_once(CLAIMERS, lambda n: ok(app.test_client().post(path, json={"agent_id": agents[n]})))
    assert all({run["id"] for run in page} == runs for page in found)
    with database.transaction(read_only=True) as session:
        assert {str(id) for id in session.scalars(select(Agent.id))} == set(agents)


def test_claims_from_a_queue_that_is_deleted_meanwhile_are_answered(app, due):
    due(30)
    queue = make_work_queue(app.test_client(), concurrency_limit=100)

    def work(n):
        if n == CLAIMERS // 2:
            return app.test_client().delete(f"/work_queues/{queue['id']}").status_code
        return app.test_client().post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 1}).status_code

    statuses = at_once(CLAIMERS, work)
    assert set(statuses) <= {200, 204, 404, 409}
    assert statuses.count(204) == 1

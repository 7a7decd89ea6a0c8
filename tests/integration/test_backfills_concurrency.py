"""However many end the runs of a backfill at the same moment, `max_active` is never passed and never starved; nor is a run made twice."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from sqlalchemy import func, select

from app import create_app
from app.config import Settings
from app.db.models import FlowRun
from app.scheduler.backfills import BackfillPass
from app.scheduler.leases import LeaseExpiry
from tests.api.asking import ok
from tests.api.factories import make_deployment, make_work_queue
from tests.conftest import ApiClient

FLOW_RUN = FlowRun.__table__
WORKERS, MAX_ACTIVE, TOTAL = 6, 3, 30
HOURLY = {"interval": 3600, "anchor_date": "2022-01-01T00:00:00+00:00"}
WINDOW = {"start": "2022-06-01T00:00:00Z", "end": "2022-06-02T05:00:00Z"}


@pytest.fixture
def app(database_url):
    """The application, with connections for many threads."""
    settings = Settings(database_url=database_url, database_pool_size=12, database_lock_timeout=30.0, log_level="error")
    app = create_app(settings)
    app.test_client_class = ApiClient
    yield app
    app.extensions["mintaka"].database.dispose()


@pytest.fixture
def deployment(app):
    return make_deployment(app.test_client(), schedule=HOURLY, is_schedule_active=False)


def begin(app, deployment, **asked):
    return ok(app.test_client().post(f"/deployments/{deployment['id']}/backfills", json=WINDOW | asked), 201)


def active(app, backfill):
    """How many runs of the backfill are active, and how many there are."""
    is_active = FLOW_RUN.c.state_type.in_(("SCHEDULED", "PENDING", "RUNNING"))
    counts = select(func.count().filter(is_active), func.count()).where(FLOW_RUN.c.backfill_id == UUID(backfill["id"]))
    with app.extensions["mintaka"].database.transaction(read_only=True) as session:
        return tuple(session.execute(counts).one())


def watched(app, backfill, work):
    """Call `work()`. Return what `active` said meanwhile, again and again."""
    seen, done = [], threading.Event()

    def watch():
        while not done.wait(0.002):
            seen.append(active(app, backfill))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return seen


def started_times(app, backfill):
    statement = select(FLOW_RUN.c.expected_start_time).where(FLOW_RUN.c.backfill_id == UUID(backfill["id"]))
    with app.extensions["mintaka"].database.transaction(read_only=True) as session:
        return session.scalars(statement).all()


@pytest.mark.parametrize("with_scheduler", [False, True])
def test_max_active_is_never_passed_and_never_starved_though_runs_end_at_the_same_moment(app, deployment, with_scheduler):
    client = app.test_client()
    backfill = begin(app, deployment, max_active=MAX_ACTIVE)
    queue = make_work_queue(client, filter={"deployment_ids": [deployment["id"]]})
    together = threading.Barrier(WORKERS)

    def work(n):
        client, chance = app.test_client(), random.Random(n)
        together.wait()
        for _ in range(300):
            if n == 0 and with_scheduler:
                BackfillPass(app.extensions["mintaka"]).run_once()
            for claim in ok(client.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 2})):
                path, lease = f"/flow_runs/{claim['flow_run']['id']}/set_state", {"lease_id": claim["lease_id"]}
                type = chance.choice(("COMPLETED", "FAILED", "CANCELLED"))
                ok(client.post(path, json=lease | {"state": {"type": type}}), 201)
            if ok(client.get(f"/backfills/{backfill['id']}"))["state"] == "COMPLETED":
                return

    def all_of_it():
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(work, range(WORKERS)))

    seen = watched(app, backfill, all_of_it)
    assert seen
    assert all(number <= MAX_ACTIVE for number, _ in seen)
    # while there are runs to be made, an end makes the next one in the same transaction
    assert all(number == MAX_ACTIVE for number, made in seen if made < TOTAL)
    over = ok(client.get(f"/backfills/{backfill['id']}"))
    assert (over["state"], over["made"]) == ("COMPLETED", TOTAL)
    assert sum(over["counts"].values()) == TOTAL == len(set(started_times(app, backfill)))


def test_runs_that_several_end_at_once_make_as_many_and_schedulers_beside_them_make_none_twice(app, deployment):
    backfill = begin(app, deployment, max_active=WORKERS)
    runs = ok(app.test_client().post("/flow_runs/filter", json={"flow_runs": {"tags": {"all_": [f"backfill:{backfill['id']}"]}}}))
    together = threading.Barrier(2 * WORKERS)

    def call(n):
        together.wait()
        if n >= WORKERS:
            return BackfillPass(app.extensions["mintaka"]).run_once().number
        ok(app.test_client().post(f"/flow_runs/{runs[n]['id']}/set_state", json={"state": {"type": "COMPLETED"}}), 201)
        return 0

    with ThreadPoolExecutor(2 * WORKERS) as pool:
        assert sum(pool.map(call, range(2 * WORKERS))) == 0
    assert active(app, backfill) == (WORKERS, 2 * WORKERS)
    assert len(set(started_times(app, backfill))) == 2 * WORKERS


def test_a_backfill_that_is_cancelled_while_its_runs_end_leaves_none_that_was_not_started(app, deployment):
    backfill = begin(app, deployment, max_active=WORKERS)
    runs = ok(app.test_client().post("/flow_runs/filter", json={"flow_runs": {"tags": {"all_": [f"backfill:{backfill['id']}"]}}}))
    together = threading.Barrier(WORKERS + 1)

    def call(n):
        together.wait()
        if n == WORKERS:
            return app.test_client().post(f"/backfills/{backfill['id']}/cancel").status_code
        # the run may be deleted by then
        return app.test_client().post(f"/flow_runs/{runs[n]['id']}/set_state", json={"state": {"type": "COMPLETED"}}).status_code

    with ThreadPoolExecutor(WORKERS + 1) as pool:
        *ended, cancelled = pool.map(call, range(WORKERS + 1))
    assert (cancelled, set(ended) <= {201, 404}) == (200, True)
    assert active(app, backfill) == (0, ended.count(201))


def test_without_a_process_that_makes_the_next_run_the_schedulers_pass_makes_it(app, deployment):
    """A run that was lost with its worker goes back into the queue and counts; one that is deleted is made up for by the pass alone."""
    parts, client = app.extensions["mintaka"], app.test_client()
    backfill = begin(app, deployment, max_active=1)
    queue = make_work_queue(client, filter={"deployment_ids": [deployment["id"]]})
    (claim,) = ok(client.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 1, "lease_seconds": 1}))
    assert LeaseExpiry(parts).run_once().number == 0
    assert BackfillPass(parts).run_once().number == 0
    ok(client.delete(f"/flow_runs/{claim['flow_run']['id']}"), 204)
    assert active(app, backfill) == (0, 0)
    assert BackfillPass(parts).run_once().number == 1
    assert active(app, backfill) == (1, 1)

"""Processes whose clocks differ by ten minutes and jump by an hour: leases, lateness, due times and schedules go by the database's.

A process is a `Database` of its own with parts of its own. What its wall clock says is set here; the database's clock is the real one.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app import create_app
from app.config import Settings
from app.db import clock as database_clock
from app.db.models import DeploymentSchedule, FlowRun, Lease
from app.db.session import Database
from app.domain import clock as process_clock
from app.errors import Conflict
from app.scheduler.late_runs import LateRunMarker
from app.scheduler.leases import LeaseExpiry
from app.scheduler.loop import Scheduler
from app.services.unit_of_work import UnitOfWork
from tests.api.asking import ok, runs_of
from tests.api.factories import make_deployment, make_due_runs, make_flow_run, make_work_queue
from tests.conftest import ApiClient
from tests.parts import make_parts

LEASE, FLOW_RUN, SCHEDULE = Lease.__table__, FlowRun.__table__, DeploymentSchedule.__table__
AHEAD, BEHIND, HOUR = timedelta(minutes=10), timedelta(minutes=-10), timedelta(hours=1)
LITTLE = timedelta(seconds=30)


@pytest.fixture
def wall(monkeypatch):
    """`wall.skew` is how far the wall clock of the process that works now is ahead."""

    class Wall(datetime):
        skew = timedelta(0)

        @classmethod
        def now(cls, zone=None):
            return datetime.now(zone) + cls.skew

    monkeypatch.setattr(process_clock, "datetime", Wall)
    return Wall


@pytest.fixture
def process(postgres_url):
    """process(): the parts of one more process, with connections of its own, which goes by no clock but those it finds."""
    databases = []

    def make():
        databases.append(Database(postgres_url, Settings(database_pool_size=1)))
        return make_parts(databases[-1], databases[-1].clock)

    yield make
    for database in databases:
        database.dispose()


@pytest.fixture
def client(postgres_url):
    """A client of an application that was given no clock."""
    app = create_app(Settings(database_url=postgres_url))
    app.test_client_class = ApiClient
    yield app.test_client()
    app.extensions["mintaka"].database.dispose()


def rows(parts, *columns):
    with parts.database.transaction(read_only=True) as session:
        return session.execute(select(*columns)).all()


def is_now(instant):
    return abs(instant - datetime.now(UTC)) < LITTLE


@pytest.mark.parametrize("skew", [AHEAD, BEHIND])
def test_a_scheduler_whose_clock_is_wrong_ends_no_lease_and_marks_no_run_that_is_not_due(client, wall, process, skew):
    wall.skew = -skew
    soon = datetime.now(UTC) + timedelta(minutes=5)
    make_due_runs(client, 2)
    make_due_runs(client, 1, due=soon)
    queue = make_work_queue(client)
    (claim,) = ok(client.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 1, "lease_seconds": 60}))
    assert is_now(datetime.fromisoformat(claim["lease_expires_at"]) - timedelta(seconds=60))
    parts = process()
    for jump in (timedelta(0), HOUR, -HOUR):
        wall.skew = skew + jump
        assert LeaseExpiry(parts).run_once().number == 0
        assert LateRunMarker(parts, 60).run_once().number == 0
        ok(client.post(f"/flow_runs/{claim['flow_run']['id']}/heartbeat", json={"lease_id": claim["lease_id"], "lease_seconds": 30}))
    # what is due by the database's clock is what happens, whatever the process believes
    run = UUID(claim["flow_run"]["id"])
    with parts.database.transaction() as session:
        session.execute(update(LEASE).values(expires_at=datetime.now(UTC)))
        late = datetime.now(UTC) - timedelta(seconds=61)
        session.execute(update(FLOW_RUN).where(FLOW_RUN.c.next_scheduled_start_time < soon).values(next_scheduled_start_time=late))
    assert LateRunMarker(parts, 60).run_once().number == 1
    assert LeaseExpiry(parts).run_once().number == 1
    found = {row.id: row for row in rows(parts, FLOW_RUN.c.id, FLOW_RUN.c.state_name, FLOW_RUN.c.next_scheduled_start_time)}
    assert sorted(row.state_name for row in found.values()) == ["Late", "Scheduled", "Scheduled"]
    assert is_now(found[run].next_scheduled_start_time)


def test_a_lease_that_one_server_gave_holds_on_every_other(client, wall, process):
    servers = process(), process()
    wall.skew = AHEAD
    make_due_runs(client, 1)
    queue = make_work_queue(client)
    (claim,) = ok(client.post(f"/work_queues/{queue['id']}/claim_runs", json={"lease_seconds": 30}))
    run, lease = UUID(claim["flow_run"]["id"]), UUID(claim["lease_id"])
    for parts, skew in zip(servers, (BEHIND, AHEAD + HOUR), strict=True):
        wall.skew = skew
        expires = parts.database.run(lambda session, parts=parts: UnitOfWork(session, parts).work_queue_service.heartbeat(run, lease, 30))
        assert is_now(expires - timedelta(seconds=30))
    with servers[0].database.transaction() as session:
        session.execute(update(LEASE).values(expires_at=datetime.now(UTC)))
    wall.skew = BEHIND
    with pytest.raises(Conflict):
        servers[0].database.run(lambda session: UnitOfWork(session, servers[0]).work_queue_service.heartbeat(run, lease, 30))


@pytest.mark.parametrize("skew", [AHEAD, BEHIND])
def test_what_a_server_writes_has_the_databases_time(client, wall, skew):
    wall.skew = skew
    run = make_flow_run(client, state={"type": "SCHEDULED"})
    assert is_now(datetime.fromisoformat(run["next_scheduled_start_time"]))
    wall.skew = -skew
    for type in ("RUNNING", "COMPLETED"):
        assert ok(client.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": type}}), 201)["status"] == "ACCEPT"
    run = ok(client.get(f"/flow_runs/{run['id']}"))
    assert run["total_run_time"] < LITTLE.total_seconds()
    assert all(is_now(datetime.fromisoformat(run[name])) for name in ("created", "updated", "start_time", "end_time"))
    deployment = make_deployment(client, schedule={"interval": 60})
    first = datetime.fromisoformat(runs_of(client, deployment)[0]["expected_start_time"])
    assert timedelta(0) <= first - datetime.now(UTC) + timedelta(seconds=1) <= timedelta(seconds=61) + LITTLE


def test_a_scheduler_looks_at_what_is_due_by_the_databases_clock(client, wall, process):
    make_deployment(client, schedule={"interval": 60})
    parts = process()
    wall.skew = AHEAD + HOUR
    assert Scheduler(parts).run_once().deployments == 0
    with parts.database.transaction() as session:
        # what is known of the database's clock may be some milliseconds old
        session.execute(update(SCHEDULE).values(top_up_due=datetime.now(UTC) - LITTLE))
    wall.skew = BEHIND - HOUR
    assert Scheduler(parts).run_once().deployments == 1


def test_the_database_is_asked_for_its_time_once_in_a_while(process, monkeypatch):
    parts = process()
    elapsed = [1000.0]
    monkeypatch.setattr(database_clock, "_elapsed", lambda: elapsed[0])
    begun = parts.clock()
    assert is_now(begun)
    # what has elapsed since is added, and set right as soon as a transaction begins
    elapsed[0] += 3600
    assert parts.clock() - begun == timedelta(hours=1)
    parts.database.run(lambda session: session.execute(select(1)))
    assert is_now(parts.clock())

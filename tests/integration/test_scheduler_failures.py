"""A schedule that fails, though it was accepted once: it is recorded and tried ever more rarely, and delays no other."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app.db.models import Deployment
from app.domain import schedules
from app.domain.planning import MAX_RETRY_WAIT, Policy
from app.errors import InvalidSchedule
from app.scheduler.loop import Scheduler
from tests.api.asking import ok, runs_of
from tests.api.factories import make_deployment
from tests.parts import make_parts

DEPLOYMENT = Deployment.__table__
NOW = datetime(2022, 6, 1, 12, 30, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
WEEKLY, HOURLY = {"rrule": "FREQ=WEEKLY"}, {"interval": 3600}
NONSENSE = {"cron": "nonsense"}


@pytest.fixture(autouse=True)
def stopped(clock):
    """Nothing here goes by the real time."""
    clock.stop_at(NOW)


@pytest.fixture
def scheduler(database, clock):
    """A scheduler on the database that `client` talks to, with connections of its own, that retries after a minute at first."""
    return Scheduler(make_parts(database, clock, Policy(retry=MINUTE)))


@pytest.fixture
def stored(database):
    """`stored.spoil(id, schedule)` writes what no client could, due at once; `stored.row(id)` reads the row."""

    def spoil(id, schedule):
        with database.transaction() as session:
            session.execute(update(DEPLOYMENT).where(DEPLOYMENT.c.id == UUID(id)).values(schedule=schedule, top_up_due=NOW))

    def row(id):
        with database.transaction(read_only=True) as session:
            return session.execute(select(DEPLOYMENT).where(DEPLOYMENT.c.id == UUID(id))).one()

    return SimpleNamespace(spoil=spoil, row=row)


@pytest.fixture
def broken(client, stored):
    """The id of a deployment whose stored schedule fails, due at once. The runs that an earlier schedule made are there."""
    deployment = make_deployment(client, schedule=WEEKLY)
    stored.spoil(deployment["id"], NONSENSE)
    return deployment["id"]


def failure(row):
    return row.schedule_error, row.schedule_failures


def test_a_failure_is_recorded_with_its_reason_and_leaves_the_runs_there_are(client, scheduler, stored, broken):
    before = runs_of(client, broken)
    report = scheduler.run_once()
    assert (report.deployments, report.runs, report.failures) == (1, 0, 1)
    row = stored.row(broken)
    with pytest.raises(InvalidSchedule) as refused:
        schedules.parse(NONSENSE)
    assert failure(row) == (str(refused.value), 1)
    assert row.top_up_due == NOW + MINUTE
    assert runs_of(client, broken) == before


def test_the_wait_doubles_with_every_failure_up_to_a_day(clock, scheduler, stored, broken):
    waits = []
    for _ in range(14):
        assert scheduler.run_once().failures == 1
        waits.append(stored.row(broken).top_up_due - clock())
        # a moment earlier it is left alone
        clock.stop_at(stored.row(broken).top_up_due - timedelta(microseconds=1))
        assert scheduler.run_once().deployments == 0
        clock.advance(microseconds=1)
    assert waits == [min(MINUTE * 2**n, MAX_RETRY_WAIT) for n in range(14)]
    assert waits[-1] == DAY


def test_a_failure_delays_no_other_deployment_of_its_batch(client, scheduler, stored, broken):
    others = [make_deployment(client, schedule=WEEKLY) for _ in range(2)]
    for other in others:
        stored.spoil(other["id"], HOURLY)
    report = scheduler.run_once()
    assert (report.deployments, report.failures) == (3, 1)
    for other in others:
        assert failure(stored.row(other["id"])) == (None, 0)
        assert len(runs_of(client, other)) > 100


@pytest.mark.parametrize(
    "schedule",
    [
        "a text",
        True,
        [],
        {},
        {"cron": None},
        {"cron": 5},
        {"cron": "0 9 * * *", "timezone": "Nowhere/Land"},
        {"cron": "0 9 * * *", "interval": 60},
        {"cron": "0 9 * * *", "seconds": 1},
        {"interval": []},
        {"interval": 0},
        {"interval": 3600, "anchor_date": {"a": [1]}},
        {"rrule": "FREQ=SECONDLY"},
        {"rrule": "\n"},
    ],
    ids=repr,
)
def test_whatever_is_stored_in_place_of_a_schedule_is_a_failure_of_it_alone(scheduler, stored, broken, schedule):
    stored.spoil(broken, schedule)
    assert scheduler.run_once().failures == 1
    reason, failures = failure(stored.row(broken))
    assert reason
    assert failures == 1


def test_a_fault_of_ours_in_a_schedule_is_a_failure_of_it_alone(client, scheduler, stored, broken, monkeypatch):
    parse = schedules.parse

    def faulty(document):
        return [][0] if document == NONSENSE else parse(document)

    monkeypatch.setattr(schedules, "parse", faulty)
    good = make_deployment(client, schedule=WEEKLY)
    stored.spoil(good["id"], HOURLY)
    report = scheduler.run_once()
    assert (report.deployments, report.failures) == (2, 1)
    assert failure(stored.row(broken)) == ("IndexError: list index out of range", 1)


def test_a_schedule_that_works_again_is_topped_up_as_ever(clock, scheduler, stored, broken, monkeypatch):
    scheduler.run_once()
    monkeypatch.setattr(schedules, "parse", lambda document, parse=schedules.parse: parse(HOURLY if document == NONSENSE else document))
    clock.advance(minutes=1)
    assert scheduler.run_once().runs > 0
    row = stored.row(broken)
    assert failure(row) == (None, 0)
    assert row.top_up_due > clock() + timedelta(hours=8)


def test_an_upsert_with_another_schedule_ends_the_failure_at_once(client, scheduler, stored, broken):
    for _ in range(3):
        stored.spoil(broken, NONSENSE)
        scheduler.run_once()
    row = stored.row(broken)
    make_deployment(client, flow_id=str(row.flow_id), name=row.name, schedule=HOURLY)
    assert len(runs_of(client, broken)) == 100
    assert failure(stored.row(broken)) == (None, 0)


def test_an_upsert_with_the_same_schedule_tries_it_again_at_once(client, scheduler, stored, broken, monkeypatch):
    stored.spoil(broken, {"interval": 3600.0, "anchor_date": "2020-01-01T00:00:00+00:00", "timezone": None})
    with monkeypatch.context() as patch:
        patch.setattr(schedules, "parse", lambda document: schedules.CronSchedule.parse("nonsense"))
        assert scheduler.run_once().failures == 1
    row = stored.row(broken)
    make_deployment(client, flow_id=str(row.flow_id), name=row.name, schedule=row.schedule)
    assert failure(stored.row(broken)) == (None, 0)
    assert stored.row(broken).top_up_due > NOW + timedelta(hours=8)


@pytest.mark.parametrize("change", [{"is_schedule_active": False}, {"schedule": None}], ids=["paused by an update", "cleared"])
def test_a_schedule_that_is_switched_off_has_not_failed(client, scheduler, stored, broken, change):
    scheduler.run_once()
    row = stored.row(broken)
    make_deployment(client, flow_id=str(row.flow_id), name=row.name, **change)
    row = stored.row(broken)
    assert (row.top_up_due, *failure(row)) == (None, None, 0)


def test_a_failed_schedule_can_be_paused(client, scheduler, stored, broken):
    scheduler.run_once()
    ok(client.post(f"/deployments/{broken}/set_schedule_inactive"))
    row = stored.row(broken)
    assert (row.top_up_due, *failure(row)) == (None, None, 0)
    assert runs_of(client, broken) == []

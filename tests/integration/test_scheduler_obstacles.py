"""A deployment whose runs cannot be written, or that others hold, delays no other."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import event, select, update

from app.db.models import Deployment
from app.domain.planning import Policy
from app.errors import Unavailable
from app.repositories import scheduled_runs
from app.repositories.deployments import Deployments
from app.repositories.scheduled_runs import ScheduledRuns
from app.scheduler.loop import Scheduler
from tests.api.asking import runs_of
from tests.api.factories import make_deployment
from tests.parts import make_parts

DEPLOYMENT = Deployment.__table__
NOW = datetime(2022, 6, 1, 12, 30, tzinfo=UTC)
WEEKLY = {"rrule": "FREQ=WEEKLY"}
MINUTE = timedelta(minutes=1)
# nobody holds a single row of SQLite
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
BOTH_WAYS = pytest.mark.parametrize("all_active", [False, True], ids=["due", "all"])


@pytest.fixture(autouse=True)
def stopped(clock):
    """Nothing here goes by the real time."""
    clock.stop_at(NOW)


@pytest.fixture
def scheduler(database, clock):
    """A scheduler on the database that `client` talks to, with connections of its own, that retries after a minute at first."""
    return Scheduler(make_parts(database, clock, Policy(retry=MINUTE)), batch_size=3)


@pytest.fixture
def due(client, database):
    """`due(**fields)`: the id of a new deployment without runs, due longer than those made after it."""
    made = []

    def make(**fields):
        made.append(make_deployment(client, schedule=WEEKLY, is_schedule_active=False, **fields)["id"])
        values = {"is_schedule_active": True, "top_up_due": NOW - timedelta(days=1, minutes=-len(made))}
        with database.transaction() as session:
            session.execute(update(DEPLOYMENT).where(DEPLOYMENT.c.id == UUID(made[-1])).values(values))
        return made[-1]

    return make


@pytest.fixture
def too_much(monkeypatch):
    """Runs with the parameter "heavy" are more than the database can write in time."""
    insert = ScheduledRuns.insert

    def limited(self, planned):
        if any("heavy" in deployment.parameters for deployment, _ in planned):
            raise Unavailable("a test")
        return insert(self, planned)

    monkeypatch.setattr(ScheduledRuns, "insert", limited)


def row_of(database, id):
    with database.transaction(read_only=True) as session:
        return session.execute(select(DEPLOYMENT).where(DEPLOYMENT.c.id == UUID(id))).one()


@BOTH_WAYS
def test_a_deployment_whose_runs_cannot_be_written_is_recorded_and_backed_off_and_delays_no_other(
    client, database, scheduler, due, too_much, all_active
):
    before, heavy, after = due(), due(parameters={"heavy": 1}), [due() for _ in range(4)]
    report = scheduler.run_once(all_active)
    assert (report.deployments, report.runs, report.failures, report.skipped) == (6, 5 * 14, 1, 0)
    assert [len(runs_of(client, id)) for id in (before, heavy, *after)] == [14, 0, 14, 14, 14, 14]
    row = row_of(database, heavy)
    assert (row.schedule_failures, row.top_up_due) == (1, NOW + MINUTE)
    assert "Its runs could not be written" in row.schedule_error


def test_a_deployment_whose_runs_can_be_written_after_all_has_failed_no_longer(client, clock, database, scheduler, due, too_much):
    heavy = due(parameters={"heavy": 1})
    scheduler.run_once()
    clock.advance(minutes=1)
    with database.transaction() as session:
        session.execute(update(DEPLOYMENT).values(parameters={}))
    assert scheduler.run_once().runs == 14
    assert (row_of(database, heavy).schedule_error, row_of(database, heavy).schedule_failures) == (None, 0)


def test_a_database_that_fails_altogether_ends_the_pass_and_is_no_failure_of_a_schedule(database, scheduler, due, too_much, monkeypatch):
    heavy, other = due(parameters={"heavy": 1}), due()

    def gone(self, outcomes):
        raise Unavailable("gone")

    monkeypatch.setattr(Deployments, "record_top_ups", gone)
    with pytest.raises(Unavailable, match="gone"):
        scheduler.run_once()
    assert [row_of(database, id).schedule_failures for id in (heavy, other)] == [0, 0]


def test_runs_with_large_parameters_are_written_in_more_statements_and_never_less_than_one_run_in_each(
    client, database, scheduler, due, monkeypatch
):
    monkeypatch.setattr(scheduled_runs, "BYTES_PER_STATEMENT", 40_000)
    large, larger, small = due(parameters={"x": "x" * 10_000}), due(parameters={"x": "x" * 50_000}), due()
    inserted = []

    @event.listens_for(database.engine(), "after_cursor_execute")
    def note(connection, cursor, statement, parameters, context, executemany):
        if "INSERT INTO flow_run (" in statement:
            inserted.append(cursor.rowcount)

    assert scheduler.run_once().runs == 3 * 14
    assert [len(runs_of(client, id)) for id in (large, larger, small)] == [14, 14, 14]
    # three of the large ones fit, one of the larger ones does not; ids grow with time, so the small ones come last
    assert inserted == [3, 3, 3, 3, 2, *[1] * 14, 14]
    assert {run["parameters"]["x"] for run in runs_of(client, larger)} == {"x" * 50_000}


def holding(database, id):
    """A transaction that holds the row of the deployment."""
    session = database.transaction()
    session.__enter__().execute(select(DEPLOYMENT).where(DEPLOYMENT.c.id == UUID(id)).with_for_update())
    return session


@ON_POSTGRESQL
def test_a_deployment_that_somebody_holds_delays_no_other_and_is_told_of(client, database, scheduler, due):
    ids = [due() for _ in range(5)]
    held = holding(database, ids[1])
    report = scheduler.run_once(all_active=True)
    held.__exit__(None, None, None)
    assert (report.deployments, report.runs, report.skipped) == (4, 4 * 14, 1)
    assert str(report).endswith(", 1 skipped")
    assert [len(runs_of(client, id)) for id in ids] == [14, 0, 14, 14, 14]


@ON_POSTGRESQL
def test_a_deployment_that_was_held_is_looked_at_again_at_the_end_of_the_pass(client, database, scheduler, due):
    ids = [due() for _ in range(5)]
    held = holding(database, ids[1])

    def let_go(report):
        if report.deployments == 4:
            held.__exit__(None, None, None)

    report = scheduler.run_once(all_active=True, progress=let_go)
    assert (report.deployments, report.runs, report.skipped) == (5, 5 * 14, 0)
    assert len(runs_of(client, ids[1])) == 14

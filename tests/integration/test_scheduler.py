"""`app.scheduler.loop`: what a pass of the scheduler does to the deployments and runs in a database."""

import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from uuid import UUID

import pytest
from sqlalchemy import event, text

from app.db.models import Deployment, DeploymentSchedule
from app.domain import schedules
from app.domain.planning import Policy
from app.errors import Unavailable
from app.repositories.scheduled_runs import ScheduledRuns
from app.scheduler.loop import Scheduler
from tests import stored as stored_rows
from tests.api.asking import ok, runs_of, starts
from tests.api.factories import make_deployment, make_flow
from tests.parts import make_parts

DEPLOYMENT, SCHEDULE = Deployment.__table__, DeploymentSchedule.__table__
NOW = datetime(2022, 6, 1, 12, 30, tzinfo=UTC)
HOURLY, DAILY, WEEKLY = {"interval": 3600}, {"cron": "0 9 * * *"}, {"rrule": "FREQ=WEEKLY"}
DAY = timedelta(days=1)
DEFAULT = Policy()


@pytest.fixture(autouse=True)
def stopped(clock):
    """Nothing here goes by the real time."""
    clock.stop_at(NOW)


@pytest.fixture
def scheduler(database, clock):
    """Scheduler(policy=..., batch_size=...) on the database that `client` talks to, with connections of its own."""
    return lambda policy=DEFAULT, **options: Scheduler(make_parts(database, clock, policy), **options)


@pytest.fixture
def stored(database):
    """`stored.change(id, column=value)` and `stored.row(id)`: a deployment's row, past the API."""

    return SimpleNamespace(change=partial(stored_rows.change, database), row=partial(stored_rows.row, database))


@pytest.fixture
def statements(database):
    """What is asked of `database` by others than `client`: a list of (statement, rows answered or changed)."""
    seen = []

    @event.listens_for(database.engine(), "after_cursor_execute")
    def note(connection, cursor, statement, parameters, context, executemany):
        if statement.split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"):
            seen.append((statement, cursor.rowcount))

    return seen


def expected(schedule, now, policy=DEFAULT):
    """The starts of the runs that `schedule` should have at `now`, as the API says them."""
    return [instant.isoformat() for instant in schedules.parse(schedule).occurrences(now, policy.end(now), policy.max_runs)]


def test_a_pass_fills_every_schedule_that_is_due_up_to_a_hundred_runs_within_a_hundred_days(client, scheduler, stored):
    made = {
        name: make_deployment(client, schedule=schedule, is_schedule_active=False)
        for name, schedule in (("hourly", HOURLY), ("daily", DAILY), ("weekly", WEEKLY))
    }
    for deployment in made.values():
        stored.change(deployment["id"], is_schedule_active=True, top_up_due=NOW)
    report = scheduler().run_once()
    assert (report.deployments, report.failures) == (3, 0)
    found = {name: starts(runs_of(client, deployment)) for name, deployment in made.items()}
    assert found == {"hourly": expected(HOURLY, NOW), "daily": expected(DAILY, NOW), "weekly": expected(WEEKLY, NOW)}
    assert {name: len(times) for name, times in found.items()} == {"hourly": 100, "daily": 100, "weekly": 14}
    assert report.runs == 214


def test_runs_made_by_the_scheduler_are_those_that_the_api_makes(client, scheduler, stored):
    runner = {"type": "subprocess", "config": {"condaenv": "x"}}
    by_api = make_deployment(
        client, schedule=WEEKLY, parameters={"n": 10**30, "x": [1.5, {"y": None}]}, tags=["a", "é"], flow_runner=runner
    )
    by_scheduler = make_deployment(
        client, schedule=WEEKLY, parameters=by_api["parameters"], tags=by_api["tags"], flow_runner=runner, is_schedule_active=False
    )
    stored.change(by_scheduler["id"], is_schedule_active=True, top_up_due=NOW)
    scheduler().run_once()

    def without_identity(deployment):
        dropped = ("id", "name", "flow_id", "deployment_id", "idempotency_key", "state_id")
        return [
            {name: value for name, value in run.items() if name not in dropped} | {"state": run["state"] | {"id": None}}
            for run in runs_of(client, deployment)
        ]

    assert without_identity(by_scheduler) == without_identity(by_api)
    assert without_identity(by_api)[0]["parameters"] == {"n": 10**30, "x": [1.5, {"y": None}]}


@pytest.mark.parametrize("all_active", [False, True], ids=["due", "all"])
def test_the_numbers_of_a_report_do_not_depend_on_the_batch_size(client, scheduler, stored, all_active):
    for _ in range(5):
        deployment = make_deployment(client, schedule=WEEKLY, is_schedule_active=False)
        stored.change(deployment["id"], is_schedule_active=True, top_up_due=NOW)
    told = []
    report = scheduler(batch_size=2).run_once(all_active, progress=lambda report: told.append((report.deployments, report.runs)))
    assert told == [(2, 28), (4, 56), (5, 70)]
    assert (report.deployments, report.runs) == (5, 70)


def test_a_pass_ends_although_a_run_is_to_start_at_the_very_moment(client, clock, scheduler):
    make_deployment(client, schedule=HOURLY)
    policy = Policy(max_runs=1)
    clock.stop_at(datetime(2022, 6, 1, 14, tzinfo=UTC))
    assert scheduler(policy).run_once(all_active=True).deployments == 1
    assert scheduler(policy).run_once().deployments == 0


@pytest.mark.parametrize("active", [5, 200])
def test_a_pass_with_nothing_due_is_one_query_without_rows_however_many_are_active(client, database, scheduler, statements, active):
    flow = make_flow(client)
    deployment = make_deployment(client, flow_id=flow["id"], schedule=WEEKLY)
    names = {"id": ":copy", "name": ":name", "deployment_id": ":copy"}
    copies = [
        text(
            f"INSERT INTO {table.name} ({', '.join(column.name for column in table.c)}) SELECT "
            f"{', '.join(names.get(column.name, column.name) for column in table.c)} FROM {table.name} WHERE {original} = :original"
        )
        for table, original in ((DEPLOYMENT, "id"), (SCHEDULE, "deployment_id"))
    ]

    def form(id):
        return str(id) if "postgresql" in database.url.drivername else id.hex

    values = [{"copy": form(UUID(int=n)), "name": f"copy {n}", "original": form(UUID(deployment["id"]))} for n in range(1, active)]
    with database.transaction() as session:
        for copy in copies:
            session.execute(copy, values)
    statements.clear()
    report = scheduler().run_once()
    assert (report.deployments, report.runs) == (0, 0)
    assert len(statements) == 1
    assert "top_up_due <=" in statements[0][0]
    assert statements[0][1] in (0, -1)


def test_a_second_pass_changes_nothing(client, scheduler, stored, statements):
    deployment = make_deployment(client, schedule=DAILY, is_schedule_active=False)
    stored.change(deployment["id"], is_schedule_active=True, top_up_due=NOW)
    scheduler().run_once()
    before, runs = stored.row(deployment["id"]), runs_of(client, deployment)
    statements.clear()
    scheduler().run_once()
    assert [statement.split()[0] for statement, _ in statements] == ["SELECT"]
    assert (stored.row(deployment["id"]), runs_of(client, deployment)) == (before, runs)


def test_runs_are_topped_up_when_a_tenth_of_them_is_used_up(client, clock, scheduler):
    deployment = make_deployment(client, schedule=HOURLY)
    clock.advance(hours=9)
    assert scheduler().run_once().deployments == 0
    clock.advance(hours=1)
    assert scheduler().run_once().runs == 10
    assert starts(runs_of(client, deployment))[-100:] == expected(HOURLY, clock())


def test_a_schedule_limited_by_the_horizon_gets_each_run_when_it_comes_within_it(client, clock, scheduler):
    deployment = make_deployment(client, schedule=WEEKLY)
    for _ in range(21):
        clock.advance(days=1)
        scheduler().run_once()
        assert starts(runs_of(client, deployment, expected_start_time={"after_": clock().isoformat()})) == expected(WEEKLY, clock())


def test_a_scheduler_that_was_down_for_long_makes_runs_from_now_on_and_none_for_the_past(client, clock, scheduler):
    deployment = make_deployment(client, schedule=HOURLY)
    before = starts(runs_of(client, deployment))
    clock.advance(days=300)
    assert scheduler().run_once().runs == 100
    assert starts(runs_of(client, deployment)) == before + expected(HOURLY, clock())


def test_a_run_that_a_user_moved_on_is_not_made_again(client, clock, scheduler, database):
    deployment = make_deployment(client, schedule=WEEKLY)
    with database.transaction() as session:
        session.execute(text("UPDATE flow_run SET state_type = 'CANCELLED', state_name = 'Cancelled'"))
    assert scheduler().run_once(all_active=True).runs == 0
    assert len(runs_of(client, deployment)) == 14


def test_an_ended_a_paused_and_an_unscheduled_deployment_are_never_looked_at(client, clock, scheduler, stored):
    ended = make_deployment(client, schedule={"rrule": "DTSTART:20220101T000000Z\nRRULE:FREQ=DAILY;COUNT=10"})
    make_deployment(client, schedule=HOURLY, is_schedule_active=False)
    paused = make_deployment(client, schedule=HOURLY)
    ok(client.post(f"/deployments/{paused['id']}/set_schedule_inactive"))
    cleared = make_deployment(client, schedule=HOURLY)
    make_deployment(client, **{name: cleared[name] for name in ("flow_id", "name")}, schedule=None)
    make_deployment(client)
    assert all(stored.row(deployment["id"]).top_up_due is None for deployment in (ended, paused, cleared))
    clock.advance(days=365)
    assert scheduler().run_once().deployments == 0
    # it has a schedule that is active, so that --all looks at it
    assert scheduler().run_once(all_active=True).deployments == 1


def test_all_takes_up_a_longer_queue_and_a_longer_horizon(client, scheduler):
    hourly, weekly = make_deployment(client, schedule=HOURLY), make_deployment(client, schedule=WEEKLY)
    wider = Policy(max_runs=150, max_time=200 * DAY)
    assert scheduler(wider).run_once().deployments == 0
    report = scheduler(wider, batch_size=1).run_once(all_active=True)
    assert report.deployments == 2
    assert starts(runs_of(client, hourly)) == expected(HOURLY, NOW, wider)
    assert starts(runs_of(client, weekly)) == expected(WEEKLY, NOW, wider)


def test_a_batch_is_no_larger_than_what_a_client_can_wait_for(scheduler):
    assert scheduler(Policy(max_runs=100), batch_size=20).batch_size == 20
    assert scheduler(Policy(max_runs=10_000), batch_size=20).batch_size == 2
    assert scheduler(Policy(max_runs=10_000), batch_size=1).batch_size == 1


def test_a_long_queue_is_written_in_several_statements(client, scheduler, statements):
    deployment = make_deployment(client, schedule={"interval": 60}, is_schedule_active=True)
    report = scheduler(Policy(max_runs=10_000)).run_once(all_active=True)
    assert report.runs == 9_900
    inserted = [rows for statement, rows in statements if "INSERT INTO flow_run (" in statement]
    assert inserted == [4_900, 5_000]
    assert ok(client.post("/flow_runs/count", json={"flow_runs": {"deployment_id": {"any_": [deployment["id"]]}}})) == 10_000


def test_batches_are_committed_one_by_one(client, scheduler, stored, monkeypatch):
    made = [make_deployment(client, schedule=WEEKLY, is_schedule_active=False) for _ in range(3)]
    for n, deployment in enumerate(made):
        stored.change(deployment["id"], is_schedule_active=True, top_up_due=NOW - DAY + timedelta(seconds=n))
    insert, calls = ScheduledRuns.insert, []

    def failing_the_second_time(self, *args):
        calls.append(insert(self, *args))
        if len(calls) == 2:
            raise RuntimeError("the second batch")
        return calls[-1]

    monkeypatch.setattr(ScheduledRuns, "insert", failing_the_second_time)
    with pytest.raises(RuntimeError, match="the second batch"):
        scheduler(batch_size=1).run_once()
    assert [len(runs_of(client, deployment)) for deployment in made] == [14, 0, 0]
    report = scheduler(batch_size=1).run_once()
    assert (report.deployments, report.runs) == (2, 28)


def test_a_stop_request_ends_a_pass_after_the_batch_it_is_at(client, scheduler, stored):
    made = [make_deployment(client, schedule=WEEKLY, is_schedule_active=False) for _ in range(3)]
    for n, deployment in enumerate(made):
        stored.change(deployment["id"], is_schedule_active=True, top_up_due=NOW - DAY + timedelta(seconds=n))
    stop = threading.Event()
    report = scheduler(batch_size=1).run_once(should_stop=stop.is_set, progress=lambda report: stop.set())
    assert (report.deployments, report.runs) == (1, 14)
    assert [len(runs_of(client, deployment)) for deployment in made] == [14, 0, 0]


def test_a_pass_that_raises_does_not_end_the_loop_nor_what_was_asked_of_it(scheduler, monkeypatch):
    failures, asked, answers = [Unavailable(reason="a test"), RuntimeError("a test")], [], iter([False, False, False, True])

    def run_once(self, all_active=False, should_stop=None, follow_rules=False):
        asked.append(all_active)
        if failures:
            raise failures.pop()

    monkeypatch.setattr(Scheduler, "run_once", run_once)
    scheduler().run(60, wait=lambda seconds: next(answers), all_active=True)
    assert asked == [True, True, True, False]

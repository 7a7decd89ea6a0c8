"""The scheduler: what a pass does, what it looks at, and what a broken schedule costs the others."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, select, update

from app.db.models import Deployment
from app.domain import schedules
from app.services.scheduler import Scheduler
from app.services.scheduling import Policy
from tests.api.asking import ok, runs_of, starts
from tests.api.factories import make_deployment, make_flow

NOW = datetime(2022, 6, 1, 12, tzinfo=UTC)
HOURLY = {"interval": 3600}
DEPLOYMENT = Deployment.__table__


@pytest.fixture
def services(app, clock):
    clock.stop_at(NOW)
    return app.extensions["mintaka"]


@pytest.fixture
def scheduler(services):
    return Scheduler(services.database, services.clock, services.policy, batch_size=2)


def columns_of(services, deployment):
    """The columns of a deployment that are the scheduler's own."""
    with services.database.transaction() as session:
        return session.execute(select(DEPLOYMENT).where(DEPLOYMENT.c.name == deployment["name"])).one()


def break_schedule(services, deployment):
    """Write a schedule that nothing could have let in, as of now."""
    with services.database.transaction() as session:
        values = {"schedule": {"cron": "nonsense"}, "top_up_due": services.clock()}
        session.execute(update(DEPLOYMENT).where(DEPLOYMENT.c.name == deployment["name"]).values(values))


def statements_of(services, work):
    """The statements that `work()` makes the database run."""
    seen = []

    def note(_connection, _cursor, statement, *_rest):
        seen.append(statement)

    engine = services.database.engine()
    event.listen(engine, "before_cursor_execute", note)
    try:
        work()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return seen


def test_a_pass_tops_up_what_is_due_when_time_has_moved_on(services, scheduler, client, clock):
    deployment = make_deployment(client, schedule=HOURLY)
    first = starts(runs_of(client, deployment))
    assert len(first) == 100
    clock.advance(hours=30)
    report = scheduler.run_once()
    assert (report.deployments, report.runs, report.failures) == (1, 30, 0)
    wanted = schedules.parse(deployment["schedule"]).occurrences(clock(), clock() + timedelta(days=100), 100)
    assert starts(runs_of(client, deployment))[30:] == [instant.isoformat() for instant in wanted]


def test_a_pass_with_nothing_due_runs_the_same_statements_for_many_active_deployments_as_for_few(services, scheduler, client):
    flow = make_flow(client)
    few = None
    for number in range(60):
        make_deployment(client, flow_id=flow["id"], schedule={"interval": 86400 * 40})
        if number == 4:
            few = statements_of(services, scheduler.run_once)
    many = statements_of(services, scheduler.run_once)
    assert many == few
    assert sum("deployment" in statement for statement in many) == 1


def test_a_second_pass_makes_nothing(services, scheduler, client, clock):
    deployment = make_deployment(client, schedule=HOURLY)
    clock.advance(days=2)
    assert scheduler.run_once().runs == 48
    assert scheduler.run_once().deployments == 0
    assert scheduler.run_once(all_active=True).runs == 0
    assert len(runs_of(client, deployment)) == 148


def test_all_looks_at_every_active_deployment_after_the_horizon_was_changed(services, client):
    active = make_deployment(client, schedule=HOURLY)
    paused = make_deployment(client, schedule=HOURLY, is_schedule_active=False)
    wider = Scheduler(services.database, services.clock, Policy(max_runs=150), batch_size=2)
    assert wider.run_once().deployments == 0
    report = wider.run_once(all_active=True)
    assert (report.deployments, report.runs) == (1, 50)
    assert (len(runs_of(client, active)), runs_of(client, paused)) == (150, [])


def test_paused_deployments_and_those_without_a_schedule_are_never_due(services, scheduler, client, clock):
    make_deployment(client)
    deployment = make_deployment(client, schedule=HOURLY)
    ok(client.post(f"/deployments/{deployment['id']}/set_schedule_inactive"))
    clock.advance(days=3)
    assert scheduler.run_once().deployments == 0
    assert scheduler.run_once(all_active=True).deployments == 0
    assert runs_of(client, deployment) == []


def test_a_schedule_that_fails_is_recorded_and_delays_no_other(services, scheduler, client, clock):
    broken, *others = [make_deployment(client, schedule=HOURLY) for _ in range(5)]
    clock.advance(hours=20)
    break_schedule(services, broken)
    report = scheduler.run_once()
    assert (report.deployments, report.failures, report.runs) == (5, 1, 80)
    assert all(len(runs_of(client, other)) == 120 for other in others)
    row = columns_of(services, broken)
    assert "cron" in row.schedule_error
    assert row.schedule_failures == 1
    assert row.top_up_due == clock() + timedelta(seconds=60)


def test_a_schedule_that_fails_again_is_tried_later_each_time_twice_as_late_up_to_a_day(services, scheduler, client, clock):
    broken = make_deployment(client, schedule=HOURLY)
    break_schedule(services, broken)
    waits = []
    for _ in range(13):
        scheduler.run_once()
        due = columns_of(services, broken).top_up_due
        waits.append((due - clock()).total_seconds())
        clock.stop_at(due)
    assert waits[:4] == [60, 120, 240, 480]
    assert waits[-2:] == [86400, 86400]


def test_an_upsert_with_a_good_schedule_ends_the_failure(services, scheduler, client, clock):
    broken = make_deployment(client, schedule=HOURLY)
    break_schedule(services, broken)
    scheduler.run_once()
    ok(client.post("/deployments/", json={"name": broken["name"], "flow_id": broken["flow_id"], "schedule": {"interval": 7200}}))
    row = columns_of(services, broken)
    assert (row.schedule_error, row.schedule_failures) == (None, 0)
    assert len(runs_of(client, broken)) == 100


def test_batches_are_committed_one_by_one(services, scheduler, client, clock, monkeypatch):
    deployments = [make_deployment(client, schedule=HOURLY) for _ in range(4)]
    clock.advance(hours=20)
    run, batches = services.database.run, []

    def fail_the_second(work, **options):
        batches.append(work)
        if len(batches) == 2:
            raise RuntimeError("the machine is gone")
        return run(work, **options)

    monkeypatch.setattr(services.database, "run", fail_the_second)
    with pytest.raises(RuntimeError):
        scheduler.run_once()
    monkeypatch.undo()
    assert sorted(len(runs_of(client, deployment)) for deployment in deployments) == [100, 100, 120, 120]


def test_a_request_to_stop_is_met_after_the_batch_at_hand(services, scheduler, client, clock):
    for _ in range(6):
        make_deployment(client, schedule=HOURLY)
    clock.advance(hours=20)
    asked = iter([False, True])
    assert scheduler.run_once(should_stop=lambda: next(asked)).deployments == 2


def test_topping_up_does_not_count_as_a_change_of_the_deployment(services, scheduler, client, clock):
    deployment = make_deployment(client, schedule=HOURLY)
    clock.advance(hours=20)
    scheduler.run_once()
    assert ok(client.get(f"/deployments/{deployment['id']}"))["updated"] == deployment["updated"]

"""Why is it not running? Each reason is brought about through the front door, on both databases."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import event

from app.scheduler.policies import PolicyPass
from tests.api.asking import ok, problem
from tests.api.factories import make_deployment, make_task_run, make_work_queue
from tests.parts import monthly_heartbeat
from tests.stored import change

NOW = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
DAILY = {"cron": "0 9 * * *", "timezone": "UTC"}


@pytest.fixture(autouse=True)
def stopped(clock):
    """Nothing here goes by the real time."""
    clock.stop_at(NOW)


@pytest.fixture(autouse=True)
def scheduler(app, stopped):
    """A scheduler that has just made its pass of the month."""
    return monthly_heartbeat(app.extensions["mintaka"])


@pytest.fixture
def deployment(client):
    """A deployment that runs every day."""
    return make_deployment(client, schedule=DAILY, name=f"d-{uuid4()}", tags=["nightly"])


@pytest.fixture
def queue(client, deployment):
    """A work queue of its runs that a worker serves."""
    queue = make_work_queue(client, filter={"deployment_ids": [deployment["id"]]})
    claim(client, queue)
    return queue


def claim(client, queue, **asked):
    return ok(client.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 10} | asked))


def due(client, deployment):
    path = f"/deployments/{deployment['id']}/create_flow_run"
    return ok(client.post(path, json={"state": {"type": "SCHEDULED"}}), 201)


def explain(client, deployment):
    return ok(client.get(f"/deployments/{deployment['id']}/explain"))


def only(explanation, code):
    """The one reason of that kind."""
    [reason] = [reason for reason in explanation["reasons"] if reason["code"] == code]
    return reason


def codes(explanation):
    return [reason["code"] for reason in explanation["reasons"]]


def put(client, deployment, slug="default", **fields):
    ok(client.put(f"/deployments/{deployment['id']}/schedules/{slug}", json={"schedule": DAILY} | fields), 200, 201)


def test_what_runs_has_no_reason_not_to(client, deployment, queue):
    assert explain(client, deployment) == {"will_run": True, "next_run": "2026-06-02T09:00:00+00:00", "reasons": []}


def test_an_unknown_deployment_is_404(client):
    problem(client.get(f"/deployments/{uuid4()}/explain"), 404)


def test_a_deployment_without_a_schedule_runs_only_by_hand(client):
    deployment = make_deployment(client)
    queue = make_work_queue(client, filter={"deployment_ids": [deployment["id"]]})
    claim(client, queue)
    found = explain(client, deployment)
    assert (found["will_run"], found["next_run"], codes(found)) == (False, None, ["no_schedule"])
    due(client, deployment)
    found = explain(client, deployment)
    assert (found["will_run"], found["next_run"], codes(found)) == (True, NOW.isoformat(), ["no_schedule"])


def test_a_pause_is_told_with_its_note_and_end(client, clock, deployment, queue):
    until = (NOW + timedelta(days=1)).isoformat()
    ok(client.post(f"/deployments/{deployment['id']}/set_schedule_inactive", json={"note": "Migration", "until": until}))
    clock.advance(seconds=30)
    found = explain(client, deployment)
    assert (found["will_run"], found["next_run"], codes(found)) == (False, None, ["paused"])
    assert only(found, "paused") == {
        "code": "paused",
        "message": f"The deployment is paused until {until}: Migration",
        "since": NOW.isoformat(),
        "about": {"deployment_id": deployment["id"]},
    }


def test_an_inactive_schedule_is_named(client, deployment, queue):
    put(client, deployment, is_active=False)
    found = explain(client, deployment)
    assert codes(found) == ["schedule_inactive"]
    schedule = ok(client.get(f"/deployments/{deployment['id']}/schedules/default"))
    assert only(found, "schedule_inactive")["about"] == {"schedule_id": schedule["id"]}


def test_a_schedule_that_has_ended_and_one_that_has_not_begun(client, clock, deployment, queue):
    put(client, deployment, ends_at=(NOW + timedelta(days=1)).isoformat())
    put(client, deployment, "later", starts_at=(NOW + timedelta(days=300)).isoformat())
    found = explain(client, deployment)
    assert (found["will_run"], codes(found)) == (True, ["not_started_yet"])
    clock.advance(days=2)
    assert codes(explain(client, deployment))[:2] == ["schedule_ended", "not_started_yet"]


def test_a_rule_that_is_used_up_has_ended(client, clock):
    deployment = make_deployment(client, schedule={"rrule": "DTSTART:20260602T090000Z\nRRULE:FREQ=DAILY;COUNT=2"})
    clock.advance(days=5)
    assert only(explain(client, deployment), "schedule_ended")["message"] == "The schedule default has no occurrence from now on."


def test_a_schedule_that_failed_is_told_with_the_reason(client, database, deployment, queue):
    change(database, deployment["id"], schedule_error="it is broken")
    assert "it is broken" in only(explain(client, deployment), "schedule_error")["message"]


def test_a_schedule_all_of_whose_dates_are_excluded(client, deployment, queue):
    # up to the horizon, which is 100 days
    put(client, deployment, exclude=[{"start": NOW.isoformat(), "end": (NOW + timedelta(days=150)).isoformat()}])
    found = explain(client, deployment)
    assert (found["will_run"], codes(found)) == (False, ["all_excluded"])


def test_a_scheduler_that_makes_no_passes_is_silent(client, clock, app, scheduler, deployment, queue):
    clock.advance(days=90)
    claim(client, queue, limit=1)
    assert "scheduler_silent" not in codes(explain(client, deployment))
    clock.advance(seconds=1)
    claim(client, queue, limit=1)
    silent = only(explain(client, deployment), "scheduler_silent")
    assert silent["since"] == NOW.isoformat()
    assert f"{scheduler.host}, process {scheduler.pid}" in silent["message"]
    # another one takes over
    monthly_heartbeat(app.extensions["mintaka"])
    assert "scheduler_silent" not in codes(explain(client, deployment))


def test_where_no_scheduler_runs_that_is_told(client, scheduler, deployment, queue):
    scheduler.end()
    silent = only(explain(client, deployment), "scheduler_silent")
    assert (silent["since"], silent["message"]) == (None, "No scheduler runs: start `mintaka scheduler run`.")


def test_no_queue_has_its_runs(client, deployment):
    make_work_queue(client, filter={"tags": ["elsewhere"]})
    make_work_queue(client, filter={"flow_runner_types": ["docker"]})
    make_work_queue(client, filter={"deployment_ids": []})
    found = explain(client, deployment)
    assert (found["will_run"], codes(found)) == (False, ["no_queue_matches"])
    queue = make_work_queue(client, filter={"tags": ["nightly", "auto-scheduled"]})
    claim(client, queue)
    assert explain(client, deployment)["will_run"] is True


def test_a_paused_queue_hands_out_nothing(client, deployment, queue):
    ok(client.patch(f"/work_queues/{queue['id']}", json={"is_paused": True}), 204)
    found = explain(client, deployment)
    assert (found["will_run"], codes(found)) == (False, ["queue_paused"])
    assert only(found, "queue_paused")["about"] == {"work_queue_id": queue["id"]}
    # one that works is enough
    claim(client, make_work_queue(client, filter={"tags": ["nightly"]}))
    assert explain(client, deployment)["will_run"] is True


@pytest.mark.parametrize("ask", ["claim_runs", "get_runs"])
def test_a_queue_that_nobody_asks(client, clock, deployment, ask):
    queue = make_work_queue(client, filter={"deployment_ids": [deployment["id"]]})
    assert "Nobody has ever asked" in only(explain(client, deployment), "queue_unpolled")["message"]
    ok(client.post(f"/work_queues/{queue['id']}/{ask}"))
    assert explain(client, deployment)["will_run"] is True
    clock.advance(seconds=60)
    assert explain(client, deployment)["will_run"] is True
    clock.advance(seconds=1)
    found = explain(client, deployment)
    assert (found["will_run"], codes(found)) == (False, ["queue_unpolled"])
    assert only(found, "queue_unpolled")["since"] == NOW.isoformat()
    # asked again, it is served again; who asks often does not write each time
    for _ in range(3):
        ok(client.post(f"/work_queues/{queue['id']}/{ask}"))
    assert explain(client, deployment)["will_run"] is True


def test_an_agent_that_says_who_it_is_serves_a_queue(client, clock, deployment):
    queue = make_work_queue(client, filter={"deployment_ids": [deployment["id"]]})
    ok(client.post(f"/work_queues/{queue['id']}/get_runs", json={"agent_id": str(uuid4())}))
    assert explain(client, deployment)["will_run"] is True


def test_a_full_queue(client, deployment):
    queue = make_work_queue(client, filter={"tags": ["nightly"]}, concurrency_limit=1)
    other = make_work_queue(client, filter={"deployment_ids": [deployment["id"]], "tags": ["nightly"]}, concurrency_limit=2)
    claim(client, other)
    assert explain(client, deployment)["will_run"] is True
    due(client, deployment)
    due(client, deployment)
    claim(client, queue, limit=1)
    assert explain(client, deployment)["will_run"] is True
    claim(client, other, limit=1)
    found = explain(client, deployment)
    assert (found["will_run"], codes(found)[:2]) == (False, ["queue_full", "queue_full"])
    assert {reason["about"]["work_queue_id"] for reason in found["reasons"][:2]} == {queue["id"], other["id"]}


def test_a_full_deployment_and_who_holds_its_runs(client, clock, deployment, queue):
    ok(client.patch(f"/deployments/{deployment['id']}/policy", json={"concurrency_limit": 1}))
    run = due(client, deployment)
    [claimed] = claim(client, queue, worker="w-1", lease_seconds=300)
    clock.advance(seconds=10)
    late = due(client, deployment)
    clock.advance(seconds=5)
    found = explain(client, deployment)
    assert (found["will_run"], codes(found)) == (False, ["deployment_full", "run_late", "lease_held"])
    full, late_run, held = found["reasons"]
    assert (full["since"], full["about"]) == (NOW.isoformat(), {"flow_run_ids": [run["id"]]})
    assert run["id"] in full["message"]
    assert late_run["about"] == {"flow_run_id": late["id"]}
    assert held["about"] == {"flow_run_id": run["id"], "lease_id": claimed["lease_id"]}
    assert held["message"].startswith(f"The worker w-1 holds the run {run['name']}, which is Pending; the lease ends")


def test_runs_that_a_policy_ended_are_counted(client, app, clock, deployment, queue):
    ok(client.patch(f"/deployments/{deployment['id']}/policy", json={"concurrency_limit": 1, "overlap": "skip"}))
    due(client, deployment)
    claim(client, queue)
    for _ in range(2):
        due(client, deployment)
    clock.advance(seconds=5)
    assert PolicyPass(app.extensions["mintaka"]).run_once().number == 2
    message = only(explain(client, deployment), "deployment_full")["message"]
    assert message.endswith("In the last 24 hours, runs ended without having started: 2 Skipped.")


def test_a_limit_on_a_tag_that_is_used_up(client, deployment, queue):
    limit = ok(client.post("/concurrency_limits/", json={"tag": "nightly", "concurrency_limit": 1}))
    assert codes(explain(client, deployment)) == []
    task = make_task_run(client, tags=["nightly"])
    ok(client.post(f"/task_runs/{task['id']}/set_state", json={"state": {"type": "RUNNING"}}), 201)
    found = explain(client, deployment)
    # its runs start, and their task runs wait
    assert (found["will_run"], codes(found)) == (True, ["tag_limit_full"])
    assert only(found, "tag_limit_full")["about"] == {"concurrency_limit_id": limit["id"]}


def test_an_explanation_asks_the_database_a_bounded_number_of_times(app, client, deployment, queue):
    ok(client.patch(f"/deployments/{deployment['id']}/policy", json={"concurrency_limit": 1}))
    for number in range(5):
        put(client, deployment, f"slug-{number}")
        make_work_queue(client, filter={"tags": ["nightly"]}, concurrency_limit=number)
        due(client, deployment)
    claim(client, queue)
    asked, engine = [], app.extensions["mintaka"].database.engine(read_only=True)

    def listen(_connection, _cursor, text, *_):
        asked.append(text)

    event.listen(engine, "before_cursor_execute", listen)
    explain(client, deployment)
    event.remove(engine, "before_cursor_execute", listen)
    statements = [text for text in asked if text.startswith(("SELECT", "WITH"))]
    assert len(statements) == 9
    assert len(asked) <= len(statements) + 1, "and nothing is written"

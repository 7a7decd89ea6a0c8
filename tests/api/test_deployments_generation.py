"""The runs that creating, updating and activating a deployment make, and which of them an update replaces."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from tests.api.asking import ids, ok, runs_of, starts
from tests.api.factories import make_deployment, make_flow
from tests.api.history import start_some

NOW = datetime(2022, 6, 1, 12, 30, tzinfo=UTC)
HOURLY = {"interval": 3600}
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def stopped_clock(api_clock):
    api_clock.stop_at(NOW)


def hours(first, count=100):
    """`count` full hours from `first`, as instants are answered."""
    return [(first + number * HOUR).isoformat() for number in range(count)]


NEXT_HOURS = hours(NOW.replace(hour=13, minute=0))


def upsert(client, deployment, **fields):
    return ok(client.post("/deployments/", json={"name": deployment["name"], "flow_id": deployment["flow_id"]} | fields))


def test_creating_with_an_active_schedule_makes_runs_at_once(api):
    assert starts(runs_of(api, make_deployment(api, schedule=HOURLY))) == NEXT_HOURS


def test_creating_with_an_inactive_schedule_makes_none(api):
    assert runs_of(api, make_deployment(api, schedule=HOURLY, is_schedule_active=False)) == []


def test_creating_without_a_schedule_makes_none(api):
    assert runs_of(api, make_deployment(api)) == []


def test_updating_to_an_active_schedule_makes_runs_at_once(api):
    deployment = make_deployment(api)
    upsert(api, deployment, schedule=HOURLY)
    assert starts(runs_of(api, deployment)) == NEXT_HOURS


def test_activating_makes_runs_before_the_answer(api):
    deployment = make_deployment(api, schedule=HOURLY, is_schedule_active=False)
    assert ok(api.post(f"/deployments/{deployment['id']}/set_schedule_active")) is None
    assert starts(runs_of(api, deployment)) == NEXT_HOURS
    assert ok(api.get(f"/deployments/{deployment['id']}"))["is_schedule_active"] is True


def test_activating_twice_creates_no_duplicate_runs(api):
    deployment = make_deployment(api, schedule=HOURLY, is_schedule_active=False)
    for _ in range(3):
        ok(api.post(f"/deployments/{deployment['id']}/set_schedule_active"))
    assert starts(runs_of(api, deployment)) == NEXT_HOURS


def test_activating_later_makes_the_runs_that_are_missing(api, api_clock):
    deployment = make_deployment(api, schedule=HOURLY)
    before = runs_of(api, deployment)
    api_clock.advance(hours=3)
    ok(api.post(f"/deployments/{deployment['id']}/set_schedule_active"))
    after = runs_of(api, deployment)
    assert starts(after) == hours(NOW.replace(hour=13, minute=0), 103)
    assert ids(before) < ids(after)


@pytest.mark.parametrize("type", ["CANCELLED", "FAILED", "COMPLETED"])
def test_a_run_that_is_ended_before_its_time_is_not_made_again(api, type):
    deployment = make_deployment(api, schedule=HOURLY)
    skipped = runs_of(api, deployment)[1]
    outcome = ok(api.post(f"/flow_runs/{skipped['id']}/set_state", json={"state": {"type": type, "message": "not this one"}}), 201)
    assert (outcome["status"], outcome["state"]["type"]) == ("ACCEPT", type)
    ok(api.post(f"/deployments/{deployment['id']}/schedule", json={"max_runs": 5}))
    upsert(api, deployment, parameters={"n": 1})
    for switch in ("inactive", "active"):
        ok(api.post(f"/deployments/{deployment['id']}/set_schedule_{switch}"))
    runs = runs_of(api, deployment)
    assert starts(runs) == NEXT_HOURS
    assert (runs[1]["id"], runs[1]["state_type"], runs[1]["next_scheduled_start_time"]) == (skipped["id"], type, None)
    assert {run["state_type"] for run in runs[:1] + runs[2:]} == {"SCHEDULED"}


def test_activating_without_a_schedule_makes_none(api):
    deployment = make_deployment(api, is_schedule_active=False)
    assert ok(api.post(f"/deployments/{deployment['id']}/set_schedule_active")) is None
    assert runs_of(api, deployment) == []
    assert ok(api.get(f"/deployments/{deployment['id']}"))["is_schedule_active"] is True


@pytest.mark.parametrize(
    "schedule, count",
    [
        ({"interval": 60}, 100),
        ({"interval": 7 * 86400}, 14),
        ({"cron": "0 0 29 2 *"}, 0),
        ({"rrule": "DTSTART:20210101T000000Z\nRRULE:FREQ=DAILY;COUNT=10"}, 0),
        ({"rrule": "DTSTART:20220602T000000Z\nRRULE:FREQ=DAILY;COUNT=10"}, 10),
    ],
)
def test_at_most_100_runs_within_100_days_are_made(api, schedule, count):
    runs = runs_of(api, make_deployment(api, schedule=schedule))
    assert len(runs) == count
    assert all(NOW <= datetime.fromisoformat(start) <= NOW + timedelta(days=100) for start in starts(runs))


def test_an_auto_scheduled_run_shows_what_its_deployment_says(api):
    deployment = make_deployment(
        api,
        schedule={"cron": "0 9 * * *", "timezone": "America/New_York"},
        parameters={"table": "orders", "limit": 10**20},
        tags=["nightly", "team"],
        flow_runner={"type": "docker", "config": {"image": "x"}},
    )
    run = runs_of(api, deployment)[0]
    instant = "2022-06-01T13:00:00+00:00"
    assert run == {
        "id": run["id"],
        "created": "2022-06-01T12:30:00+00:00",
        "updated": "2022-06-01T12:30:00+00:00",
        "name": run["name"],
        "flow_id": deployment["flow_id"],
        "deployment_id": deployment["id"],
        "flow_version": None,
        "parameters": {"table": "orders", "limit": 10**20},
        "idempotency_key": f"scheduled {deployment['id']} {instant}",
        "context": {},
        "empirical_policy": {},
        "empirical_config": {},
        "tags": ["auto-scheduled", "nightly", "team"],
        "parent_task_run_id": None,
        "auto_scheduled": True,
        "flow_runner": {"type": "docker", "config": {"image": "x"}},
        "state_id": run["state"]["id"],
        "state_type": "SCHEDULED",
        "state_name": "Scheduled",
        "run_count": 0,
        "total_run_time": 0.0,
        "estimated_run_time": 0.0,
        "estimated_start_time_delta": 0.0,
        "expected_start_time": instant,
        "next_scheduled_start_time": instant,
        "start_time": None,
        "end_time": None,
        "state": {
            "id": run["state_id"],
            "type": "SCHEDULED",
            "name": "Scheduled",
            "timestamp": "2022-06-01T12:30:00+00:00",
            "message": "Flow run scheduled",
            "data": None,
            "state_details": run["state"]["state_details"],
        },
    }
    details = run["state"]["state_details"]
    assert details["scheduled_time"] == instant
    assert {name for name, value in details.items() if value is None} >= {
        "child_flow_run_id",
        "task_run_id",
        "cache_key",
        "cache_expiration",
    }
    assert ok(api.get(f"/flow_runs/{run['id']}")) == run


def test_every_auto_scheduled_run_is_like_the_first_but_for_its_instant(api):
    deployment = make_deployment(api, schedule=HOURLY, parameters={"a": 1}, tags=["x"])
    runs = runs_of(api, deployment)
    for run in runs:
        instant = run["expected_start_time"]
        assert run["next_scheduled_start_time"] == run["state"]["state_details"]["scheduled_time"] == instant
        assert run["idempotency_key"] == f"scheduled {deployment['id']} {instant}"
        assert run["state_id"] == run["state"]["id"]
        assert run["name"].count("-") == 1
    same = ("flow_id", "deployment_id", "parameters", "tags", "auto_scheduled", "state_type", "state_name", "flow_runner")
    assert all(run[name] == runs[0][name] for run in runs for name in same)
    assert len(ids(runs)) == len({run["state_id"] for run in runs}) == 100


# What a deployment is made with, and an update of it that changes what its runs are
SHAPING = {
    "schedule": ({}, {"schedule": {"interval": 1800}}),
    "another kind of schedule for the same hours": ({}, {"schedule": {"cron": "0 * * * *"}}),
    "the zone of a schedule": ({}, {"schedule": {"interval": 3600, "timezone": "Europe/Berlin"}}),
    "parameters": ({"parameters": {"a": 1}}, {"parameters": {"a": 2}}),
    "a parameter that is no longer there": ({"parameters": {"a": None}}, {"parameters": None}),
    "tags": ({"tags": ["a"]}, {"tags": ["a", "b"]}),
    "no tags": ({"tags": ["a"]}, {"tags": None}),
    "the type of the flow runner": ({"flow_runner": {"type": "docker"}}, {"flow_runner": {"type": "k8s"}}),
    "the configuration of the flow runner": ({"flow_runner": {"config": {"a": 1}}}, {"flow_runner": {"config": {"a": 2}}}),
    "no flow runner": ({"flow_runner": {"type": "docker"}}, {"flow_runner": None}),
    "true that becomes 1": ({"parameters": {"a": [True]}}, {"parameters": {"a": [1]}}),
    "1 that becomes 1.0": ({"parameters": {"a": {"b": 1}}}, {"parameters": {"a": {"b": 1.0}}}),
    "1.0 that becomes true": ({"parameters": {"a": 1.0}}, {"parameters": {"a": True}}),
    "false that becomes 0": ({"flow_runner": {"config": {"a": False}}}, {"flow_runner": {"config": {"a": 0}}}),
    "a number that changes in its last digit": ({"parameters": {"a": 10**30}}, {"parameters": {"a": 10**30 + 1}}),
}


@pytest.mark.parametrize("before, after", SHAPING.values(), ids=SHAPING)
def test_an_update_that_shapes_runs_replaces_every_one(api, before, after):
    deployment = make_deployment(api, schedule=HOURLY, **before)
    old = runs_of(api, deployment)
    updated = upsert(api, deployment, **after)
    new = runs_of(api, deployment)
    assert len(old) == len(new) == 100
    assert not ids(old) & ids(new)
    for run in new:
        assert repr(run["parameters"]) == repr(updated["parameters"])
        assert run["tags"] == ["auto-scheduled", *updated["tags"]]
        assert run["flow_runner"] == updated["flow_runner"]


LONG = {
    "parameters": {"b": {"y": 1, "x": [1.5, "é"]}, "a": None},
    "tags": ["a", "b"],
    "flow_runner": {"type": "docker", "config": {"b": 1, "a": 2}},
}
NOT_SHAPING = {
    "nothing": ({}, {}),
    "the same again": (LONG, LONG),
    "every default, said": ({}, {"parameters": {}, "tags": [], "flow_runner": {"type": None, "config": None}, "is_schedule_active": True}),
    "null for what was not set": ({}, {"parameters": None, "tags": None, "flow_runner": None}),
    "flow_data": ({}, {"flow_data": {"encoding": "yaml", "blob": "2"}}),
    "the schedule with its defaults said": (
        {},
        {"schedule": {"interval": 3600.0, "anchor_date": "2020-01-01T01:00:00+01:00", "timezone": None}},
    ),
    "members in another order": (
        LONG,
        {"parameters": {"a": None, "b": {"x": [1.5, "é"], "y": 1}}, "flow_runner": {"config": {"a": 2, "b": 1}, "type": "docker"}},
    ),
    "numbers that a database writes in its own way": ({"parameters": {"a": [1e16, 1e300, 1e-7, -0.0, 5e-324]}},) * 2,
    "whole numbers of any size": ({"parameters": {"a": [2**63, 10**40]}},) * 2,
}


@pytest.mark.parametrize("before, after", NOT_SHAPING.values(), ids=NOT_SHAPING)
def test_an_update_that_shapes_nothing_keeps_the_runs(api, before, after):
    deployment = make_deployment(api, schedule=HOURLY, **before)
    old = runs_of(api, deployment)
    assert len(old) == 100
    upsert(api, deployment, **after)
    assert runs_of(api, deployment) == old


def test_pausing_by_an_update_deletes_the_runs_and_resuming_makes_others(api):
    deployment = make_deployment(api, schedule=HOURLY)
    old = runs_of(api, deployment)
    upsert(api, deployment, is_schedule_active=False)
    assert runs_of(api, deployment) == []
    upsert(api, deployment, is_schedule_active=True)
    new = runs_of(api, deployment)
    assert starts(new) == starts(old)
    assert not ids(old) & ids(new)


def test_clearing_the_schedule_deletes_the_runs(api):
    deployment = make_deployment(api, schedule=HOURLY)
    upsert(api, deployment, schedule=None)
    assert runs_of(api, deployment) == []


def test_an_update_that_leaves_a_paused_schedule_paused_makes_no_runs(api):
    deployment = make_deployment(api, schedule=HOURLY, is_schedule_active=False)
    upsert(api, deployment, schedule={"interval": 60}, tags=["new"])
    assert runs_of(api, deployment) == []


def test_an_update_replaces_auto_scheduled_runs_still_scheduled_and_no_other(api):
    deployment = make_deployment(api, schedule=HOURLY)
    started = start_some(api, runs_of(api, deployment))
    manual = [
        ok(api.post(f"/deployments/{deployment['id']}/create_flow_run", json={"state": {"type": kind}}), 201)
        for kind in ("SCHEDULED", "PENDING", "RUNNING", "COMPLETED")
    ]
    bystanders = runs_of(api, make_deployment(api, flow_id=deployment["flow_id"], schedule=HOURLY))
    scheduled = runs_of(api, deployment, state={"type": {"any_": ["SCHEDULED"]}})
    upsert(api, deployment, schedule={"interval": 3600 * 24})
    left = ids(runs_of(api, deployment))
    assert left > ids(started) | ids(manual)
    assert left & ids(scheduled) == ids(manual[:1])
    assert ids(runs_of(api, bystanders[0]["deployment_id"])) == ids(bystanders)


def test_an_occurrence_that_has_been_started_is_not_made_again(api):
    deployment = make_deployment(api, schedule=HOURLY)
    started = start_some(api, runs_of(api, deployment))
    upsert(api, deployment, tags=["new"])
    runs = runs_of(api, deployment)
    assert starts(runs) == NEXT_HOURS
    assert ids(runs) >= ids(started)


def test_backfilled_runs_are_of_the_old_schedule_too(api):
    deployment = make_deployment(api, schedule=HOURLY)
    window = {"start_time": "2022-05-01T00:00:00Z", "end_time": "2022-05-01T05:00:00Z"}
    ok(api.post(f"/deployments/{deployment['id']}/schedule", json=window))
    assert len(runs_of(api, deployment)) == 106
    upsert(api, deployment, parameters={"version": 2})
    assert starts(runs_of(api, deployment)) == NEXT_HOURS


def test_an_update_that_shapes_nothing_tops_up_what_has_become_due(api, api_clock):
    deployment = make_deployment(api, schedule=HOURLY)
    old = runs_of(api, deployment)
    api_clock.advance(hours=50)
    upsert(api, deployment)
    runs = runs_of(api, deployment)
    assert starts(runs) == hours(NOW.replace(hour=13, minute=0), 150)
    assert ids(runs) > ids(old)


def test_an_update_that_shapes_nothing_restores_the_runs_that_were_deleted_and_touches_no_other(api):
    deployment = make_deployment(api, schedule=HOURLY)
    old = runs_of(api, deployment)
    started = start_some(api, old)
    deleted = [run for run in old if run["id"] not in ids(started)][::2]
    for run in deleted:
        ok(api.delete(f"/flow_runs/{run['id']}"), 204)
    kept = runs_of(api, deployment)
    upsert(api, deployment, schedule=HOURLY)
    runs = runs_of(api, deployment)
    assert starts(runs) == NEXT_HOURS
    assert [run for run in runs if run["id"] in ids(kept)] == kept
    assert {run["idempotency_key"] for run in runs} == {run["idempotency_key"] for run in old}


def test_an_update_that_changes_nothing_writes_nothing_but_when_it_was_made(api, shared):
    deployment = make_deployment(api, schedule=HOURLY)
    written = []

    def note(connection, cursor, statement, parameters, context, executemany):
        if statement.split()[0] in ("INSERT", "UPDATE", "DELETE", "WITH"):
            written.append(statement.split(" SET ")[0])

    engine = shared.app.extensions["mintaka"].database.engine()
    event.listen(engine, "after_cursor_execute", note)
    try:
        upsert(api, deployment, schedule=HOURLY)
    finally:
        event.remove(engine, "after_cursor_execute", note)
    assert written == ["UPDATE deployment"]


def test_an_update_that_shapes_nothing_restores_runs_when_all_were_deleted(api):
    deployment = make_deployment(api, schedule={"interval": 86400})
    for run in runs_of(api, deployment):
        ok(api.delete(f"/flow_runs/{run['id']}"), 204)
    upsert(api, deployment, schedule={"interval": 86400})
    assert len(runs_of(api, deployment)) == 100


def test_a_schedule_that_is_refused_makes_and_deletes_nothing(api):
    deployment = make_deployment(api, schedule=HOURLY)
    old = runs_of(api, deployment)
    body = {"name": deployment["name"], "flow_id": deployment["flow_id"], "tags": ["new"], "schedule": {"cron": "x"}}
    ok(api.post("/deployments/", json=body), 422)
    assert runs_of(api, deployment) == old


def test_deployments_of_one_flow_do_not_take_each_others_runs(api):
    flow = make_flow(api)["id"]
    deployments = [make_deployment(api, flow_id=flow, schedule=HOURLY) for _ in range(3)]
    assert [starts(runs_of(api, deployment)) for deployment in deployments] == [NEXT_HOURS] * 3

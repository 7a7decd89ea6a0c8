"""Pauses: why, until when and since when; many at once; and what the scheduler does when one ends."""

from datetime import UTC, datetime, timedelta

import pytest

from app.scheduler.loop import Scheduler
from app.scheduler.pauses import PauseEnd
from app.services import deployments
from tests.api.asking import ok, problem, runs_of, starts, wrong_fields
from tests.api.factories import make_deployment

NOW = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
TOMORROW = (NOW + timedelta(days=1)).isoformat()
DAILY = {"cron": "0 9 * * *", "timezone": "UTC"}
ACTIVE = {"paused": False, "note": None, "until": None, "since": None}


@pytest.fixture(autouse=True)
def stopped(api_clock):
    """Nothing here goes by the real time."""
    api_clock.stop_at(NOW)


@pytest.fixture
def end_pauses(shared):
    """Make the pass that ends pauses. Return how many it has ended."""
    return lambda: PauseEnd(shared.app.extensions["mintaka"], batch_size=1).run_once().number


def pause(client, deployment, *statuses, **body):
    return client.post(f"/deployments/{deployment['id']}/set_schedule_inactive", json=body)


def pause_of(client, deployment):
    return ok(client.get(f"/deployments/{deployment['id']}/pause"))


def tagged(tag, **rest):
    return {"deployments": {"tags": {"all_": [tag]}}} | rest


def test_a_pause_has_a_note_an_end_and_a_beginning(api, api_clock):
    deployment = make_deployment(api, schedule=DAILY)
    assert pause_of(api, deployment) == ACTIVE
    assert ok(pause(api, deployment, note="Migration", until=TOMORROW)) is None
    assert pause_of(api, deployment) == {"paused": True, "note": "Migration", "until": TOMORROW, "since": NOW.isoformat()}
    ok(api.post(f"/deployments/{deployment['id']}/set_schedule_active"))
    assert pause_of(api, deployment) == ACTIVE


def test_a_second_pause_changes_what_it_names_and_not_when_the_first_began(api, api_clock):
    deployment = make_deployment(api, schedule=DAILY)
    ok(pause(api, deployment, note="Migration", until=TOMORROW))
    api_clock.advance(hours=1)
    ok(pause(api, deployment))
    assert pause_of(api, deployment) == {"paused": True, "note": "Migration", "until": TOMORROW, "since": NOW.isoformat()}
    ok(pause(api, deployment, until=None, note="For good"))
    assert pause_of(api, deployment) == {"paused": True, "note": "For good", "until": None, "since": NOW.isoformat()}


def test_a_deployment_that_an_update_switches_off_and_on_is_paused_and_is_not(api):
    deployment = make_deployment(api, schedule=DAILY, is_schedule_active=False)
    identity = {name: deployment[name] for name in ("name", "flow_id")}
    assert pause_of(api, deployment) == {"paused": True, "note": None, "until": None, "since": NOW.isoformat()}
    ok(pause(api, deployment, note="x"))
    ok(api.post("/deployments/", json=identity | {"tags": ["other"]}))
    assert pause_of(api, deployment)["note"] == "x"
    ok(api.post("/deployments/", json=identity | {"is_schedule_active": True}))
    assert pause_of(api, deployment) == ACTIVE


@pytest.mark.parametrize(
    "body, wrong",
    [
        ({"until": NOW.isoformat()}, "body.until"),
        ({"note": 5}, "body.note"),
        ({"note": "x" * 2_001}, "body.note"),
        ({"why": ""}, "body.why"),
    ],
)
def test_what_is_wrong_with_a_pause_is_422(api, body, wrong):
    deployment = make_deployment(api, schedule=DAILY)
    assert wrong_fields(pause(api, deployment, **body)) == {wrong}
    assert wrong_fields(api.post("/deployments/pause", json=tagged("nobody") | body)) == {wrong}
    assert pause_of(api, deployment) == ACTIVE


def test_a_pause_of_what_is_not_there_is_404(api):
    unknown = {"id": "00000000-0000-0000-0000-000000000001"}
    problem(pause(api, unknown, note="x"), 404)
    problem(api.get(f"/deployments/{unknown['id']}/pause"), 404)


def test_a_pause_ends_at_its_time_once_and_runs_are_made_from_then_on(api, api_clock, end_pauses):
    deployment, other = make_deployment(api, schedule=DAILY), make_deployment(api, schedule=DAILY)
    ok(pause(api, deployment, until=TOMORROW))
    ok(pause(api, other, note="until somebody resumes it"))
    api_clock.stop_at(datetime.fromisoformat(TOMORROW) - timedelta(microseconds=1))
    assert end_pauses() == 0
    api_clock.stop_at(datetime.fromisoformat(TOMORROW))
    assert end_pauses() == 1
    assert end_pauses() == 0
    assert pause_of(api, deployment) == ACTIVE
    assert (starts(runs_of(api, deployment))[0], len(runs_of(api, deployment))) == ("2026-06-03T09:00:00+00:00", 100)
    assert pause_of(api, other)["paused"] is True


def test_a_deployment_without_schedules_is_resumed_too(api, api_clock, end_pauses):
    deployment = make_deployment(api)
    ok(pause(api, deployment, until=TOMORROW))
    api_clock.stop_at(datetime.fromisoformat(TOMORROW))
    assert end_pauses() == 1
    assert ok(api.get(f"/deployments/{deployment['id']}"))["is_schedule_active"] is True


def test_many_are_paused_and_resumed_by_filters(api):
    made = [make_deployment(api, schedule=DAILY, tags=["bulk"]) for _ in range(3)]
    other = make_deployment(api, schedule=DAILY, tags=["not it"])
    ok(pause(api, made[0]))
    assert ok(api.post("/deployments/pause", json=tagged("bulk", note="Freeze", until=TOMORROW))) == {"changed": 3}
    assert ok(api.post("/deployments/pause", json=tagged("bulk", note="Freeze", until=TOMORROW))) == {"changed": 0}
    assert ok(api.post("/deployments/pause", json=tagged("bulk"))) == {"changed": 0}
    assert {pause_of(api, deployment)["note"] for deployment in made} == {"Freeze"}
    assert [len(runs_of(api, deployment)) for deployment in (*made, other)] == [0, 0, 0, 100]
    ok(api.post(f"/deployments/{made[0]['id']}/set_schedule_active"))
    assert ok(api.post("/deployments/resume", json=tagged("bulk"))) == {"changed": 2}
    assert ok(api.post("/deployments/resume", json=tagged("bulk"))) == {"changed": 0}
    assert [pause_of(api, deployment) for deployment in made] == [ACTIVE] * 3
    assert [len(runs_of(api, deployment)) for deployment in (*made, other)] == [100] * 4


def test_of_many_that_are_resumed_the_scheduler_makes_the_runs_of_those_beyond_the_first(api, monkeypatch):
    monkeypatch.setattr(deployments, "FILLED_AT_ONCE", 1)
    made = [make_deployment(api, schedule=DAILY, tags=["two"], is_schedule_active=False) for _ in range(2)]
    assert ok(api.post("/deployments/resume", json=tagged("two"))) == {"changed": 2}
    assert sorted(len(runs_of(api, deployment)) for deployment in made) == [0, 100]
    assert Scheduler(api.application.extensions["mintaka"]).run_once().deployments >= 1
    assert [len(runs_of(api, deployment)) for deployment in made] == [100, 100]

"""Several schedules for a deployment: what each route sets and answers, and what becomes of the runs."""

from datetime import UTC, datetime, timedelta

import pytest

from app import create_app
from app.config import Settings
from tests import stored
from tests.api.asking import ids, ok, problem, runs_of, starts, wrong_fields
from tests.api.factories import make_deployment
from tests.conftest import ENCRYPTION_KEY, ApiClient

NOW = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
HOURLY, DAILY = {"interval": 3600}, {"cron": "0 9 * * *", "timezone": "UTC", "day_or": True}
DEFAULTS = {
    "is_active": True,
    "starts_at": None,
    "ends_at": None,
    "exclude": [],
    "jitter_seconds": 0,
    "gap": "later",
    "fold": "first",
    "parameters": {},
    "max_scheduled_runs": None,
    "schedule_error": None,
}


@pytest.fixture(autouse=True)
def stopped(api_clock):
    """Nothing here goes by the real time."""
    api_clock.stop_at(NOW)


def put(client, deployment, slug, *statuses, **fields):
    path = f"/deployments/{deployment['id']}/schedules/{slug}"
    return ok(client.put(path, json={"schedule": DAILY} | fields), *(statuses or (200, 201)))


def patch(client, deployment, slug, **fields):
    return ok(client.patch(f"/deployments/{deployment['id']}/schedules/{slug}", json=fields))


def schedules(client, deployment):
    """The deployment's schedules by slug."""
    return {found["slug"]: found for found in ok(client.get(f"/deployments/{deployment['id']}/schedules"))}


def of(client, deployment, slug):
    """The runs that one schedule made."""
    return runs_of(client, deployment, schedule_slug={"any_": [slug]})


def upsert(client, deployment, *statuses, **fields):
    identity = {name: deployment[name] for name in ("name", "flow_id")}
    return ok(client.post("/deployments/", json=identity | fields), *(statuses or (200,)))


def test_a_schedule_is_created_with_201_and_replaced_with_200_and_has_every_default(api):
    deployment = make_deployment(api)
    made = put(api, deployment, "office-hours", 201)
    assert made.items() >= DEFAULTS.items()
    assert (made["deployment_id"], made["slug"], made["schedule"]) == (deployment["id"], "office-hours", DAILY)
    assert (made["description"], made["next_run"]) == ("every day at 09:00 UTC", "2026-06-02T09:00:00+00:00")
    again = put(api, deployment, "office-hours", 200, jitter_seconds=5)
    assert (again["id"], again["created"], again["jitter_seconds"]) == (made["id"], made["created"], 5)
    assert ok(api.get(f"/deployments/{deployment['id']}/schedules/office-hours")) == again


def test_schedules_are_listed_in_order_of_slug(api):
    deployment = make_deployment(api, schedule=HOURLY)
    for slug in ("b", "0", "e-1", "a"):
        put(api, deployment, slug)
    assert [*schedules(api, deployment)] == ["0", "a", "b", "default", "e-1"]


def test_the_ten_routes_show_and_set_the_schedule_called_default_alone(api):
    deployment = make_deployment(api)
    put(api, deployment, "other")
    assert ok(api.get(f"/deployments/{deployment['id']}"))["schedule"] is None
    put(api, deployment, "default", schedule=HOURLY)
    shown = ok(api.get(f"/deployments/{deployment['id']}"))["schedule"]
    assert shown == {"interval": 3600.0, "anchor_date": "2020-01-01T00:00:00+00:00", "timezone": None}
    assert ok(api.post("/deployments/filter", json={"deployments": {"id": {"any_": [deployment["id"]]}}}))[0]["schedule"] == shown
    assert upsert(api, deployment, schedule=DAILY)["schedule"] == DAILY
    assert schedules(api, deployment)["default"]["schedule"] == DAILY
    assert upsert(api, deployment, schedule=None)["schedule"] is None
    assert [*schedules(api, deployment)] == ["other"]


def test_the_default_schedule_keeps_what_shapes_it_when_a_client_of_the_reference_sets_another(api):
    deployment = make_deployment(api, schedule=DAILY)
    patch(api, deployment, "default", exclude=["2026-06-03"], parameters={"a": 1})
    upsert(api, deployment, schedule={"cron": "0 10 * * *", "timezone": "UTC"})
    found = schedules(api, deployment)["default"]
    assert (found["schedule"]["cron"], found["exclude"], found["parameters"]) == ("0 10 * * *", ["2026-06-03"], {"a": 1})
    assert starts(of(api, deployment, "default"))[:2] == ["2026-06-02T10:00:00+00:00", "2026-06-04T10:00:00+00:00"]


def test_a_route_that_schedules_a_window_goes_by_the_default_schedule(api):
    deployment = make_deployment(api)
    put(api, deployment, "other")
    path, window = f"/deployments/{deployment['id']}/schedule", {"start_time": "2026-01-01", "end_time": "2026-01-03T12:00"}
    report = ok(api.post(path, json=window, headers={"Prefer": "return=representation"}))
    assert report["reason"] == "The deployment has no schedule."
    put(api, deployment, "default")
    assert ok(api.post(path, json=window, headers={"Prefer": "return=representation"}))["created"] == 3


def test_runs_have_a_key_that_names_the_schedule_unless_it_is_the_default_one(api):
    deployment = make_deployment(api, schedule=DAILY)
    put(api, deployment, "other")
    keys = {run["idempotency_key"] for run in runs_of(api, deployment) if run["expected_start_time"] == "2026-06-02T09:00:00+00:00"}
    name = f"scheduled {deployment['id']}"
    assert keys == {f"{name} 2026-06-02T09:00:00+00:00", f"{name} other 2026-06-02T09:00:00+00:00"}


def test_runs_have_the_deployments_parameters_with_the_schedules_over_them(api):
    deployment = make_deployment(api, schedule=DAILY, parameters={"a": 1, "b": 1})
    put(api, deployment, "other", parameters={"b": 2, "c": 3})
    assert of(api, deployment, "default")[0]["parameters"] == {"a": 1, "b": 1}
    assert of(api, deployment, "other")[0]["parameters"] == {"a": 1, "b": 2, "c": 3}
    upsert(api, deployment, parameters={"a": 9})
    assert of(api, deployment, "other")[0]["parameters"] == {"a": 9, "b": 2, "c": 3}


def test_a_change_of_one_schedule_leaves_the_runs_of_the_others(api):
    deployment = make_deployment(api, schedule=DAILY)
    put(api, deployment, "a")
    put(api, deployment, "b")
    before = {slug: ids(of(api, deployment, slug)) for slug in ("default", "a", "b")}
    patch(api, deployment, "a", jitter_seconds=60)
    after = {slug: ids(of(api, deployment, slug)) for slug in before}
    assert after["default"] == before["default"]
    assert after["b"] == before["b"]
    assert not after["a"] & before["a"]
    assert len(after["a"]) == len(before["a"])


def test_setting_a_schedule_as_it_is_changes_nothing(api):
    deployment = make_deployment(api)
    made = put(api, deployment, "a", 201, exclude=["2026-12-25"], starts_at="2026-06-01T00:00:00+02:00")
    before = ids(of(api, deployment, "a"))
    assert put(api, deployment, "a", 200, exclude=["2026-12-25"], starts_at="2026-05-31T22:00:00Z") == made
    assert patch(api, deployment, "a", exclude=["2026-12-25"], gap=None) == made
    assert ids(of(api, deployment, "a")) == before


def test_a_patch_changes_what_is_given_and_null_gives_the_default(api):
    deployment = make_deployment(api)
    put(api, deployment, "a", jitter_seconds=60, exclude=["2026-12-25"], max_scheduled_runs=5, parameters={"x": 1})
    found = patch(api, deployment, "a", jitter_seconds=None, is_active=False)
    assert (found["jitter_seconds"], found["exclude"], found["max_scheduled_runs"], found["is_active"]) == (0, ["2026-12-25"], 5, False)
    assert of(api, deployment, "a") == []
    found = patch(api, deployment, "a", parameters=None, is_active=None, max_scheduled_runs=3)
    assert (found["parameters"], found["is_active"]) == ({}, True)
    assert len(of(api, deployment, "a")) == 3


def test_deleting_a_schedule_deletes_the_runs_that_it_made_and_no_others(api):
    deployment = make_deployment(api, schedule=DAILY)
    put(api, deployment, "a")
    started = of(api, deployment, "a")[0]
    ok(api.post(f"/flow_runs/{started['id']}/set_state", json={"state": {"type": "RUNNING"}, "force": True}), 200, 201)
    before = ids(of(api, deployment, "default"))
    response = api.delete(f"/deployments/{deployment['id']}/schedules/a")
    assert (response.status_code, response.data) == (204, b"")
    assert ids(runs_of(api, deployment)) == before | {started["id"]}
    problem(api.delete(f"/deployments/{deployment['id']}/schedules/a"), 404)


def test_what_is_not_there_is_404_and_a_malformed_slug_422(api):
    deployment = make_deployment(api)
    unknown = "00000000-0000-0000-0000-000000000001"
    for method, path in (
        ("GET", f"/deployments/{unknown}/schedules"),
        ("GET", f"/deployments/{unknown}/schedules/a"),
        ("PUT", f"/deployments/{unknown}/schedules/a"),
        ("GET", f"/deployments/{deployment['id']}/schedules/a"),
        ("PATCH", f"/deployments/{deployment['id']}/schedules/a"),
        ("DELETE", f"/deployments/{deployment['id']}/schedules/a"),
    ):
        problem(api.open(path, method=method, json={"schedule": DAILY} if method == "PUT" else {}), 404)
    for slug in ("A", "a_b", "a" * 64, "é"):
        assert wrong_fields(api.put(f"/deployments/{deployment['id']}/schedules/{slug}", json={"schedule": DAILY})) == {"path.slug"}


@pytest.mark.parametrize(
    "fields, wrong",
    [
        ({"schedule": {"cron": "61 * * * *"}}, "body.schedule.cron"),
        ({"schedule": {"interval": 0.5}}, "body.schedule.interval"),
        ({"schedule": None}, "body.schedule"),
        ({"exclude": ["2026-02-30"]}, "body.exclude.0"),
        ({"exclude": ["2026-06-01", {"cron": "x"}]}, "body.exclude.1.cron"),
        ({"exclude": [{"cron": "* * * * *"}]}, "body.exclude"),
        ({"starts_at": "2027-01-01", "ends_at": "2026-01-01"}, "body.ends_at"),
        ({"jitter_seconds": 86_401}, "body.jitter_seconds"),
        ({"jitter_seconds": 1.5}, "body.jitter_seconds"),
        ({"gap": "earlier"}, "body.gap"),
        ({"fold": "third"}, "body.fold"),
        ({"max_scheduled_runs": 0}, "body.max_scheduled_runs"),
        ({"slug": "b"}, "body.slug"),
        ({"next_run": None}, "body.next_run"),
    ],
)
def test_what_is_wrong_with_a_schedule_is_422_and_says_where(api, fields, wrong):
    deployment = make_deployment(api)
    response = api.put(f"/deployments/{deployment['id']}/schedules/a", json={"schedule": DAILY} | fields)
    assert wrong_fields(response) == {wrong}
    assert schedules(api, deployment) == {}


def test_an_excluded_occurrence_has_no_run_and_bounds_are_inclusive(api):
    deployment = make_deployment(api)
    put(
        api,
        deployment,
        "a",
        starts_at="2026-06-03T09:00:00Z",
        ends_at="2026-06-08T09:00:00Z",
        exclude=["2026-06-05", {"start": "2026-06-06T09:00:00Z", "end": "2026-06-06T09:00:00Z"}, {"cron": "* 9 7 * *"}],
    )
    assert [start[8:10] for start in starts(of(api, deployment, "a"))] == ["03", "04", "08"]


def test_jitter_delays_the_start_and_the_key_goes_by_the_occurrence(api):
    deployment = make_deployment(api)
    put(api, deployment, "a", schedule=HOURLY, jitter_seconds=600)
    delays = []
    for run in of(api, deployment, "a"):
        occurrence = datetime.fromisoformat(run["idempotency_key"].rsplit(" ", 1)[1])
        assert occurrence.minute == 0
        assert run["expected_start_time"] == run["next_scheduled_start_time"] == run["state"]["state_details"]["scheduled_time"]
        delays.append((datetime.fromisoformat(run["expected_start_time"]) - occurrence).total_seconds())
    assert len(delays) == 100
    assert 0 <= min(delays) < 120 < 480 < max(delays) < 600


def test_a_run_that_jitter_still_holds_back_is_not_lost_to_an_update(api, api_clock):
    deployment = make_deployment(api)
    put(api, deployment, "a", schedule=HOURLY, jitter_seconds=3600)
    runs = of(api, deployment, "a")
    delayed = next(run for run in runs if datetime.fromisoformat(run["expected_start_time"]).minute > 30)
    # after its occurrence, and before its start
    api_clock.stop_at(datetime.fromisoformat(delayed["expected_start_time"]) - timedelta(minutes=1))
    upsert(api, deployment, tags=["changed"])
    kept = [run for run in of(api, deployment, "a") if run["idempotency_key"] == delayed["idempotency_key"]]
    assert [run["expected_start_time"] for run in kept] == [delayed["expected_start_time"]]
    assert "changed" in kept[0]["tags"]


def test_the_switch_of_the_deployment_is_over_all_schedules_and_changes_none(api):
    deployment = make_deployment(api, schedule=DAILY)
    put(api, deployment, "a")
    put(api, deployment, "off", is_active=False)
    ok(api.post(f"/deployments/{deployment['id']}/set_schedule_inactive"))
    assert runs_of(api, deployment) == []
    assert [found["is_active"] for found in schedules(api, deployment).values()] == [True, True, False]
    # one that is set meanwhile waits for the switch
    put(api, deployment, "b")
    assert runs_of(api, deployment) == []
    ok(api.post(f"/deployments/{deployment['id']}/set_schedule_active"))
    assert {slug: len(of(api, deployment, slug)) for slug in ("default", "a", "b", "off")} == {"default": 100, "a": 100, "b": 100, "off": 0}


def test_a_deployment_takes_all_its_schedules_at_once_and_loses_those_not_named(api):
    deployment = make_deployment(api, schedule=DAILY)
    put(api, deployment, "a", jitter_seconds=60)
    put(api, deployment, "b")
    before = {slug: ids(of(api, deployment, slug)) for slug in ("default", "a", "b")}
    wanted = [{"slug": "a", "schedule": DAILY, "jitter_seconds": 60}, {"slug": "c", "schedule": HOURLY}]
    assert upsert(api, deployment, schedules=wanted)["schedule"] is None
    assert [*schedules(api, deployment)] == ["a", "c"]
    assert ids(of(api, deployment, "a")) == before["a"]
    assert len(of(api, deployment, "c")) == 100
    assert of(api, deployment, "b") == of(api, deployment, "default") == []
    upsert(api, deployment, schedules=[])
    assert schedules(api, deployment) == {}
    assert runs_of(api, deployment) == []


def test_a_new_deployment_can_have_several_schedules_from_the_beginning(api):
    deployment = make_deployment(api, schedules=[{"slug": "default", "schedule": DAILY}, {"slug": "x", "schedule": HOURLY, "fold": "both"}])
    assert deployment["schedule"] == DAILY
    assert schedules(api, deployment)["x"]["fold"] == "both"
    assert len(runs_of(api, deployment)) == 200


@pytest.mark.parametrize(
    "fields, wrong",
    [
        ({"schedule": DAILY, "schedules": []}, "body.schedules"),
        ({"schedules": [{"slug": "a", "schedule": DAILY}, {"slug": "a", "schedule": DAILY}]}, "body.schedules.1.slug"),
        ({"schedules": [{"slug": "a", "schedule": DAILY}, {"slug": "b", "schedule": {"cron": "x"}}]}, "body.schedules.1.schedule.cron"),
        ({"schedules": [{"slug": "A", "schedule": DAILY}]}, "body.schedules.0.slug"),
        ({"schedules": [{"schedule": DAILY}]}, "body.schedules.0.slug"),
        ({"schedules": [{"slug": f"s-{n}", "schedule": DAILY} for n in range(101)]}, "body.schedules"),
    ],
)
def test_what_is_wrong_with_several_schedules_is_422_and_says_where(api, fields, wrong):
    deployment = make_deployment(api)
    identity = {name: deployment[name] for name in ("name", "flow_id")}
    assert wrong_fields(api.post("/deployments/", json=identity | fields)) == {wrong}


def test_a_deployment_has_at_most_a_hundred_schedules(api):
    schedule = {"schedule": {"cron": "0 0 1 1 *"}}
    deployment = make_deployment(api, schedules=[{"slug": f"s-{n}"} | schedule for n in range(100)])
    assert wrong_fields(api.put(f"/deployments/{deployment['id']}/schedules/one-more", json=schedule)) == {"body.slug"}
    put(api, deployment, "s-7", 200, **schedule, gap="skip")


def test_runs_are_found_by_the_slug_and_by_the_id_of_their_schedule(api):
    deployment = make_deployment(api, schedule=DAILY)
    made = put(api, deployment, "a", max_scheduled_runs=2)
    wanted = {"schedule_id": {"any_": [made["id"]]}}
    assert ids(ok(api.post("/flow_runs/filter", json={"flow_runs": wanted}))) == ids(of(api, deployment, "a"))
    assert ok(api.post("/flow_runs/count", json={"flow_runs": wanted})) == 2
    assert ok(api.post("/flow_runs/count", json={"flow_runs": {"schedule_id": {"any_": []}}})) == 0
    deployment_id = {"deployment_id": {"any_": [deployment["id"]]}}
    assert ok(api.post("/flow_runs/count", json={"flow_runs": deployment_id | {"schedule_slug": {"any_": ["a", "default"]}}})) == 102


def test_the_shortest_interval_is_a_setting(database_url):
    app = create_app(Settings(database_url=database_url, encryption_keys=(ENCRYPTION_KEY,), min_interval_seconds=60))
    app.test_client_class = ApiClient
    client = app.test_client()
    deployment = make_deployment(client, schedule={"interval": 60})
    refused = {"schedule": {"interval": 59}}
    identity = {name: deployment[name] for name in ("name", "flow_id")}
    assert "at least 60 seconds" in problem(client.post("/deployments/", json=identity | refused), 422)["detail"]
    assert wrong_fields(client.put(f"/deployments/{deployment['id']}/schedules/a", json=refused)) == {"body.schedule.interval"}
    assert wrong_fields(client.post("/schedules/preview", json=refused)) == {"body.schedule.interval"}
    app.extensions["mintaka"].database.dispose()


def test_a_stored_schedule_that_cannot_be_read_any_more_can_be_looked_at_changed_and_replaced(api):
    deployment = make_deployment(api)
    put(api, deployment, "a", exclude=["2026-12-25"])
    stored.change(api.application.extensions["mintaka"].database, deployment["id"], "a", schedule={"cron": "nonsense"})
    found = schedules(api, deployment)["a"]
    assert (found["schedule"], found["description"], found["exclude"]) == ({"cron": "nonsense"}, None, ["2026-12-25"])
    changed = patch(api, deployment, "a", parameters={"x": 1})
    assert (changed["schedule"], changed["exclude"], changed["parameters"]) == ({"cron": "nonsense"}, ["2026-12-25"], {"x": 1})
    assert "has 1 fields" in changed["schedule_error"]
    path = f"/deployments/{deployment['id']}/schedules/a"
    assert wrong_fields(api.put(path, json={"schedule": {"cron": "nonsense"}, "exclude": ["2026-12-25"]})) == {"body.schedule.cron"}
    assert put(api, deployment, "a", 200)["schedule_error"] is None


def test_parameters_keep_whole_numbers_of_any_size(client):
    deployment = make_deployment(client)
    parameters = {"n": 10**30, "deep": [{"n": -(10**25)}]}
    path = f"/deployments/{deployment['id']}/schedules/big"
    assert ok(client.put(path, json={"schedule": {"interval": 3600}, "parameters": parameters}), 201)["parameters"] == parameters
    assert ok(client.patch(path, json={"jitter_seconds": 5}))["parameters"] == parameters
    assert ok(client.get(path))["parameters"] == parameters
    assert [one["parameters"] for one in ok(client.get(f"/deployments/{deployment['id']}/schedules"))] == [parameters]

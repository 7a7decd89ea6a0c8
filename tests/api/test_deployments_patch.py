"""Changing a deployment by its id: the rules of an update, and another name."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.api.asking import ids, ok, problem, runs_of, starts, wrong_fields
from tests.api.factories import make_deployment, make_flow

NOW = datetime(2022, 6, 1, 12, 30, tzinfo=UTC)
HOURLY, DAILY = {"interval": 3600}, {"cron": "0 9 * * *", "timezone": "Europe/Berlin"}
WHOLE = {
    "flow_data": {"encoding": "yaml", "blob": "2"},
    "schedule": HOURLY,
    "parameters": {"table": "orders"},
    "tags": ["nightly"],
    "flow_runner": {"type": "docker", "config": {"image": "x"}},
}
# what an update may say of each field: another value, and null where that clears it
CHANGES = (
    {},
    {"flow_data": {"encoding": "json", "blob": "3"}},
    {"schedule": DAILY},
    {"schedule": None},
    {"is_schedule_active": False},
    {"parameters": {"limit": 5}},
    {"parameters": None},
    {"tags": ["a", "b"]},
    {"tags": None},
    {"flow_runner": {"type": "subprocess"}},
    {"flow_runner": None},
    {"schedule": DAILY, "tags": [], "is_schedule_active": True},
)
OF_ITS_OWN = ("id", "flow_id", "name")


@pytest.fixture(autouse=True)
def stopped_clock(api_clock):
    api_clock.stop_at(NOW)


def patch(client, deployment, fields):
    return client.patch(f"/deployments/{deployment['id']}", json=fields)


def read(client, deployment):
    return ok(client.get(f"/deployments/{deployment['id']}"))


def what_runs_show(client, deployment):
    """What the runs of a deployment are made with, in order."""
    shown = ("expected_start_time", "parameters", "tags", "flow_runner", "auto_scheduled")
    return [[run[name] for name in shown] for run in runs_of(client, deployment)]


@pytest.mark.parametrize("fields", CHANGES, ids=str)
def test_it_does_what_an_update_by_flow_and_name_does(api, api_clock, fields):
    patched, upserted = make_deployment(api, **WHOLE), make_deployment(api, **WHOLE)
    kept = ids(runs_of(api, patched))
    api_clock.advance(minutes=45)
    by_id = ok(patch(api, patched, fields))
    by_name = ok(api.post("/deployments/", json={"name": upserted["name"], "flow_id": upserted["flow_id"]} | fields))
    assert {name: by_id[name] for name in OF_ITS_OWN} == {name: patched[name] for name in OF_ITS_OWN}
    assert {name: value for name, value in by_id.items() if name not in OF_ITS_OWN} == {
        name: value for name, value in by_name.items() if name not in OF_ITS_OWN
    }
    assert read(api, patched) == by_id
    assert what_runs_show(api, patched) == what_runs_show(api, upserted)
    # runs stay where nothing that shapes one has changed
    assert bool(kept & ids(runs_of(api, patched))) == (not fields or "flow_data" in fields)


def test_another_name_keeps_everything_else_the_runs_included(api):
    deployment = make_deployment(api, **WHOLE)
    flow = ok(api.get(f"/flows/{deployment['flow_id']}"))
    runs = ids(runs_of(api, deployment))
    renamed = ok(patch(api, deployment, {"name": "every-hour"}))
    assert renamed == deployment | {"name": "every-hour"}
    assert ok(api.get(f"/deployments/name/{flow['name']}/every-hour")) == renamed
    problem(api.get(f"/deployments/name/{flow['name']}/{deployment['name']}"), 404)
    assert ids(runs_of(api, deployment)) == runs
    # the old name is free
    assert ok(api.post("/deployments/", json=WHOLE | {"name": deployment["name"], "flow_id": flow["id"]}), 201)["id"] != deployment["id"]


def test_a_name_and_other_fields_change_together(api):
    deployment = make_deployment(api, **WHOLE)
    changed = ok(patch(api, deployment, {"name": "renamed", "schedule": DAILY, "parameters": {"a": 1}}))
    assert (changed["name"], changed["schedule"]["cron"], changed["parameters"]) == ("renamed", DAILY["cron"], {"a": 1})
    runs = runs_of(api, deployment)
    assert starts(runs)[0] == "2022-06-02T07:00:00+00:00"
    assert all(run["parameters"] == {"a": 1} for run in runs)


def test_its_own_name_is_not_taken(api):
    deployment = make_deployment(api, **WHOLE)
    assert ok(patch(api, deployment, {"name": deployment["name"]})) == deployment


def test_a_name_that_another_deployment_of_the_flow_has_is_409_and_changes_nothing(api):
    deployment = make_deployment(api, **WHOLE)
    other = make_deployment(api, flow_id=deployment["flow_id"])
    refused = problem(patch(api, deployment, {"name": other["name"], "tags": ["x"], "schedule": DAILY}), 409)
    assert refused["detail"] == f"The flow has another deployment named {other['name']}."
    assert read(api, deployment) == deployment
    assert read(api, other) == other
    # in another flow it is free
    elsewhere = make_deployment(api)
    assert ok(patch(api, elsewhere, {"name": other["name"]}))["name"] == other["name"]


def test_a_deployment_that_does_not_exist_is_404(api):
    assert problem(api.patch(f"/deployments/{uuid4()}", json={"tags": []}), 404)["detail"] == "Deployment not found"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"flow_id": str(uuid4())}, "body.flow_id"),
        ({"id": str(uuid4())}, "body.id"),
        ({"name": None}, "body.name"),
        ({"name": "a/b"}, "body.name"),
        ({"name": ""}, "body.name"),
        ({"flow_data": None}, "body.flow_data"),
        ({"is_schedule_active": None}, "body.is_schedule_active"),
        ({"schedule": {"cron": "0 0 30 2 *"}}, "body.schedule.cron"),
        ({"tags": "nightly"}, "body.tags"),
    ],
)
def test_what_an_update_may_not_say_is_422_and_changes_nothing(api, fields, wrong):
    deployment = make_deployment(api, **WHOLE)
    assert wrong_fields(patch(api, deployment, {"parameters": {}} | fields)) == {wrong}
    assert read(api, deployment) == deployment


def test_a_malformed_id_is_422(api):
    assert wrong_fields(api.patch("/deployments/nightly", json={})) == {"path.id"}


def test_no_body_changes_nothing_but_the_time_of_the_change(api, api_clock):
    deployment = make_deployment(api, flow_id=make_flow(api)["id"])
    api_clock.advance(minutes=5)
    updated = (NOW + timedelta(minutes=5)).isoformat()
    assert ok(api.patch(f"/deployments/{deployment['id']}")) == deployment | {"updated": updated}

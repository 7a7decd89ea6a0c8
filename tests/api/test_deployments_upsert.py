"""Creating and updating deployments: what is answered, and what absent, null and given fields mean."""

from datetime import UTC, datetime

import pytest

from tests.api.asking import ok, problem, wrong_fields
from tests.api.factories import make_deployment, make_flow

NOON = datetime(2022, 6, 1, 12, tzinfo=UTC)
DATA = {"encoding": "json", "blob": "1"}

# Every field that an update may leave out, with a value that is not its default
FIELDS = {
    "flow_data": {"encoding": "yaml", "blob": "2"},
    "schedule": {"cron": "0 9 * * *", "timezone": "Europe/Berlin", "day_or": True},
    "is_schedule_active": False,
    "parameters": {"table": "orders"},
    "tags": ["nightly"],
    "flow_runner": {"type": "docker", "config": {"image": "x"}},
}
CLEARED = {"schedule": None, "parameters": {}, "tags": [], "flow_runner": {"type": None, "config": None}}


def upsert(client, deployment, **fields):
    return client.post("/deployments/", json={"name": deployment["name"], "flow_id": deployment["flow_id"]} | fields)


def test_creating_answers_201_and_updating_200(api):
    flow = make_flow(api)["id"]
    body = {"name": "d", "flow_id": flow, "flow_data": DATA}
    created = ok(api.post("/deployments/", json=body), 201)
    updated = ok(api.post("/deployments/", json=body), 200)
    assert updated["id"] == created["id"]


def test_201_or_200_follows_from_the_insert_when_the_clock_stands_still(api, api_clock):
    api_clock.stop_at(NOON)
    flow = make_flow(api)["id"]
    body = {"name": "d", "flow_id": flow, "flow_data": DATA}
    statuses = [api.post("/deployments/", json=body).status_code for _ in range(3)]
    assert statuses == [201, 200, 200]


def test_201_or_200_follows_from_the_insert_when_the_clock_jumps(api, api_clock):
    api_clock.stop_at(NOON)
    flow = make_flow(api)["id"]
    body = {"name": "d", "flow_id": flow, "flow_data": DATA}
    assert api.post("/deployments/", json=body).status_code == 201
    for hours in (-24, 48):
        api_clock.advance(hours=hours)
        assert api.post("/deployments/", json=body).status_code == 200
        # a deployment made in the same moment as another is updated
        assert api.post("/deployments/", json=body | {"name": f"d{hours}"}).status_code == 201


def test_a_deployment_is_identified_by_its_flow_and_its_name(api):
    one, other = make_flow(api)["id"], make_flow(api)["id"]
    bodies = [{"name": name, "flow_id": flow, "flow_data": DATA} for flow in (one, other) for name in ("a", "A", "b")]
    made = {ok(api.post("/deployments/", json=body), 201)["id"] for body in bodies}
    assert len(made) == 6
    assert {ok(api.post("/deployments/", json=body))["id"] for body in bodies} == made


def test_created_stays_and_updated_moves(api, api_clock):
    api_clock.stop_at(NOON)
    deployment = make_deployment(api)
    assert deployment["created"] == deployment["updated"] == "2022-06-01T12:00:00+00:00"
    api_clock.advance(minutes=5)
    updated = ok(upsert(api, deployment))
    assert (updated["created"], updated["updated"]) == ("2022-06-01T12:00:00+00:00", "2022-06-01T12:05:00+00:00")
    assert ok(api.get(f"/deployments/{deployment['id']}")) == updated


@pytest.mark.parametrize("field", FIELDS)
def test_an_absent_field_keeps_its_value(api, field):
    deployment = make_deployment(api, **FIELDS)
    others = {name: value for name, value in FIELDS.items() if name != field}
    for sent in ({}, others):
        updated = ok(upsert(api, deployment, **sent))
        assert {name: updated[name] for name in FIELDS} == FIELDS
        assert ok(api.get(f"/deployments/{deployment['id']}")) == updated


@pytest.mark.parametrize("field", CLEARED)
def test_null_clears_a_field_and_no_other(api, field):
    deployment = make_deployment(api, **FIELDS)
    updated = ok(upsert(api, deployment, **{field: None}))
    assert {name: updated[name] for name in FIELDS} == FIELDS | {field: CLEARED[field]}
    assert ok(api.get(f"/deployments/{deployment['id']}")) == updated


@pytest.mark.parametrize("field", CLEARED)
def test_null_means_the_same_on_creation(api, field):
    deployment = make_deployment(api, **FIELDS | {field: None})
    assert {name: deployment[name] for name in FIELDS} == FIELDS | {field: CLEARED[field]}


@pytest.mark.parametrize("field", FIELDS)
def test_a_value_sets_a_field_and_no_other(api, field):
    plain = make_deployment(api)
    updated = ok(upsert(api, plain, **{field: FIELDS[field]}))
    assert {name: updated[name] for name in FIELDS} == {name: plain[name] for name in FIELDS} | {field: FIELDS[field]}
    assert ok(api.get(f"/deployments/{plain['id']}")) == updated


def test_a_value_replaces_and_does_not_merge(api):
    deployment = make_deployment(api, parameters={"a": 1, "b": 2}, tags=["x", "y"], flow_runner={"type": "docker", "config": {"a": 1}})
    updated = ok(upsert(api, deployment, parameters={"c": 3}, tags=["z"], flow_runner={"type": "k8s"}))
    assert (updated["parameters"], updated["tags"]) == ({"c": 3}, ["z"])
    assert updated["flow_runner"] == {"type": "k8s", "config": None}


@pytest.mark.parametrize("field", ["name", "flow_id", "flow_data", "is_schedule_active"])
def test_what_a_deployment_cannot_be_without_may_not_be_null(api, field):
    deployment = make_deployment(api, **FIELDS)
    assert wrong_fields(upsert(api, deployment, **{field: None})) == {f"body.{field}"}
    assert ok(api.get(f"/deployments/{deployment['id']}")) == deployment


def test_a_new_deployment_needs_flow_data_and_an_update_does_not(api):
    flow = make_flow(api)["id"]
    body = {"name": "d", "flow_id": flow}
    assert wrong_fields(api.post("/deployments/", json=body)) == {"body.flow_data"}
    ok(api.post("/deployments/", json=body | {"flow_data": DATA}), 201)
    assert ok(api.post("/deployments/", json=body))["flow_data"] == DATA


def test_redeploying_does_not_reactivate_a_paused_schedule_nor_wipe_parameters(api):
    deployment = make_deployment(api, **FIELDS | {"is_schedule_active": True})
    ok(api.post(f"/deployments/{deployment['id']}/set_schedule_inactive"))
    redeployed = ok(upsert(api, deployment, flow_data=DATA))
    assert redeployed["is_schedule_active"] is False
    assert redeployed["parameters"] == FIELDS["parameters"]


def test_a_flow_that_does_not_exist_is_409_and_leaves_nothing(api):
    missing = make_deployment(api)["id"]
    problem(api.post("/deployments/", json={"name": "d", "flow_id": missing, "flow_data": DATA, "schedule": {"interval": 60}}), 409)
    assert ok(api.post("/deployments/count", json={"flows": {"id": {"any_": [missing]}}})) == 0


def test_a_refused_update_changes_nothing(api):
    deployment = make_deployment(api, **FIELDS)
    refused = upsert(api, deployment, tags=["new"], schedule={"cron": "0 0 30 2 *"})
    assert wrong_fields(refused) == {"body.schedule.cron"}
    assert ok(api.get(f"/deployments/{deployment['id']}")) == deployment


def test_defaults_of_a_schedule_are_echoed(api):
    for sent, echoed in (
        ({"interval": 60}, {"interval": 60.0, "anchor_date": "2020-01-01T00:00:00+00:00", "timezone": None}),
        ({"cron": "@daily"}, {"cron": "@daily", "timezone": None, "day_or": True}),
        ({"rrule": "FREQ=DAILY"}, {"rrule": "FREQ=DAILY", "timezone": "UTC"}),
    ):
        assert make_deployment(api, schedule=sent)["schedule"] == echoed

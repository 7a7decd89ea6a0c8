"""Reading, listing and counting deployments."""

import uuid

import pytest

from tests.api.asking import ok, problem
from tests.api.factories import make_deployment, make_flow


def listed(client, flow, **more):
    return ok(client.post("/deployments/filter", json={"flows": {"id": {"any_": [flow["id"]]}}} | more))


def test_a_deployment_is_answered_whole(api):
    flow = make_flow(api)
    sent = {
        "name": "nightly",
        "flow_id": flow["id"],
        "flow_data": {"encoding": "json", "blob": '"s3://bucket/flow.py"'},
        "schedule": {"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin", "day_or": True},
        "is_schedule_active": False,
        "parameters": {"table": "orders", "days": [1, 2.5, None]},
        "tags": ["b", "a"],
        "flow_runner": {"type": "docker", "config": {"image": "x"}},
    }
    deployment = ok(api.post("/deployments/", json=sent), 201)
    assert set(deployment) == set(sent) | {"id", "created", "updated"}
    assert {name: deployment[name] for name in sent} == sent
    assert ok(api.get(f"/deployments/{deployment['id']}")) == deployment


def test_what_was_not_sent_has_its_default(api):
    deployment = make_deployment(api)
    expected = {"schedule": None, "is_schedule_active": True, "parameters": {}, "tags": [], "flow_runner": {"type": None, "config": None}}
    assert {name: deployment[name] for name in expected} == expected


@pytest.mark.parametrize(
    "sent, answered",
    [
        (None, {"type": None, "config": None}),
        ({}, {"type": None, "config": None}),
        ({"type": "docker"}, {"type": "docker", "config": None}),
        ({"config": {"a": 1}}, {"type": None, "config": {"a": 1}}),
        ({"type": "docker", "config": {}}, {"type": "docker", "config": {}}),
    ],
)
def test_the_flow_runner_is_always_an_object_its_members_null_when_not_set(api, sent, answered):
    deployment = make_deployment(api, flow_runner=sent)
    assert deployment["flow_runner"] == answered
    assert ok(api.get(f"/deployments/{deployment['id']}"))["flow_runner"] == answered


def test_a_deployment_is_read_by_the_names_of_its_flow_and_its_own(api):
    deployment, flow = make_deployment(api, name="same"), make_flow(api)
    twin = make_deployment(api, name="same", flow_id=flow["id"])
    assert ok(api.get(f"/deployments/name/{flow['name']}/same")) == twin
    assert deployment["id"] != twin["id"]
    for path in (f"{flow['name']}/other", "no-such-flow/same", f"same/{flow['name']}", f"{flow['name'].upper()}/same"):
        assert problem(api.get(f"/deployments/name/{path}"), 404)["detail"] == "Deployment not found"


def test_deployments_are_ordered_by_name_then_id(api):
    flow, other = make_flow(api), make_flow(api)
    made = [make_deployment(api, flow_id=(flow, other)[number % 2]["id"], name=name) for number, name in enumerate("cabbac")]
    both = {"flows": {"id": {"any_": [flow["id"], other["id"]]}}}
    found = ok(api.post("/deployments/filter", json=both))
    assert found == sorted(made, key=lambda deployment: (deployment["name"], deployment["id"]))
    paged = [
        document for offset in range(6) for document in ok(api.post("/deployments/filter", json=both | {"limit": 1, "offset": offset}))
    ]
    assert paged == found


def test_the_order_does_not_change_with_an_update(api):
    flow = make_flow(api)
    for name in "bac":
        make_deployment(api, flow_id=flow["id"], name=name)
    make_deployment(api, flow_id=flow["id"], name="b", tags=["new"])
    assert [deployment["name"] for deployment in listed(api, flow)] == ["a", "b", "c"]


def test_the_same_filters_list_and_count(api):
    flow = make_flow(api)
    for number in range(5):
        make_deployment(api, flow_id=flow["id"], tags=["even"] if number % 2 == 0 else [])
    for filters, expected in (
        ({"deployments": {"tags": {"all_": ["even"]}}}, 3),
        ({"deployments": {"tags": {"is_null_": True}}}, 2),
        ({"deployments": {"is_schedule_active": {"eq_": False}}}, 0),
        ({"flow_runs": {}}, 0),
        ({"task_runs": {}}, 0),
        ({}, 5),
    ):
        mine = {"flows": {"id": {"any_": [flow["id"]]}}} | filters
        assert len(ok(api.post("/deployments/filter", json=mine))) == expected
        assert ok(api.post("/deployments/count", json=mine)) == expected


def test_count_takes_no_page(api):
    for field in ("limit", "offset", "sort"):
        problem(api.post("/deployments/count", json={field: 1}), 422)


def test_an_empty_list_is_an_empty_list(api):
    assert ok(api.post("/deployments/filter", json={"deployments": {"id": {"any_": [str(uuid.uuid4())]}}})) == []
    assert ok(api.post("/deployments/count", json={"deployments": {"id": {"any_": []}}})) == 0

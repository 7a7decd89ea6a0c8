"""Flows: create or get, read, change, list, count, delete."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from tests.api.factories import make_deployment, make_flow, make_flow_run, make_task_run

NOON = datetime(2022, 6, 1, 12, tzinfo=UTC)


def names(response):
    assert response.status_code == 200, response.text
    return [flow["name"] for flow in response.json]


def test_a_new_flow_is_answered_with_201_and_every_field(client, clock):
    clock.stop_at(NOON)
    response = client.post("/flows/", json={"name": "etl", "tags": ["b", "a", "b"]})
    assert response.status_code == 201
    flow = response.json
    assert UUID(flow.pop("id")).version == 7
    assert flow == {"created": NOON.isoformat(), "updated": NOON.isoformat(), "name": "etl", "tags": ["b", "a", "b"]}


def test_a_flow_whose_name_exists_is_answered_as_it_is_with_200(client, clock):
    clock.stop_at(NOON)
    first = make_flow(client, name="etl", tags=["a"])
    clock.advance(hours=1)
    response = client.post("/flows/", json={"name": "etl", "tags": ["b"]})
    assert (response.status_code, response.json) == (200, first)


def test_flow_names_that_differ_in_case_or_space_are_different_flows(client):
    ids = {make_flow(client, name=name)["id"] for name in ("etl", "ETL", "etl ", "é", "É", "e\u0301")}
    assert len(ids) == 6


def test_a_flow_is_read_by_id(client):
    flow = make_flow(client, tags=["a"])
    response = client.get(f"/flows/{flow['id']}")
    assert (response.status_code, response.json) == (200, flow)


@pytest.mark.parametrize("name", ["etl", "with space", "Łódź 🦦", "a?b#c", "..", "+", "name"])
def test_a_flow_is_read_by_name(client, name):
    flow = make_flow(client, name=name)
    response = client.get("/flows/name/" + "".join(f"%{byte:02X}" for byte in name.encode()))
    assert (response.status_code, response.json) == (200, flow)


@pytest.mark.parametrize("method, path", [("get", "/flows/{}"), ("patch", "/flows/{}"), ("delete", "/flows/{}"), ("get", "/flows/name/{}")])
def test_an_unknown_flow_is_404(client, method, path):
    make_flow(client)
    body = {"json": {"tags": []}} if method == "patch" else {}
    response = client.open(path.format(uuid4()), method=method.upper(), **body)
    assert (response.status_code, response.json["detail"]) == (404, "Flow not found")


def test_changing_a_flow_sets_what_is_given_and_says_when(client, clock):
    clock.stop_at(NOON)
    flow = make_flow(client, tags=["a"])
    clock.advance(hours=1)
    response = client.patch(f"/flows/{flow['id']}", json={"tags": ["x", "y"]})
    assert (response.status_code, response.data) == (204, b"")
    after = client.get(f"/flows/{flow['id']}").json
    assert after == flow | {"tags": ["x", "y"], "updated": "2022-06-01T13:00:00+00:00"}
    assert client.patch(f"/flows/{flow['id']}", json={}).status_code == 204
    assert client.get(f"/flows/{flow['id']}").json["tags"] == ["x", "y"]


def test_a_flows_name_cannot_be_changed(client):
    flow = make_flow(client)
    response = client.patch(f"/flows/{flow['id']}", json={"name": "other"})
    assert response.status_code == 422
    assert response.json["errors"][0]["loc"] == ["body", "name"]


@pytest.mark.parametrize(
    "sort, expected",
    [
        (None, ["a", "b", "c"]),
        ("NAME_ASC", ["a", "b", "c"]),
        ("NAME_DESC", ["c", "b", "a"]),
        ("CREATED_DESC", ["b", "c", "a"]),
        ("UPDATED_DESC", ["c", "b", "a"]),
    ],
)
def test_flows_are_listed_in_the_order_that_is_asked_for(client, clock, sort, expected):
    clock.stop_at(NOON)
    flows = {}
    for name in ("a", "c", "b"):
        flows[name] = make_flow(client, name=name)
        clock.advance(minutes=1)
    client.patch(f"/flows/{flows['c']['id']}", json={"tags": ["changed"]})
    body = {"sort": sort} if sort else {}
    assert names(client.post("/flows/filter", json=body)) == expected


@pytest.mark.parametrize("sort", ["CREATED_DESC", "UPDATED_DESC"])
def test_flows_of_the_same_moment_are_listed_newest_id_first(client, clock, sort):
    clock.stop_at(NOON)
    ids = [make_flow(client)["id"] for _ in range(5)]
    pages = [client.post("/flows/filter", json={"sort": sort, "limit": 2, "offset": offset}).json for offset in (0, 2, 4)]
    assert [flow["id"] for page in pages for flow in page] == sorted(ids, reverse=True)


def test_flows_are_counted(client):
    assert client.post("/flows/count").json == 0
    for tags in (["a"], ["a", "b"], []):
        make_flow(client, tags=tags)
    assert client.post("/flows/count").json == 3
    assert client.post("/flows/count", json={"flows": {"tags": {"all_": ["a"]}}}).json == 2


def test_limit_and_offset_cut_a_list_and_not_a_count(client):
    for name in "abcde":
        make_flow(client, name=name)
    assert names(client.post("/flows/filter", json={"limit": 2, "offset": 1})) == ["b", "c"]
    assert names(client.post("/flows/filter", json={"limit": 0})) == []
    assert names(client.post("/flows/filter", json={"offset": 5})) == []
    assert names(client.post("/flows/filter", json={"limit": None})) == [*"abcde"]
    assert client.post("/flows/count", json={"limit": 2}).status_code == 422


def test_deleting_a_flow_deletes_its_deployments_runs_and_task_runs_and_nothing_else(client):
    flow, other = make_flow(client), make_flow(client)
    kept = {}
    for owner in (flow, other):
        deployment = make_deployment(client, flow_id=owner["id"])
        run = make_flow_run(client, flow_id=owner["id"], deployment_id=deployment["id"])
        task_run = make_task_run(client, flow_run_id=run["id"])
        subflow_run = make_flow_run(client, flow_id=owner["id"], parent_task_run_id=task_run["id"])
        kept = {"flows": [owner], "deployments": [deployment], "flow_runs": [subflow_run, run], "task_runs": [task_run]}
    response = client.delete(f"/flows/{flow['id']}")
    assert (response.status_code, response.data) == (204, b"")
    assert client.get(f"/flows/{flow['id']}").status_code == 404
    for entity, expected in kept.items():
        assert [found["id"] for found in client.post(f"/{entity}/filter").json] == [row["id"] for row in expected]
    assert client.delete(f"/flows/{flow['id']}").status_code == 404


def test_a_subflow_run_of_another_flow_outlives_the_flow_of_its_parent(client):
    task_run = make_task_run(client)
    parent = client.get(f"/flow_runs/{task_run['flow_run_id']}").json
    subflow_run = make_flow_run(client, parent_task_run_id=task_run["id"])
    assert client.delete(f"/flows/{parent['flow_id']}").status_code == 204
    after = client.get(f"/flow_runs/{subflow_run['id']}")
    assert (after.status_code, after.json["parent_task_run_id"]) == (200, None)

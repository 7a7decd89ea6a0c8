"""The bounds on what a request may carry, each of them a setting (contract, section 1)."""

import uuid

import pytest

from app import create_app
from app.config import Settings
from tests.api.asking import ok, problem, wrong_fields
from tests.api.factories import make_deployment, make_flow, make_flow_run, make_task_run
from tests.conftest import ApiClient

NOT_WHOLE = [1.9, 1.0, "1", "1_0", True, False, [1], {}]
MEBIBYTE = 2**20
# fixed, so that every worker collects the same tests
SOME_ID = str(uuid.UUID(int=7))


def client_with(shared_database_url, **bounds):
    """A client of an application with other bounds."""
    app = create_app(Settings(database_url=shared_database_url, **bounds))
    app.test_client_class = ApiClient
    return app.test_client(), app.extensions["mintaka"].database


def post_raw(client, path, body):
    return client.post(path, data=body, content_type="application/json")


def nested(depth):
    return "[" * depth + "]" * depth


def test_a_body_of_16_mib_is_read_and_one_byte_more_is_413(api):
    flow = make_flow(api)["id"]
    head = f'{{"name": "d", "flow_id": "{flow}", "flow_data": {{"encoding": "json", "blob": "'.encode()
    body = head + b"x" * (16 * MEBIBYTE - len(head) - 3) + b'"}}'
    assert len(body) == 16 * MEBIBYTE
    deployment = ok(post_raw(api, "/deployments/", body), 201)
    problem(post_raw(api, "/deployments/", body + b" "), 413)
    ok(api.delete(f"/deployments/{deployment['id']}"), 204)


def test_a_body_that_is_too_large_is_413_even_where_none_is_read(api):
    deployment = make_deployment(api)
    for method, path in (
        ("POST", f"/deployments/{deployment['id']}/set_schedule_active"),
        ("DELETE", f"/deployments/{deployment['id']}"),
        ("POST", "/deployments/filter"),
        ("GET", "/health"),
    ):
        problem(api.open(path, method=method, data=b" " * (16 * MEBIBYTE + 1), content_type="application/json"), 413)
    assert ok(api.get(f"/deployments/{deployment['id']}")) == deployment


def test_a_body_of_unknown_length_is_413_when_it_turns_out_too_large(api):
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    refused = api.post("/flows/", data=b" " * (16 * MEBIBYTE + 1), content_type="application/json", environ_overrides=chunked)
    problem(refused, 413)


def test_a_body_nested_64_deep_is_read_and_65_deep_refused(api):
    # the body and its parameters are the first two levels
    flow = make_flow(api)["id"]
    body = '{{"name": "d", "flow_id": "{}", "flow_data": {{"encoding": "json", "blob": "1"}}, "parameters": {{"a": {}}}}}'
    deployment = ok(post_raw(api, "/deployments/", body.format(flow, nested(62))), 201)
    assert ok(api.get(f"/deployments/{deployment['id']}"))["parameters"] == deployment["parameters"]
    for depth in (63, 500, 100_000):
        refused = problem(post_raw(api, "/deployments/", body.format(flow, nested(depth))), 422)
        assert refused["errors"][0]["type"] == "too_deep"


LISTS = ("flows", "deployments", "flow_runs", "task_runs", "logs", "work_queues", "concurrency_limits", "saved_searches")


@pytest.mark.parametrize("kind", LISTS)
def test_an_offset_goes_up_to_100_000_and_what_is_further_on_takes_a_cursor(api, kind):
    ok(api.post(f"/{kind}/filter", json={"offset": 100_000}))
    refused = problem(api.post(f"/{kind}/filter", json={"offset": 100_001}), 422)
    assert refused["errors"][0]["loc"] == ["body", "offset"]
    assert "from 0 to 100000. A cursor goes further" in refused["errors"][0]["msg"]


def test_the_largest_offset_is_a_setting(shared_database_url):
    client, database = client_with(shared_database_url, max_offset=3)
    ok(client.post("/flows/filter", json={"offset": 3}))
    assert wrong_fields(client.post("/flows/filter", json={"offset": 4})) == {"body.offset"}
    database.dispose()


@pytest.mark.parametrize("kind", ["flows", "deployments", "flow_runs", "task_runs"])
@pytest.mark.parametrize("route", ["filter", "count"])
def test_a_text_to_look_for_in_names_is_no_longer_than_names_are(api, kind, route):
    for length, status in ((512, 200), (513, 422), (1_000_000, 422)):
        answer = api.post(f"/{kind}/{route}", json={kind: {"name": {"like_": "x" * length}}})
        assert answer.status_code == status
    assert wrong_fields(answer) == {f"body.{kind}.name.like_"}


def everything_with_tags(client, tags):
    """The answers to making one of everything that has tags."""
    flow = make_flow(client)["id"]
    deployment = make_deployment(client)
    run = make_flow_run(client)["id"]
    data = {"encoding": "json", "blob": "1"}
    return [
        client.post("/flows/", json={"name": str(uuid.uuid4()), "tags": tags}),
        client.patch(f"/flows/{flow}", json={"tags": tags}),
        client.post("/deployments/", json={"name": "d", "flow_id": flow, "flow_data": data, "tags": tags}),
        client.post(f"/deployments/{deployment['id']}/create_flow_run", json={"tags": tags}),
        client.post("/flow_runs/", json={"flow_id": flow, "tags": tags}),
        client.patch(f"/flow_runs/{run}", json={"tags": tags}),
        client.post("/task_runs/", json={"flow_run_id": run, "task_key": "t", "dynamic_key": "d", "tags": tags}),
    ]


def test_an_object_has_at_most_200_tags_of_at_most_255_characters(api):
    for response in everything_with_tags(api, [f"{number}".ljust(255, "é") for number in range(200)]):
        ok(response, 200, 201, 204)
    for response in everything_with_tags(api, [f"{number}" for number in range(201)]):
        assert wrong_fields(response) == {"body.tags"}
    for response in everything_with_tags(api, ["fine", "x" * 256]):
        assert wrong_fields(response) == {"body.tags.1"}


@pytest.mark.parametrize("tags", ["tag", {"tag": 1}, 5, True, [5], [None], [["tag"]], [True]])
def test_tags_are_a_list_of_texts(api, tags):
    for response in everything_with_tags(api, tags):
        assert wrong_fields(response) == {"body.tags" if not isinstance(tags, list) else "body.tags.0"}


def test_an_idempotency_key_has_at_most_255_characters(api):
    deployment = make_deployment(api)
    here = f"/deployments/{deployment['id']}/create_flow_run"
    ok(api.post(here, json={"idempotency_key": "é" * 255}), 201)
    ok(api.post(here, json={"idempotency_key": "é" * 255}), 200)
    assert wrong_fields(api.post(here, json={"idempotency_key": "x" * 256})) == {"body.idempotency_key"}
    refused = api.post("/flow_runs/", json={"flow_id": deployment["flow_id"], "idempotency_key": "x" * 256})
    assert wrong_fields(refused) == {"body.idempotency_key"}


LISTS = [
    ("flows", "name", "any_", "x"),
    ("flows", "tags", "all_", "x"),
    ("deployments", "id", "any_", SOME_ID),
    ("flow_runs", "id", "not_any_", SOME_ID),
    ("flow_runs", "deployment_id", "any_", SOME_ID),
    ("task_runs", "name", "any_", "x"),
]


@pytest.mark.parametrize("entity, field, operator, value", LISTS)
def test_a_list_in_a_filter_has_at_most_1000_values(api, entity, field, operator, value):
    for path in ("/deployments/filter", "/deployments/count", "/flow_runs/count"):
        ok(api.post(path, json={entity: {field: {operator: [value] * 1000}}}))
        assert wrong_fields(api.post(path, json={entity: {field: {operator: [value] * 1001}}})) == {f"body.{entity}.{field}.{operator}"}


def test_state_types_in_a_filter_are_bounded_too(api):
    criteria = {"flow_runs": {"state": {"type": {"any_": ["PENDING"] * 1001}}}}
    assert wrong_fields(api.post("/flow_runs/filter", json=criteria)) == {"body.flow_runs.state.type.any_"}


def test_max_runs_is_1_to_10000(api):
    here = f"/deployments/{make_deployment(api)['id']}/schedule"
    for accepted in (1, 10_000, None):
        assert ok(api.post(here, json={"max_runs": accepted})) is None
    for refused in (0, -1, 10_001, 10**30):
        assert wrong_fields(api.post(here, json={"max_runs": refused})) == {"body.max_runs"}


@pytest.mark.parametrize("value", NOT_WHOLE)
def test_an_integer_is_a_whole_number_and_nothing_that_resembles_one(api, value):
    run = make_task_run(api)
    assert wrong_fields(api.post(f"/deployments/{make_deployment(api)['id']}/schedule", json={"max_runs": value})) == {"body.max_runs"}
    task_run = {"flow_run_id": run["flow_run_id"], "task_key": "t", "dynamic_key": "d", "empirical_policy": {"max_retries": value}}
    assert wrong_fields(api.post("/task_runs/", json=task_run)) == {"body.empirical_policy.max_retries"}


@pytest.mark.parametrize("value", [0, 1, "true", "yes", "", [], 1.0])
def test_a_boolean_is_true_or_false_and_nothing_that_resembles_them(api, value):
    flow = make_flow(api)["id"]
    assert wrong_fields(api.post("/deployments/", json={"name": "d", "flow_id": flow, "is_schedule_active": value})) == {
        "body.is_schedule_active"
    }
    refused = api.post("/deployments/filter", json={"deployments": {"is_schedule_active": {"eq_": value}}})
    assert wrong_fields(refused) == {"body.deployments.is_schedule_active.eq_"}


@pytest.mark.parametrize("value", ["text", 5, True, [1], [["a", 1]]])
def test_parameters_are_an_object(api, value):
    deployment = make_deployment(api)
    assert wrong_fields(api.post("/deployments/", json={"name": "d", "flow_id": deployment["flow_id"], "parameters": value})) == {
        "body.parameters"
    }
    assert wrong_fields(api.post(f"/deployments/{deployment['id']}/create_flow_run", json={"parameters": value})) == {"body.parameters"}


def test_every_bound_is_the_one_that_is_set(shared_database_url):
    client, database = client_with(
        shared_database_url,
        max_body_bytes=20_000,
        max_json_depth=6,
        max_tags=2,
        max_tag_length=3,
        max_idempotency_key_length=4,
        max_filter_values=5,
        page_size=7,
    )
    deployment = make_deployment(client, schedule={"interval": 60})
    here = f"/deployments/{deployment['id']}/create_flow_run"
    problem(post_raw(client, here, b" " * 20_001), 413)
    ok(client.post(here, json={"parameters": {"a": [[[[]]]]}}), 201)
    assert problem(client.post(here, json={"parameters": {"a": [[[[[]]]]]}}), 422)["errors"][0]["type"] == "too_deep"
    ok(client.post(here, json={"tags": ["abc", "d"], "idempotency_key": "abcd"}), 201)
    assert wrong_fields(client.post(here, json={"tags": ["a", "b", "c"]})) == {"body.tags"}
    assert wrong_fields(client.post(here, json={"tags": ["abcd"]})) == {"body.tags.0"}
    assert wrong_fields(client.post(here, json={"idempotency_key": "abcde"})) == {"body.idempotency_key"}
    ok(client.post("/flows/count", json={"flows": {"name": {"any_": ["x"] * 5}}}))
    assert wrong_fields(client.post("/flows/count", json={"flows": {"name": {"any_": ["x"] * 6}}})) == {"body.flows.name.any_"}
    assert len(ok(client.post("/flow_runs/filter"))) == 7
    assert wrong_fields(client.post("/flow_runs/filter", json={"limit": 8})) == {"body.limit"}
    database.dispose()

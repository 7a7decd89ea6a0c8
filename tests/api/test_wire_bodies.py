"""Wire rules about request bodies: what is read, what may be left out, and what no body may hold (contract, section 1)."""

import json

import pytest

from tests.api.asking import ok, problem, runs_of, wrong_fields
from tests.api.factories import make_deployment, make_flow, make_flow_run

LISTS = [f"/{entity}/filter" for entity in ("flows", "deployments", "flow_runs", "task_runs")]
COUNTS = [f"/{entity}/count" for entity in ("flows", "deployments", "flow_runs", "task_runs")]


def post_raw(api, path, body):
    return api.post(path, data=body, content_type="application/json")


def routes_with_a_body(api):
    """(method, path, a body that works) of every route that takes one."""
    deployment = make_deployment(api)
    run = make_flow_run(api)
    flow_id, here = deployment["flow_id"], f"/deployments/{deployment['id']}"
    return [
        ("POST", "/flows/", {"name": "wire-bodies"}),
        ("PATCH", f"/flows/{flow_id}", {"tags": []}),
        ("POST", "/deployments/", {"name": "new", "flow_id": flow_id, "flow_data": {"encoding": "json", "blob": "1"}}),
        ("POST", f"{here}/schedule", {}),
        ("POST", f"{here}/create_flow_run", {}),
        ("POST", "/flow_runs/", {"flow_id": flow_id}),
        ("PATCH", f"/flow_runs/{run['id']}", {"tags": []}),
        ("POST", "/task_runs/", {"flow_run_id": run["id"], "task_key": "task", "dynamic_key": "new"}),
        *(("POST", path, {}) for path in LISTS + COUNTS),
    ]


def test_an_unknown_field_is_refused_by_every_route_with_a_body(api):
    for method, path, body in routes_with_a_body(api):
        refused = api.open(path, method=method, json=body | {"surprise": 1})
        assert wrong_fields(refused) == {"body.surprise"}, path
        assert problem(refused, 422)["errors"][0]["type"] == "unknown_field"
        ok(api.open(path, method=method, json=body), 200, 201, 204)


@pytest.mark.parametrize(
    "path, body, field",
    [
        ("/deployments/", {"flow_data": {"encoding": "x", "blob": "y", "surprise": 1}}, "body.flow_data.surprise"),
        ("/deployments/", {"flow_runner": {"type": "x", "surprise": 1}}, "body.flow_runner.surprise"),
        ("/deployments/", {"schedule": {"interval": 60, "surprise": 1}}, "body.schedule.surprise"),
        ("/deployments/filter", {"deployments": {"surprise": {}}}, "body.deployments.surprise"),
        ("/deployments/filter", {"deployments": {"name": {"surprise_": 1}}}, "body.deployments.name.surprise_"),
        ("/flow_runs/filter", {"flow_runs": {"state": {"type": {"like_": "x"}}}}, "body.flow_runs.state.type.like_"),
        ("/flow_runs/", {"state": {"type": "PENDING", "state_details": {"surprise": 1}}}, "body.state.state_details.surprise"),
    ],
)
def test_an_unknown_field_is_refused_at_any_depth(api, path, body, field):
    required = {"name": "new", "flow_id": make_flow(api)["id"]} if not path.endswith("filter") else {}
    assert wrong_fields(api.post(path, json=required | body)) == {field}


def test_a_missing_optional_body_equals_an_empty_one(api):
    deployment = make_deployment(api, schedule={"interval": 3600})
    for path in [*LISTS, *COUNTS]:
        answers = [
            ok(api.post(path, json={})),
            ok(api.post(path)),
            ok(post_raw(api, path, "")),
            ok(post_raw(api, path, "null")),
        ]
        for answer in answers:
            assert _without_estimates(answer) == _without_estimates(answers[0]), path
    assert ok(api.post(f"/deployments/{deployment['id']}/schedule")) is None
    assert ok(api.post(f"/deployments/{deployment['id']}/create_flow_run"), 201)["parameters"] == {}


def _without_estimates(answer):
    if isinstance(answer, int):
        return answer
    return [{name: value for name, value in document.items() if not name.startswith("estimated")} for document in answer]


def test_a_body_that_is_required_is_missed_field_by_field(api):
    assert wrong_fields(api.post("/deployments/")) == {"body.name", "body.flow_id"}
    assert wrong_fields(api.post("/flows/")) == {"body.name"}


@pytest.mark.parametrize("body", ["[]", "1", "true", '"text"', '[{"name": "x"}]'])
def test_a_body_that_is_not_an_object_is_refused(api, body):
    for path in ("/flows/", "/deployments/filter", "/deployments/count"):
        assert wrong_fields(post_raw(api, path, body)) == {"body"}


@pytest.mark.parametrize(
    "body", [b"{", b"{'name': 'x'}", b'{"name": "x",}', b"name=x", b'{"name": "\xff"}', '{"name": "x"}'.encode("utf-16")]
)
def test_a_body_that_is_not_json_in_utf_8_is_refused(api, body):
    assert wrong_fields(post_raw(api, "/flows/", body)) == {"body"}


HOSTILE_TEXT = {
    "NUL": b"a\\u0000b",
    "a lone high surrogate": b"a\\ud800b",
    "a lone low surrogate": b"a\\udc00b",
    "a surrogate as bytes": b"a\xed\xa0\x80b",
}


@pytest.mark.parametrize("text", HOSTILE_TEXT.values(), ids=HOSTILE_TEXT)
def test_text_that_postgresql_cannot_hold_is_refused_in_values_and_in_keys(api, text):
    flow = make_flow(api)["id"].encode()
    deployment = b'{"name": "d", "flow_id": "%s", "flow_data": {"encoding": "json", "blob": "1"}, %s}'
    for body in (
        deployment % (flow, b'"parameters": {"a": [{"b": "%s"}]}' % text),
        deployment % (flow, b'"parameters": {"a": [{"%s": 1}]}' % text),
        deployment % (flow, b'"tags": ["%s"]' % text),
        deployment % (flow, b'"flow_runner": {"type": "%s"}' % text),
        deployment % (flow, b'"flow_runner": {"config": {"%s": 1}}' % text),
        deployment % (flow, b'"schedule": {"cron": "%s"}' % text),
        deployment % (flow, b'"%s": 1' % text),
    ):
        assert wrong_fields(post_raw(api, "/deployments/", body)) == {"body"}
    for body in (b'{"flows": {"name": {"any_": ["%s"]}}}' % text, b'{"flows": {"name": {"like_": "%s"}}}' % text):
        assert wrong_fields(post_raw(api, "/flows/filter", body)) == {"body"}
    assert ok(api.post("/deployments/count", json={"flows": {"id": {"any_": [flow.decode()]}}})) == 0


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_that_are_not_finite_are_refused_anywhere_in_a_body(api, number):
    flow = make_flow(api)["id"]
    for field in (
        f'"parameters": {{"a": [{{"b": {number}}}]}}',
        f'"schedule": {{"interval": {number}}}',
        f'"flow_runner": {{"config": {{"a": {number}}}}}',
    ):
        body = f'{{"name": "d", "flow_id": "{flow}", "flow_data": {{"encoding": "json", "blob": "1"}}, {field}}}'
        assert wrong_fields(post_raw(api, "/deployments/", body)) == {"body"}
    assert wrong_fields(post_raw(api, "/deployments/filter", f'{{"limit": {number}}}')) == {"body"}


@pytest.mark.parametrize("number", [2**53 + 1, 2**63, -(2**64), 10**30, 10**300 + 1])
def test_whole_numbers_in_parameters_are_kept_exactly(api, number):
    parameters = {"number": number, "inside": [{"number": number}]}
    deployment = make_deployment(api, parameters=parameters, schedule={"interval": 86400})
    run = ok(api.post(f"/deployments/{deployment['id']}/create_flow_run"), 201)
    documents = [deployment, ok(api.get(f"/deployments/{deployment['id']}")), run, *runs_of(api, deployment)]
    assert len(documents) > 100
    assert all(document["parameters"] == parameters for document in documents)


def test_parameters_come_back_as_they_were_sent(api):
    parameters = {
        "": "an empty key",
        "text": 'é😀 " \\ / \n\t\x7f\u2028',
        "日本": None,
        "flags": [True, False, None, 0, 1, 1.5, -2.25, 1e-7, 0.1],
        "empty": [{}, [], ""],
        "$.a[0]": {"'": "''", "%s": "%(x)s", ":b": ":c", "?": "?"},
    }
    sent = json.dumps(parameters)
    deployment = make_deployment(api, parameters=parameters, schedule={"interval": 86400 * 90})
    run = ok(api.post(f"/deployments/{deployment['id']}/create_flow_run", json={"parameters": {"a": "ü"}}), 201)
    for document in (deployment, ok(api.get(f"/deployments/{deployment['id']}")), runs_of(api, deployment)[-1]):
        assert json.dumps(document["parameters"], sort_keys=True) == json.dumps(json.loads(sent), sort_keys=True)
    assert run["parameters"] == parameters | {"a": "ü"}


@pytest.mark.parametrize("text, kept", [("1e16", 10**16), ("1.5e300", 15 * 10**299), ("-0.0", 0.0)])
def test_large_numbers_and_negative_zero_are_answered_alike_by_both_databases(api, text, kept):
    flow = make_flow(api)["id"]
    body = f'{{"name": "d", "flow_id": "{flow}", "flow_data": {{"encoding": "json", "blob": "1"}}, "parameters": {{"a": {text}}}}}'
    deployment = ok(post_raw(api, "/deployments/", body), 201)
    assert repr(deployment["parameters"]["a"]) == repr(kept)
    assert repr(ok(api.get(f"/deployments/{deployment['id']}"))["parameters"]["a"]) == repr(kept)


def test_null_stands_for_a_default_where_clients_of_the_reference_send_it(api):
    for route in ("flows", "flow_runs", "task_runs", "logs"):
        ok(api.post(f"/{route}/filter", json={"sort": None, "limit": None, "offset": 0}))
    run = make_flow_run(api, name="kept")
    ok(api.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": "RUNNING"}, "force": None}), 201)
    assert api.patch(f"/flow_runs/{run['id']}", json={"name": None, "tags": ["t"]}).status_code == 204
    changed = ok(api.get(f"/flow_runs/{run['id']}"))
    assert (changed["name"], changed["tags"]) == ("kept", ["t"])


def test_a_run_has_no_more_tags_than_an_object_may_have_with_those_of_its_deployment(api):
    deployment = make_deployment(api, tags=[f"d{n}" for n in range(200)])
    route = f"/deployments/{deployment['id']}/create_flow_run"
    assert wrong_fields(api.post(route, json={"tags": ["one more"]})) == {"body.tags"}
    assert len(ok(api.post(route, json={"tags": ["d0", "d199"]}), 201)["tags"]) == 200

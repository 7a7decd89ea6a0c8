"""Wire rules about errors and about ids, instants, names and pages (contract, section 1)."""

import uuid
from datetime import UTC, datetime

import pytest

from app.domain.bounds import Bounds
from tests.api.asking import ids, ok, problem, runs_of, wrong_fields
from tests.api.factories import make_deployment, make_flow, make_flow_run

BY_ID = [
    ("GET", "/flows/{}"),
    ("PATCH", "/flows/{}"),
    ("DELETE", "/flows/{}"),
    ("GET", "/deployments/{}"),
    ("DELETE", "/deployments/{}"),
    ("POST", "/deployments/{}/set_schedule_active"),
    ("POST", "/deployments/{}/set_schedule_inactive"),
    ("POST", "/deployments/{}/schedule"),
    ("POST", "/deployments/{}/create_flow_run"),
    ("GET", "/flow_runs/{}"),
    ("PATCH", "/flow_runs/{}"),
    ("DELETE", "/flow_runs/{}"),
    ("GET", "/task_runs/{}"),
    ("DELETE", "/task_runs/{}"),
]


def call(client, method, path):
    return client.open(path, method=method, json={} if method in ("POST", "PATCH") else None)


@pytest.mark.parametrize("method, path", BY_ID)
def test_a_malformed_id_in_a_path_is_422_and_an_unknown_one_404(api, method, path):
    for malformed in ("x", "123", str(uuid.uuid4())[:-1], str(uuid.uuid4()) + "0", "00000000-0000-0000-0000-00000000000g", "%00"):
        refused = call(api, method, path.format(malformed))
        assert wrong_fields(refused) == {"path.id"}
    unknown = problem(call(api, method, path.format(uuid.uuid4())), 404)
    assert unknown["detail"].endswith(" not found")


def test_the_detail_for_a_missing_deployment_is_deployment_not_found(api):
    for method, path in BY_ID:
        if path.startswith("/deployments"):
            assert problem(call(api, method, path.format(uuid.uuid4())), 404)["detail"] == "Deployment not found"
    assert problem(api.get("/deployments/name/no-flow/no-deployment"), 404)["detail"] == "Deployment not found"


@pytest.mark.parametrize("text", ["", "x", 5, None, True, ["a"], "00000000-0000-0000-0000-00000000000g"])
def test_a_malformed_id_in_a_body_is_422(api, text):
    assert wrong_fields(api.post("/deployments/", json={"name": "d", "flow_id": text})) == {"body.flow_id"}
    refused = api.post("/deployments/filter", json={"flows": {"id": {"any_": [str(uuid.uuid4()), text]}}})
    assert wrong_fields(refused) == {"body.flows.id.any_.1"}


def test_a_validation_error_lists_every_wrong_field_with_its_path(api):
    body = {
        "name": "a/b",
        "flow_id": "x",
        "schedule": {"cron": "x"},
        "is_schedule_active": "yes",
        "tags": ["ok", 5],
        "flow_data": {"blob": "1"},
    }
    document = problem(api.post("/deployments/", json=body), 422)
    assert {tuple(error["loc"]) for error in document["errors"]} == {
        ("body", "name"),
        ("body", "flow_id"),
        ("body", "schedule", "cron"),
        ("body", "is_schedule_active"),
        ("body", "tags", 1),
        ("body", "flow_data", "encoding"),
    }
    assert {error["type"] for error in document["errors"]} >= {"missing", "invalid"}
    assert "more)" in document["detail"]


def test_an_error_is_a_problem_document_whatever_went_wrong(api):
    flow = make_flow(api)
    for status, response in {
        400: api.get("/hello", headers={"X-PREFECT-API-VERSION": "x"}),
        403: api.post("/flows/", json={"name": "x"}, headers={"Origin": "https://elsewhere.example"}),
        404: api.get("/nowhere"),
        405: api.put("/flows/"),
        409: api.post("/deployments/", json={"name": "x", "flow_id": str(uuid.uuid4()), "flow_data": {"encoding": "x", "blob": ""}}),
        413: api.post("/flows/", data=b"x" * (16 * 2**20 + 1), content_type="application/json"),
        415: api.post("/flows/", data={"name": "x"}),
        422: api.post("/flows/", json={"name": "x", "tags": 5}),
    }.items():
        document = problem(response, status)
        assert flow["name"] not in document["detail"]


def test_a_path_that_takes_other_methods_says_which(api):
    allowed = {}
    for rule in api.application.url_map.iter_rules():
        if rule.rule.startswith("/api/") and not rule.arguments:
            allowed.setdefault(rule.rule, set()).update(rule.methods)
    for path, methods in allowed.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - methods:
            refused = api.open(path, method=method, json={})
            assert refused.status_code == 405, (method, path)
            assert set(refused.headers["Allow"].split(", ")) == methods, (method, path)


def test_a_failure_of_the_server_is_a_problem_document_that_tells_nothing_of_it(client, monkeypatch):
    def fail(*_):
        raise RuntimeError("SELECT hush FROM secrets")

    monkeypatch.setattr("app.repositories.flows.Flows.require_json", fail)
    failed = client.get(f"/flows/{uuid.uuid4()}")
    document = problem(failed, 500)
    assert failed.headers["X-Request-ID"] in document["detail"]
    assert "hush" not in failed.text


SECRET = "hush-7d1f"


@pytest.mark.parametrize(
    "path, body",
    [
        ("/flows/", {"name": f"{SECRET}/x"}),
        ("/flows/", {"name": SECRET * 100}),
        ("/flows/", {"name": {SECRET: SECRET}}),
        ("/flows/", {"name": "ok", "tags": [SECRET * 100]}),
        ("/flows/", {"name": "ok", "tags": SECRET}),
        ("/deployments/", {"flow_id": SECRET}),
        ("/deployments/", {"is_schedule_active": SECRET}),
        ("/deployments/", {"parameters": [SECRET]}),
        ("/deployments/", {"flow_data": SECRET}),
        ("/deployments/", {"flow_runner": {"config": SECRET}}),
        ("/deployments/", {"parameters": {"token": SECRET}, "flow_data": {"encoding": "json", "blob": SECRET}}),
        ("/deployments/", {"schedule": {"cron": f"{SECRET} * * * *"}}),
        ("/deployments/", {"schedule": {"cron": "0 0 * * *", "timezone": SECRET}}),
        ("/deployments/", {"schedule": {"interval": SECRET}}),
        ("/deployments/", {"schedule": {"interval": 60, "anchor_date": SECRET}}),
        ("/deployments/", {"schedule": {"rrule": SECRET}}),
        ("/deployments/", {"schedule": {"rrule": f"FREQ={SECRET}"}}),
        ("/deployments/", {"schedule": {"rrule": f"FREQ=DAILY;COUNT={SECRET}"}}),
        ("/deployments/", {"schedule": {"rrule": f"DTSTART;TZID={SECRET}:20220101T000000\nRRULE:FREQ=DAILY"}}),
        ("/deployments/", {"schedule": SECRET}),
        ("/deployments/filter", {"limit": SECRET}),
        ("/deployments/filter", {"deployments": {"id": {"any_": [SECRET]}}}),
        ("/flow_runs/filter", {"sort": SECRET}),
        ("/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": [SECRET]}}}}),
        ("/flow_runs/filter", {"flow_runs": {"start_time": {"before_": SECRET}}}),
        ("/flow_runs/", {"state": {"type": SECRET}}),
        ("/flow_runs/", {"idempotency_key": SECRET * 100}),
        ("/task_runs/", {"task_inputs": {"x": SECRET}}),
    ],
)
def test_no_error_repeats_what_was_sent_or_shows_sql(api, path, body):
    unknown = str(uuid.uuid4())
    required = {
        "/deployments/": {"name": "d", "flow_id": unknown, "flow_data": {"encoding": "json", "blob": "1"}},
        "/flow_runs/": {"flow_id": unknown},
        "/task_runs/": {"flow_run_id": unknown, "task_key": "t", "dynamic_key": "0"},
    }.get(path, {})
    refused = api.post(path, json=required | body)
    problem(refused, 409 if "token" in body.get("parameters", ()) else 422)
    assert SECRET not in refused.text
    assert unknown not in refused.text
    for word in ("INSERT", "SELECT", "sqlalchemy", "psycopg2", "sqlite3", "Traceback"):
        assert word not in refused.text


def test_an_error_says_no_more_than_a_client_can_read(api):
    refused = api.post("/flows/", json={"name": "x"} | {f"{number}{'x' * 1000}": 1 for number in range(1000)})
    document = problem(refused, 422)
    assert len(document["errors"]) == 100
    assert "(and 997 more)" in document["detail"]
    assert len(refused.data) < 20_000


def test_a_reference_to_a_missing_row_is_409(api):
    flow, unknown = make_flow(api)["id"], str(uuid.uuid4())
    data = {"encoding": "json", "blob": "1"}
    for path, body in (
        ("/deployments/", {"name": "d", "flow_id": unknown, "flow_data": data}),
        ("/flow_runs/", {"flow_id": unknown}),
        ("/flow_runs/", {"flow_id": flow, "deployment_id": unknown}),
        ("/flow_runs/", {"flow_id": flow, "parent_task_run_id": unknown}),
        ("/task_runs/", {"flow_run_id": unknown, "task_key": "t", "dynamic_key": "0"}),
    ):
        problem(api.post(path, json=body), 409)


def test_a_naive_instant_is_read_as_utc_and_every_instant_is_answered_in_utc(api):
    for sent, answered in {
        "2022-06-01T09:00:00": "2022-06-01T09:00:00+00:00",
        "2022-06-01T09:00:00+02:00": "2022-06-01T07:00:00+00:00",
        "2022-06-01T09:00:00.123456Z": "2022-06-01T09:00:00.123456+00:00",
    }.items():
        run = make_flow_run(api, state={"type": "SCHEDULED", "state_details": {"scheduled_time": sent}})
        for document in (run, ok(api.get(f"/flow_runs/{run['id']}"))):
            assert document["expected_start_time"] == document["next_scheduled_start_time"] == answered
            assert document["state"]["state_details"]["scheduled_time"] == answered
            assert all(document[name].endswith("+00:00") for name in ("created", "updated"))
            assert document["state"]["timestamp"].endswith("+00:00")


def test_the_years_of_an_instant_count_after_conversion_to_utc(api):
    def count(instant):
        return api.post("/flow_runs/count", json={"flow_runs": {"expected_start_time": {"before_": instant}}})

    for accepted in ("1970-01-01T00:00:00Z", "1969-12-31T23:30:00-01:00", "2200-12-31T23:59:59Z", "2201-01-01T00:30:00+01:00"):
        ok(count(accepted))
    for refused in (
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:30:00+01:00",
        "2201-01-01T00:00:00Z",
        "2200-12-31T23:30:00-01:00",
        "9999-12-31T23:59:59-12:00",
    ):
        assert wrong_fields(count(refused)) == {"body.flow_runs.expected_start_time.before_"}


def test_the_ends_of_the_accepted_years_are_stored_and_answered(api):
    for instant in ("1970-01-01T00:00:00+00:00", "2200-12-31T23:59:59.999999+00:00"):
        run = make_flow_run(api, state={"type": "SCHEDULED", "state_details": {"scheduled_time": instant}})
        assert ok(api.get(f"/flow_runs/{run['id']}"))["expected_start_time"] == instant


@pytest.mark.parametrize("value", ["", "yesterday", "2022-02-30", 1654074000, True, ["2022-06-01"], {}])
def test_what_is_no_instant_is_refused(api, value):
    deployment = make_deployment(api)
    assert wrong_fields(api.post(f"/deployments/{deployment['id']}/schedule", json={"start_time": value})) == {"body.start_time"}


def test_a_duration_is_answered_as_a_float_number_of_seconds(api):
    deployment = make_deployment(api, schedule={"interval": 3600}, is_schedule_active=False)
    assert '"interval":3600.0' in api.get(f"/deployments/{deployment['id']}").text.replace(": ", ":")
    run = api.post(f"/deployments/{deployment['id']}/create_flow_run").text
    assert '"total_run_time":0.0' in run
    assert '"estimated_run_time":0.0' in run


def test_limit_defaults_to_200_and_may_not_exceed_it(api, api_clock):
    api_clock.stop_at(datetime(2022, 6, 1, tzinfo=UTC))
    deployment = make_deployment(api, schedule={"interval": 60})
    ok(api.post(f"/deployments/{deployment['id']}/schedule", json={"max_runs": 300}))
    mine = {"flow_runs": {"deployment_id": {"any_": [deployment["id"]]}}}
    for asked in ({}, {"limit": None}, {"limit": 200}):
        assert len(ok(api.post("/flow_runs/filter", json=mine | asked))) == 200
    assert len(runs_of(api, deployment)) == 300
    assert wrong_fields(api.post("/flow_runs/filter", json=mine | {"limit": 201})) == {"body.limit"}


def test_limit_and_offset_page_through_a_list_without_gap_or_repeat(api):
    deployment = make_deployment(api, schedule={"interval": 60})
    mine = {"flow_runs": {"deployment_id": {"any_": [deployment["id"]]}}}
    pages = [ok(api.post("/flow_runs/filter", json=mine | {"limit": 7, "offset": offset})) for offset in range(0, 112, 7)]
    assert [len(page) for page in pages] == [7] * 14 + [2, 0]
    assert ids(document for page in pages for document in page) == ids(runs_of(api, deployment))
    assert ok(api.post("/flow_runs/filter", json=mine | {"limit": 0})) == []
    assert ok(api.post("/flow_runs/filter", json=mine | {"offset": Bounds().offset})) == []


@pytest.mark.parametrize("field", ["limit", "offset"])
@pytest.mark.parametrize("value", [-1, 1.9, 1.0, "1", "1_0", True, False, [], {}, 2**63, 10**30])
def test_a_limit_or_offset_out_of_bounds_or_not_a_whole_number_is_422(api, field, value):
    for entity in ("flows", "deployments", "flow_runs", "task_runs"):
        assert wrong_fields(api.post(f"/{entity}/filter", json={field: value})) == {f"body.{field}"}


@pytest.mark.parametrize("character", "/%&><")
def test_a_name_may_not_contain(api, character):
    flow = make_flow(api)["id"]
    for name in (character, f"a{character}", f"{character}b", f"a{character}b"):
        assert wrong_fields(api.post("/flows/", json={"name": name})) == {"body.name"}
        assert wrong_fields(api.post("/deployments/", json={"name": name, "flow_id": flow})) == {"body.name"}


@pytest.mark.parametrize("name", ["", "x" * 256, "é" * 256, 5, None, ["x"]])
def test_a_name_is_text_of_1_to_255_characters(api, name):
    flow = make_flow(api)["id"]
    assert wrong_fields(api.post("/flows/", json={"name": name})) == {"body.name"}
    assert wrong_fields(api.post("/deployments/", json={"name": name, "flow_id": flow})) == {"body.name"}


@pytest.mark.parametrize("name", ["x", "x" * 255, "😀" * 255, "a b", "ünï-cødé", "a?b#c", 'it\'s "so"', "100", "a\\b", "a;b", "日本"])
def test_any_other_name_is_kept_and_found_again_by_its_path(api, name):
    flow = make_flow(api, name=name)
    deployment = make_deployment(api, flow_id=flow["id"], name=name)
    path = "".join(f"%{byte:02X}" for byte in name.encode())
    assert ok(api.get(f"/flows/name/{path}")) == flow
    assert ok(api.get(f"/deployments/name/{path}/{path}")) == deployment
    assert deployment["name"] == name


def test_bytes_in_a_path_that_are_no_text_name_nothing(api):
    for path in ("%00", "a%00b", "%ED%A0%80", "%FF"):
        assert problem(api.get(f"/deployments/name/{path}/x"), 404)["detail"] == "Deployment not found"
        assert problem(api.get(f"/deployments/name/x/{path}"), 404)["detail"] == "Deployment not found"
        assert problem(api.get(f"/flows/name/{path}"), 404)["detail"] == "Flow not found"

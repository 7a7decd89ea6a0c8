"""Wire rules about headers: request ids, content types, origins, API versions (contract, section 1)."""

import uuid

import pytest

from app import create_app
from app.config import Settings
from tests.api.asking import ok, problem, runs_of
from tests.api.factories import make_deployment, make_flow
from tests.conftest import ApiClient

EVERY_HOUR = {"interval": 3600}


def mutations(client):
    """(method, path) of one route of each kind that changes something, with or without a body."""
    deployment = make_deployment(client, schedule=EVERY_HOUR)["id"]
    return [
        ("POST", "/flows/"),
        ("POST", f"/deployments/{deployment}/set_schedule_active"),
        ("POST", f"/deployments/{deployment}/set_schedule_inactive"),
        ("POST", f"/deployments/{deployment}/schedule"),
        ("POST", f"/deployments/{deployment}/create_flow_run"),
        ("POST", "/deployments/filter"),
        ("DELETE", f"/deployments/{deployment}"),
    ]


def test_every_answer_carries_a_request_id(api):
    flow = make_flow(api)
    answers = [
        api.get("/health"),
        api.get(f"/flows/{flow['id']}"),
        api.get("/nowhere"),
        api.put("/flows/"),
        api.get("/flows/x"),
        api.post("/flows/", json={"name": ""}),
        api.post("/flows/", data="x", content_type="text/plain"),
        api.post("/flows/", data=b"x" * (16 * 2**20 + 1), content_type="application/json"),
        api.delete(f"/flows/{flow['id']}"),
        api.get("/openapi.json"),
        api.get("/docs/"),
        api.get("/hello", headers={"X-PREFECT-API-VERSION": "nonsense"}),
    ]
    given = [answer.headers["X-Request-ID"] for answer in answers]
    assert len(set(given)) == len(given)
    assert all(uuid.UUID(request_id) for request_id in given)


def test_a_request_id_that_was_sent_is_answered(api):
    for sent in ("abc-123", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "x" * 128):
        assert api.get("/health", headers={"X-Request-ID": sent}).headers["X-Request-ID"] == sent


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "<script>", 'a"b', "é", "a;b"])
def test_a_request_id_that_could_do_harm_is_replaced(api, sent):
    answered = api.get("/health", headers={"X-Request-ID": sent}).headers["X-Request-ID"]
    assert answered != sent
    assert uuid.UUID(answered)


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "text/json", "application/xml"]
)
def test_a_body_of_another_content_type_is_415(api, content_type):
    for method, path in mutations(api):
        problem(api.open(path, method=method, data=b'{"name": "x"}', content_type=content_type), 415)


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"])
def test_a_form_without_fields_is_415_where_no_body_is_needed(api, content_type):
    for method, path in mutations(api):
        problem(api.open(path, method=method, data=b"", content_type=content_type), 415)


def test_a_body_without_a_content_type_is_415(api):
    for method, path in mutations(api):
        problem(api.open(path, method=method, data=b"{}"), 415)


def test_a_form_activates_and_pauses_nothing(api):
    deployment = make_deployment(api, schedule=EVERY_HOUR)
    before = runs_of(api, deployment)
    problem(api.post(f"/deployments/{deployment['id']}/set_schedule_inactive", data={"x": "y"}), 415)
    assert ok(api.get(f"/deployments/{deployment['id']}")) == deployment
    assert len(runs_of(api, deployment)) == len(before) == 100


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/problem+json"]
)
def test_json_by_any_of_its_names_is_read(api, content_type):
    assert ok(api.post("/flows/filter", data=b'{"limit": 0}', content_type=content_type)) == []


def test_a_change_without_a_body_needs_no_content_type(api):
    deployment = make_deployment(api, schedule=EVERY_HOUR)["id"]
    assert ok(api.post(f"/deployments/{deployment}/set_schedule_inactive")) is None
    assert ok(api.post(f"/deployments/{deployment}/set_schedule_active")) is None
    assert api.delete(f"/deployments/{deployment}").status_code == 204


@pytest.mark.parametrize(
    "origin", ["https://elsewhere.example", "null", "http://localhost:81", "http://localhost.elsewhere.example", "x", ""]
)
def test_a_foreign_origin_may_change_nothing(api, origin):
    for method, path in mutations(api):
        problem(api.open(path, method=method, json={}, headers={"Origin": origin}), 403)
        problem(api.open(path, method=method, headers={"Origin": origin}), 403)


def test_the_servers_own_origin_may_change_things(api):
    for headers in (
        {"Origin": "http://localhost"},
        {"Origin": "https://localhost"},
        {"Origin": "http://mintaka.localhost:8000", "Host": "mintaka.localhost:8000"},
    ):
        ok(api.post("/flows/", json={"name": str(uuid.uuid4())}, headers=headers), 201)


def test_a_foreign_origin_is_shown_nothing(api):
    # a browser keeps the answer from the page, since it has no CORS headers
    answer = api.get("/health", headers={"Origin": "https://elsewhere.example"})
    assert ok(answer) is True
    assert "Access-Control-Allow-Origin" not in answer.headers


LET_IN = ("https://ui.example", "http://localhost:3000")
KEPT_OUT = ("http://ui.example", "https://ui.example:8443", "https://elsewhere.example", "https://ui.example.elsewhere.example", "null")


@pytest.fixture
def with_origins(shared_database_url):
    """A client of a server that lets the pages of LET_IN in."""
    app = create_app(Settings(database_url=shared_database_url, allowed_origins=LET_IN))
    app.test_client_class = ApiClient
    yield app.test_client()
    app.extensions["mintaka"].database.dispose()


def test_the_origins_that_are_set_may_change_things_and_no_other(with_origins):
    for origin in LET_IN:
        answer = with_origins.post("/flows/", json={"name": str(uuid.uuid4())}, headers={"Origin": origin})
        ok(answer, 201)
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
        assert "Origin" in answer.headers["Vary"]
    for origin in KEPT_OUT:
        answer = with_origins.post("/flows/", json={"name": "x"}, headers={"Origin": origin})
        problem(answer, 403)
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_page_that_is_let_in_reads_errors_too(with_origins):
    answer = with_origins.get(f"/flows/{uuid.uuid4()}", headers={"Origin": LET_IN[0]})
    problem(answer, 404)
    assert answer.headers["Access-Control-Allow-Origin"] == LET_IN[0]


def test_a_browser_that_asks_first_is_told_who_may_send_json(with_origins):
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type, x-request-id"}
    for origin in LET_IN:
        answer = with_origins.options("/deployments/filter", headers=asked | {"Origin": origin})
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        assert "content-type" in answer.headers["Access-Control-Allow-Headers"].lower()
    for origin in KEPT_OUT:
        answer = with_origins.options("/deployments/filter", headers=asked | {"Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("version", ["0.6.0", ""])
def test_a_client_of_the_served_api_version_is_let_in(api, version):
    assert ok(api.get("/health", headers={"X-PREFECT-API-VERSION": version})) is True
    ok(api.post("/flows/filter", json={}, headers={"X-PREFECT-API-VERSION": version}))


@pytest.mark.parametrize(
    "version", ["0.5.0", "0.6.1", "0.7.0", "1.6.0", "0.6", "0.6.0.0", "0.6.x", "x", "-1.6.0", "0.6.²", "0.6.99999999999999999999"]
)
def test_a_client_of_another_api_version_is_told_so_with_400(api, version):
    for refused in (
        api.get("/health", headers={"X-PREFECT-API-VERSION": version}),
        api.post("/flows/", json={"name": "x"}, headers={"X-PREFECT-API-VERSION": version}),
    ):
        assert "0.6.0" in problem(refused, 400)["detail"]


def test_json_is_answered_as_json(api):
    for answer in (api.get("/health"), api.post("/flows/filter"), api.post("/flows/count")):
        assert answer.content_type == "application/json"

"""What operators and clients ask of the server itself (contract, sections 6 and 7)."""

import json
import re

import pytest

from app import create_app
from app.config import Settings
from app.db import migrate
from app.db.session import Database
from tests.api.asking import ok, problem
from tests.conftest import ApiClient


def client_on(url):
    app = create_app(Settings(database_url=url, database_lock_timeout=1.0))
    app.test_client_class = ApiClient
    return app.test_client()


def test_health_is_true(api):
    assert ok(api.get("/health")) is True


def test_ready_is_true_when_the_migrations_are_current(api):
    assert ok(api.get("/ready")) is True


def test_hello_waves(api):
    assert ok(api.get("/hello")) == "👋"


def test_the_version_is_that_of_the_reference_whose_api_is_spoken(api):
    assert ok(api.get("/admin/version")) == "2.0b7"


def test_health_is_true_and_ready_503_before_the_first_migration(blank_database_url):
    client = client_on(blank_database_url)
    assert ok(client.get("/health")) is True
    refused = client.get("/ready")
    assert "db upgrade" in problem(refused, 503)["detail"]
    assert int(refused.headers["Retry-After"]) > 0
    client.application.extensions["mintaka"].database.dispose()


def test_ready_becomes_true_when_the_database_is_migrated(blank_database_url):
    client = client_on(blank_database_url)
    problem(client.get("/ready"), 503)
    database = Database(blank_database_url, Settings())
    migrate.upgrade(database)
    database.dispose()
    assert ok(client.get("/ready")) is True
    client.application.extensions["mintaka"].database.dispose()


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/nothing?connect_timeout=2", "sqlite:////nonexistent/folder/mintaka.db"])
def test_health_is_true_and_ready_503_when_the_database_does_not_answer(url):
    client = client_on(url)
    assert ok(client.get("/health")) is True
    assert ok(client.get("/hello"))
    assert ok(client.get("/admin/version"))
    problem(client.get("/ready"), 503)
    problem(client.post("/flows/filter"), 503)


def test_a_slash_more_or_less_at_the_end_of_a_path_means_the_same(api):
    flow = ok(api.post("/flows", json={"name": "slashes"}), 201)
    assert ok(api.get(f"/flows/{flow['id']}/")) == ok(api.get("/flows/name/slashes/")) == flow
    assert ok(api.post("/flows/count/", json={"flows": {"id": {"any_": [flow["id"]]}}})) == 1
    assert api.get("/docs").headers["Location"].endswith("/api/docs/")


@pytest.mark.parametrize("path", ["/flows", "/flows/", "/flows/filter", "/flows/filter/", "/deployments", "/deployments/"])
def test_the_wrong_method_is_405_with_or_without_the_slash(api, path):
    refused = api.get(path)
    problem(refused, 405)
    assert "POST" in refused.headers["Allow"]


def test_the_api_document_names_every_route(api):
    document = json.loads(api.get("/openapi.json").data)
    routes = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in api.application.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/") and not rule.rule.startswith(("/api/docs", "/api/openapi"))
    }
    assert routes == {(method.upper(), path) for path, item in document["paths"].items() for method in item if method != "parameters"}


def test_the_deployment_routes_are_there(api):
    served = {(method, rule.rule) for rule in api.application.url_map.iter_rules() for method in rule.methods - {"HEAD", "OPTIONS"}}
    assert served >= {
        ("POST", "/api/deployments/"),
        ("GET", "/api/deployments/<id:id>"),
        ("PATCH", "/api/deployments/<id:id>"),
        ("GET", "/api/deployments/name/<flow_name>/<deployment_name>"),
        ("POST", "/api/deployments/filter"),
        ("POST", "/api/deployments/count"),
        ("DELETE", "/api/deployments/<id:id>"),
        ("POST", "/api/deployments/<id:id>/set_schedule_active"),
        ("POST", "/api/deployments/<id:id>/set_schedule_inactive"),
        ("POST", "/api/deployments/<id:id>/schedule"),
        ("POST", "/api/deployments/<id:id>/create_flow_run"),
    }


def test_no_connection_is_made_before_the_first_request(monkeypatch):
    # a server forks after the application is made
    monkeypatch.setattr("sqlalchemy.create_engine", None)
    client = client_on("postgresql://nobody@127.0.0.1:1/nothing")
    assert ok(client.get("/health")) is True

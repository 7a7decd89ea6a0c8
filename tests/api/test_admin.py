"""What administrators ask: settings without secrets, and the routes that clear, drop and create the database."""

import dataclasses
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app import create_app
from app.config import Settings
from app.db import migrate
from app.db.models import AuditEntry, Base
from tests.api.asking import ok, problem, wrong_fields
from tests.api.factories import make_deployment, make_flow_run, make_task_run
from tests.conftest import ApiClient

ROUTES = ["clear", "drop", "create"]


@pytest.fixture
def admin(settings):
    """A client of an application whose settings let administrators change the database."""
    app = create_app(dataclasses.replace(settings, admin_database_routes=True))
    app.test_client_class = ApiClient
    yield app.test_client()
    app.extensions["mintaka"].database.dispose()


def fill(client):
    """Rows that refer to each other in every way: a task run of a subflow, whose parent is a task run; a schedule, a log, a search."""
    deployment = make_deployment(client, schedule={"interval": 3600})
    parent = make_task_run(client, flow_run_id=make_flow_run(client, flow_id=deployment["flow_id"])["id"])
    make_task_run(client, flow_run_id=make_flow_run(client, parent_task_run_id=parent["id"])["id"])
    log = {"name": "n", "level": 20, "message": "m", "timestamp": "2022-06-01T00:00:00", "flow_run_id": parent["flow_run_id"]}
    ok(client.post("/logs/", json=[log]), 201)
    ok(client.put("/saved_searches/", json={"name": "mine"}), 201)


def rows(database):
    """How many rows there are in all tables but that of the audit trail, which outlives them."""
    tables = [table for table in Base.metadata.sorted_tables if table is not AuditEntry.__table__]
    with database.transaction(read_only=True) as session:
        return sum(session.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)


def test_the_settings_are_those_in_force_by_their_variables(client, settings):
    shown = ok(client.get("/admin/settings"))
    assert list(shown) == [f"MINTAKA_{field.name.upper()}" for field in dataclasses.fields(Settings)]
    assert shown["MINTAKA_SCHEDULER_MAX_SCHEDULED_TIME"] == timedelta(days=100).total_seconds()
    assert shown["MINTAKA_DATABASE_STATEMENT_TIMEOUT"] == settings.database_statement_timeout
    assert shown["MINTAKA_ALLOWED_ORIGINS"] == []
    assert shown["MINTAKA_ADMIN_DATABASE_ROUTES"] is False
    assert "\N{BULLET}" not in shown["MINTAKA_DATABASE_URL"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://mintaka:hunter2@nowhere.example/mintaka",
        "postgresql://mintaka@nowhere.example/mintaka?password=hunter2",
        "postgresql://mintaka:hunter2@nowhere.example/mintaka?sslmode=require&sslpassword=hunter2",
    ],
)
def test_no_password_is_ever_shown(url):
    text = create_app(Settings(database_url=url)).test_client().get("/api/admin/settings").text
    assert "hunter2" not in text
    assert "nowhere.example/mintaka" in text
    assert "***" in text


def test_the_default_database_is_shown_by_its_url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = create_app(Settings()).test_client().get("/api/admin/settings").json
    assert shown["MINTAKA_DATABASE_URL"] == f"sqlite:///{tmp_path / 'instance' / 'mintaka.db'}"


@pytest.mark.parametrize("route", ROUTES)
def test_the_database_is_left_alone_unless_the_settings_say_otherwise(client, database, route):
    fill(client)
    before = rows(database)
    answer = problem(client.post(f"/admin/database/{route}", json={"confirm": True}), 403)
    assert "MINTAKA_ADMIN_DATABASE_ROUTES" in answer["detail"]
    assert rows(database) == before


@pytest.mark.parametrize("route", ROUTES)
def test_the_database_is_left_alone_unless_it_is_confirmed(admin, database, route):
    fill(admin)
    before = rows(database)
    for body in ({}, {"confirm": False}):
        assert "confirm" in problem(admin.post(f"/admin/database/{route}", json=body), 400)["detail"]
    problem(admin.post(f"/admin/database/{route}"), 400)
    assert wrong_fields(admin.post(f"/admin/database/{route}", json={"confirm": "yes"})) == {"body.confirm"}
    assert rows(database) == before


def test_a_database_that_was_cleared_has_tables_without_rows(admin, database):
    fill(admin)
    ok(admin.post("/admin/database/clear", json={"confirm": True}), 204)
    assert rows(database) == 0
    assert ok(admin.get("/ready")) is True
    fill(admin)


def test_a_database_that_was_dropped_can_be_created_again(admin, database):
    fill(admin)
    ok(admin.post("/admin/database/drop", json={"confirm": True}), 204)
    assert migrate.current(database) is None
    problem(admin.get("/ready"), 503)
    for _ in range(2):
        ok(admin.post("/admin/database/create", json={"confirm": True}), 204)
    assert migrate.current(database) == migrate.head()
    assert rows(database) == 0
    fill(admin)

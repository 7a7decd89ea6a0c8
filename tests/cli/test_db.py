"""`mintaka db`."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from sqlalchemy import inspect, text

from app import create_app
from app.config import Settings
from app.db import migrate
from tests.api.factories import make_flow_run
from tests.cli.results import documents, done, failed


@pytest.fixture
def blank_app(blank_database_url):
    """The application on a database without a single table."""
    app = create_app(Settings(database_url=blank_database_url))
    yield app
    app.extensions["mintaka"].database.dispose()


@pytest.fixture
def blank_run(blank_app):
    """Like `run`, on a database without a single table."""
    return lambda *args, **options: blank_app.test_cli_runner().invoke(args=args, **options)


def tables(app):
    return set(inspect(app.extensions["mintaka"].database.engine()).get_table_names()) - {"alembic_version"}


def test_upgrade_brings_a_blank_database_to_the_newest_revision(blank_app, blank_run):
    assert done(blank_run("db", "upgrade")).endswith(f": {migrate.head()} (newest), was none\n")
    assert "deployment" in tables(blank_app)
    assert documents(blank_run("db", "check", "--output", "json"))["differences"] == []


@pytest.mark.parametrize("name", ["what?x", "50%20x", "a#b", "ünï x"])
def test_the_default_database_is_made_in_the_folder_the_command_runs_in_whatever_that_is_called(tmp_path, monkeypatch, name):
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    app = create_app(Settings())
    done(app.test_cli_runner().invoke(args=["db", "upgrade"]))
    app.extensions["mintaka"].database.dispose()
    with closing(sqlite3.connect(folder / "instance" / "mintaka.db")) as made:
        assert made.execute("SELECT version_num FROM alembic_version").fetchall() == [(migrate.head(),)]
    # nor is there a second one under a name that was read otherwise
    assert list(tmp_path.iterdir()) == [folder]
    assert [path.name for path in folder.iterdir()] == ["instance"]


def test_upgrading_twice_says_that_nothing_changed(run):
    assert done(run("db", "upgrade")).endswith(f": {migrate.head()} (newest), as before\n")


def test_current_tells_the_revision_and_the_newest(run):
    head = migrate.head()
    assert done(run("db", "current")) == f"{head} (newest)\n"
    assert documents(run("db", "current", "--output", "json")) == {"current": head, "head": head}


def test_current_of_a_blank_database_is_none(blank_run):
    assert done(blank_run("db", "current")) == f"none (newest is {migrate.head()})\n"
    assert documents(blank_run("db", "current", "--output", "json")) == {"current": None, "head": migrate.head()}


def test_check_is_content_with_a_migrated_database(run):
    assert done(run("db", "check")).split() == ["revision", migrate.head(), "(newest)", "tables", "as", "expected"]


def test_check_fails_on_a_database_that_is_not_migrated(blank_run):
    result = blank_run("db", "check")
    assert result.exit_code == 1
    assert "not compared" in result.stdout


def test_check_fails_on_tables_that_are_not_the_models(run, database):
    with database.transaction() as session:
        session.execute(text("ALTER TABLE flow ADD COLUMN surprise INTEGER"))
        session.execute(text("DROP INDEX ix_flow_created"))
    result = run("db", "check")
    assert result.exit_code == 1
    assert "remove column flow surprise" in result.stdout
    assert "add index flow ix_flow_created" in result.stdout


def test_downgrade_asks_and_does_nothing_without_a_yes(run, app):
    result = run("db", "downgrade", "base", input="n\n")
    assert result.exit_code == 1
    assert "Data is lost" in result.stderr
    assert "flow" in tables(app)


@pytest.mark.parametrize("options, answer", [(["--yes"], None), ([], "y\n")], ids=["told", "asked"])
def test_downgrade_to_base_empties_the_database(run, app, options, answer):
    assert done(run("db", "downgrade", "base", *options, input=answer)).endswith(f"was {migrate.head()}\n")
    assert tables(app) == set()


@pytest.mark.parametrize("command", [["upgrade"], ["downgrade", "--yes"]], ids=["upgrade", "downgrade"])
def test_a_revision_that_does_not_exist_is_a_failure(run, command):
    assert "9999" in failed(run("db", *command, "9999"), 1)


def test_downgrade_needs_a_revision(offline_run):
    assert failed(offline_run("db", "downgrade"), 2) == "Missing argument 'REVISION'."


def test_no_password_is_printed():
    app = create_app(Settings(database_url="postgresql://somebody:secret@127.0.0.1:1/nothing"))
    asked = app.test_cli_runner().invoke(args=["db", "downgrade", "base"], input="n\n").output
    assert "somebody:***@127.0.0.1" in asked
    assert "secret" not in asked


def test_prune_deletes_what_is_old_and_says_so(run, client, clock):
    clock.stop_at(datetime(2022, 6, 1, tzinfo=UTC))
    run_id = make_flow_run(client, tags=["a"])["id"]
    for type in ("RUNNING", "COMPLETED"):
        client.post(f"/flow_runs/{run_id}/set_state", json={"state": {"type": type}})
    clock.advance(days=91)
    prune = ("db", "prune", "--older-than", "90d")
    for others in (("--tag", "b"), ("--state", "failed")):
        assert done(run(*prune, *others, "--dry-run")) == "0 flow runs, 0 task runs and 0 log lines would be deleted\n"
    assert done(run(*prune, "--tag", "a", "--dry-run")).startswith("1 flow run, ")
    assert run(*prune, input="n\n").exit_code == 1
    numbers = documents(run(*prune, "--state", "completed", "--yes", "--output", "json"))
    assert numbers.pop("seconds") > 0
    assert numbers == {"flow_runs": 1, "task_runs": 0, "logs": 0, "audit_entries": 0}
    assert client.get(f"/flow_runs/{run_id}").status_code == 404


def test_an_age_that_is_none_is_refused(run):
    assert failed(run("db", "prune", "--older-than", "90"), 2).startswith(
        "Invalid value for '--older-than': '90' is not a whole number of hours"
    )

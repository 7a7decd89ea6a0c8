"""Errors: one line that says what is wrong, and an exit code that says whose fault it is."""

import errno

import pytest
from sqlalchemy import make_url

from app import create_app
from app.config import Settings
from app.db import migrate
from tests.api.factories import make_flow
from tests.cli.results import done, failed
from tests.conftest import ApiClient

NEED_TABLES = [
    ("deployments", "ls"),
    ("deployments", "inspect", "etl/nightly"),
    ("deployments", "preview", "etl/nightly"),
    ("flows", "ls"),
    ("flows", "inspect", "etl"),
    ("runs", "ls"),
    ("runs", "inspect", "0190"),
    ("runs", "cancel", "0190"),
    ("runs", "logs", "0190"),
    ("runs", "watch", "0190"),
    ("runs", "delete", "0190", "--yes"),
    ("work-queues", "ls"),
    ("work-queues", "pause", "default"),
    ("concurrency-limits", "ls"),
    ("concurrency-limits", "set", "tag", "1"),
    ("scheduler", "run"),
    ("scheduler", "run", "--once"),
]
NEED_A_DEPLOYMENT = [
    ("inspect",),
    ("preview",),
    ("pause",),
    ("resume",),
    ("schedule",),
    ("run",),
    ("delete", "--yes"),
]


def test_a_database_that_is_not_migrated_is_named_with_the_remedy(blank_database_url):
    app = create_app(Settings(database_url=blank_database_url))
    needed = f"The database is at revision none and needs {migrate.head()}; `mintaka db upgrade` migrates it."
    # a SQLite file is empty and not missing from here on
    app.extensions["mintaka"].database.engine().connect().close()
    for command in NEED_TABLES:
        assert failed(app.test_cli_runner().invoke(args=command), 1) == needed, command
    app.extensions["mintaka"].database.dispose()


@pytest.mark.parametrize("folder", [".", "no-such-folder"])
def test_a_command_that_needs_a_database_creates_none(tmp_path, folder):
    file = tmp_path / folder / "mintaka.db"
    app = create_app(Settings(database_url=f"sqlite:///{file}"))
    for command in NEED_TABLES:
        message = failed(app.test_cli_runner().invoke(args=command), 1)
        assert message == f"There is no database at {file}; `mintaka db upgrade` creates it.", command
    assert done(app.test_cli_runner().invoke(args=["db", "current"])) == f"none (newest is {migrate.head()})\n"
    assert app.test_cli_runner().invoke(args=["db", "check"]).exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_command_leaves_nothing_in_the_folder_it_runs_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = failed(create_app(Settings()).test_cli_runner().invoke(args=["runs", "ls"]), 1)
    assert message == f"There is no database at {tmp_path / 'instance' / 'mintaka.db'}; `mintaka db upgrade` creates it."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [("flows", "ls"), ("db", "upgrade"), ("db", "check"), ("scheduler", "run"), ("serve",)], ids=" ".join)
def test_a_database_that_does_not_answer_is_a_failure_in_one_line(command):
    app = create_app(Settings(database_url="postgresql://nobody@127.0.0.1:1/nothing"))
    message = failed(app.test_cli_runner().invoke(args=command), 1)
    assert message.startswith("No connection to the database can be made (")
    # whoever runs commands may see what the driver says
    assert "port 1 failed: Connection refused" in message


def test_a_mistake_in_the_url_is_named_and_does_not_ask_for_patience(postgres_server):
    url = make_url(postgres_server).set(database="no_such_database").render_as_string(hide_password=False)
    message = failed(create_app(Settings(database_url=url)).test_cli_runner().invoke(args=["runs", "ls"]), 1)
    assert 'database "no_such_database" does not exist' in message
    assert "later" not in message


@pytest.mark.parametrize("command", [("db", "upgrade"), ("serve",)], ids=" ".join)
def test_a_folder_that_does_not_exist_is_named(tmp_path, command):
    folder = tmp_path / "no-such-folder"
    app = create_app(Settings(database_url=f"sqlite:///{folder / 'mintaka.db'}"))
    message = failed(app.test_cli_runner().invoke(args=command), 1)
    assert message == f"The database cannot be created: there is no folder {folder}."


def test_a_file_that_is_no_database_is_a_failure_in_one_line(tmp_path):
    file = tmp_path / "mintaka.db"
    file.write_text("this is no database, but a text that is long enough to be taken for one" * 10)
    app = create_app(Settings(database_url=f"sqlite:///{file}"))
    assert "file is not a database" in failed(app.test_cli_runner().invoke(args=["runs", "ls"]), 1)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "/srv/key"), "/srv/key: Permission denied"),
        (RuntimeError("broken\nin two"), "Internal error: RuntimeError: broken in two (MINTAKA_LOG_LEVEL=debug shows where)"),
    ],
    ids=["disk", "file", "fault"],
)
def test_what_nobody_expected_is_a_failure_in_one_line(offline_run, monkeypatch, error, message):
    def fail():
        raise error

    monkeypatch.setattr("app.cli.blocks.new_key", fail)
    assert failed(offline_run("blocks", "generate-key"), 1) == message


@pytest.mark.parametrize("reference", ["etl/nightly", "00000000-0000-0000-0000-000000000000"], ids=["names", "id"])
def test_a_deployment_that_does_not_exist_is_a_failure(run, reference):
    for command in NEED_A_DEPLOYMENT:
        assert failed(run("deployments", *command, reference), 1) == f"Deployment not found: {reference}", command


@pytest.mark.parametrize("reference", ["nightly", "etl/", "/nightly", "a/b/c", "019", "x" * 36, ""])
def test_what_cannot_name_a_deployment_is_wrong_usage(offline_run, reference):
    message = failed(offline_run("deployments", "inspect", reference), 2)
    assert message.endswith("is neither an id nor of the form FLOW/NAME.")


@pytest.mark.parametrize(
    "command, message",
    [
        (("deployments", "ls", "--nope"), " deployments ls --help'."),
        (("deployments", "nope"), "No such command 'nope'."),
        (("deployments", "inspect"), "Missing argument 'DEPLOYMENT'."),
        (("deployments", "ls", "--limit", "x"), "Invalid value for '--limit': 'x' is not a valid integer."),
        (("deployments", "ls", "--limit", "201"), "Invalid value for '--limit': Must be from 0 to 200."),
        (("deployments", "ls", "--offset", "-1"), "Invalid value for '--offset': Must be from 0 to"),
        (("deployments", "inspect", "a/b", "--runs", "201"), "Invalid value for '--runs': Must be from 0 to 200."),
        (("deployments", "schedule", "a/b", "--max-runs", "0"), "Invalid value for '--max-runs': Must be from 1 to 10000."),
        (("deployments", "schedule", "a/b", "--start", "soon"), "Invalid value for '--start': Not an ISO 8601 instant"),
        (("deployments", "schedule", "a/b", "--end", "1969-01-01"), "Invalid value for '--end': Outside the years 1970 to 2200"),
        (("deployments", "run", "a/b", "--param", "limit"), "Invalid value for '--param': 'limit' is not of the form KEY=JSON"),
        (("deployments", "run", "a/b", "--param", "=5"), "Invalid value for '--param': '=5' is not of the form KEY=JSON"),
        (("deployments", "run", "a/b", "--param", "table=orders"), """a string has its quotes: 'table="..."'."""),
        (("deployments", "run", "a/b", "--param", "x=NaN"), "The value of 'x': It is not JSON: NaN"),
        (("deployments", "run", "a/b", "--param", f"x={'[' * 65}{']' * 65}"), "It is nested deeper than 64 levels."),
        (("deployments", "run", "a/b", "--tag", "x" * 256), "Invalid value for '--tag': Longer than 255 characters."),
        (("deployments", "run", "a/b", "--idempotency-key", "x" * 256), "Invalid value for '--idempotency-key': Longer than 255"),
        (("runs", "ls", "--state", "LOST"), "Invalid value for '--state': 'LOST' is not one of"),
        (("runs", "ls", "--sort", "SIZE"), "Invalid value for '--sort': 'SIZE' is not one of"),
        (("runs", "ls", "--deployment", "x"), "Invalid value for '--deployment': 'x' is neither an id nor of the form FLOW/NAME."),
        (("scheduler", "run", "--output", "json"), "--output json needs --once"),
        (("worker", "start", "--handler", "json:dumps"), "Missing option '--queue'."),
        (("worker", "start", "--queue", "q"), "Give --handler or --command, one of them."),
        (("worker", "start", "--queue", "q", "--handler", "json:dumps", "--command", "true"), "Give --handler or --command, one of them."),
        (("worker", "start", "--queue", "q", "--handler", "json:nope"), "'json:nope' cannot be loaded as package.module:function"),
        (("worker", "start", "--queue", "q", "--command", "true", "--slots", "0"), "Invalid value for '--slots': 0 is not in the range"),
        (("worker", "start", "--queue", "q", "--command", "true", "--api", "nowhere"), "'nowhere' is not the URL of an API, such as"),
        (("flows", "ls", "--name", "\udcff"), "The argument '\\udcff' is not UTF-8 text."),
    ],
    ids=lambda value: " ".join(value)[:60].encode("ascii", "replace").decode() if isinstance(value, tuple) else "",
)
def test_wrong_usage_names_the_option_the_reason_and_what_is_allowed(offline_run, command, message):
    assert message in failed(offline_run(*command), 2)


def test_the_bounds_that_settings_give_hold_for_commands(sqlite_url):
    app = create_app(Settings(database_url=sqlite_url, page_size=3, max_tags=1, max_filter_values=2, max_tag_length=4))
    runner = app.test_cli_runner()
    name = "etl/nightly"
    assert "from 0 to 3" in failed(runner.invoke(args=["flows", "ls", "--limit", "4"]), 2)
    assert "At most 1 values" in failed(runner.invoke(args=["deployments", "run", name, "--tag", "a", "--tag", "b"]), 2)
    assert "Longer than 4" in failed(runner.invoke(args=["deployments", "run", name, "--tag", "abcde"]), 2)
    assert "At most 2 values" in failed(runner.invoke(args=["flows", "ls", "--tag", "a", "--tag", "b", "--tag", "c"]), 2)
    app.test_client_class = ApiClient
    for _ in range(4):
        make_flow(app.test_client())
    listed = runner.invoke(args=["flows", "ls"])
    assert len(done(listed).splitlines()) == 1 + 3
    assert listed.stderr == "(1 more; --all shows them)\n"
    app.extensions["mintaka"].database.dispose()

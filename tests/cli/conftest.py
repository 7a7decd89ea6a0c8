"""Running commands in this process, on the database of `app`."""

import pytest

from app.config import Settings


@pytest.fixture
def run(app):
    """`run("deployments", "ls", ...)` runs a command on `app` and returns click's result."""
    return lambda *args, **options: app.test_cli_runner().invoke(args=args, **options)


@pytest.fixture
def offline_run(tmp_path):
    """Like `run`, on a database that does not exist and is not made."""
    from app import create_app

    file = tmp_path / "never.db"
    app = create_app(Settings(database_url=f"sqlite:///{file}"))
    yield lambda *args, **options: app.test_cli_runner().invoke(args=args, **options)
    assert not file.exists()

"""The reference's own client registers its blocks, keeps secrets in them, and deploys to the default storage."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ENCRYPTION_KEY
from tests.e2e import reference
from tests.e2e.real_client import RealClient
from tests.serving import PATIENCE, ROOT, environment

pytestmark = pytest.mark.slow


def register(api):
    """What `mintaka blocks register` prints."""
    command = [sys.executable, "-m", "app", "blocks", "register"]
    arguments = ["--python", reference.python(), "--url", api, "--output", "json"]
    ran = subprocess.run([*command, *arguments], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=PATIENCE)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


def test_the_real_client_registers_saves_loads_and_deploys_to_the_default_storage(sqlite_url, gunicorn_server, tmp_path):
    reference.require()
    server = gunicorn_server(sqlite_url, workers=1, encryption_keys=(ENCRYPTION_KEY,))
    registered = register(server.api)
    assert {"Local Storage", "S3 Storage", "Temporary Local Storage"} <= {one["block_type"] for one in registered}
    assert {(one["type"], one["schema"]) for one in registered} == {("new", "new")}
    again = register(server.api)
    assert again == [one | {"type": "known", "schema": "known"} for one in registered]

    storage = tmp_path / "storage"
    with RealClient(server.api, tmp_path) as client:
        assert client.run("blocks.py", str(storage)) == {"secret": "hunter2", "path": str(storage), "default": "local", "read": "stored"}
        assert "hunter2" not in server.log.read_text()

        listed = client.prefect("storage", "ls")
        assert "local" in listed
        assert "secretive" in listed
        stored = len(list(storage.iterdir()))
        assert "Created 2 deployments!" in client.prefect(
            "deployment", "create", "deployments.py", ETL_FOLDER=str(tmp_path), ETL_SECONDS="4"
        )
        assert len(list(storage.iterdir())) > stored
        assert "Cleared default storage" in client.prefect("storage", "reset-default")

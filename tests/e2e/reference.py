"""The reference server (prefect 2.0b7), started from an environment of its own.

MINTAKA_TEST_REFERENCE_PYTHON names the Python of a virtual environment with reference-requirements.txt installed.
"""

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import serving

VARIABLE = "MINTAKA_TEST_REFERENCE_PYTHON"


def python():
    """The Python that has the reference installed, or None."""
    path = os.environ.get(VARIABLE)
    return path if path and Path(path).exists() else None


def require():
    """Skip the test, with the reason, where there is no Python that has the reference installed."""
    if python() is None:
        pytest.skip(f"{VARIABLE} names no Python with the reference installed")
    if subprocess.run([python(), "-c", "import prefect"], capture_output=True).returncode:
        pytest.skip(f"{VARIABLE}: {python()} has no prefect; tests/e2e/reference-requirements.txt lists what it needs")


def environment(home, database_url=None):
    """The environment of a reference server with its files in the folder `home`; its background services are off."""
    off = ("ANALYTICS", "UI", "SERVICES_SCHEDULER", "SERVICES_LATE_RUNS", "SERVICES_FLOW_RUN_NOTIFICATIONS")
    variables = {f"PREFECT_ORION_{name}_ENABLED": "false" for name in off}
    variables["PREFECT_ORION_DATABASE_CONNECTION_URL"] = database_url or f"sqlite+aiosqlite:///{home}/reference.db"
    return os.environ | variables | {"PREFECT_HOME": str(home), "PREFECT_LOGGING_SERVER_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore"}


@contextmanager
def server(home, database_url=None):
    """A running reference server; yields the base URL of its API."""
    port = serving.free_port()
    factory = ["-m", "uvicorn", "--factory", "prefect.orion.api.server:create_app", "--no-access-log", "--log-level", "warning"]
    command = [python(), *factory, "--host", "127.0.0.1", "--port", str(port)]
    base = f"http://127.0.0.1:{port}/api"
    with serving.running(command, environment(home, database_url), Path(home) / "reference.log", f"{base}/admin/version"):
        yield base

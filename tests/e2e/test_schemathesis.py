"""The API document is true: what schemathesis makes of it, valid and invalid, is answered as the document says."""

import os
import subprocess
import sys

import pytest
import requests

from tests.conftest import ENCRYPTION_KEY
from tests.serving import PATIENCE

pytestmark = pytest.mark.slow

# For all operations together; eight for each are made at least
EXAMPLES = int(os.environ.get("MINTAKA_TEST_EXAMPLES", "0"))
# Seconds that an answer may take, where somebody has asked for many on a machine that does nothing else
LATEST = ("--max-response-time=1",) if EXAMPLES else ()

COMMAND = [
    *(sys.executable, "-m", "schemathesis.cli", "run"),
    *("--seed=1", "--generation-deterministic", "--continue-on-failure", "--no-color"),
    # no document can say all that a cron expression, a recurrence or a zone must be: a body that it allows may be refused
    "--exclude-checks=positive_data_acceptance",
]

# no scheduler runs beside the server, of which 503 tells whoever asks
CONFIGURATION = """
[[operations]]
include-path = "/api/ready"
[operations.checks]
not_a_server_error.expected-statuses = ["2xx", "4xx", 503]
"""


def assert_nothing_found(server, folder, *options):
    """Run schemathesis with `options` against `server`, from `folder`, where only CONFIGURATION configures it."""
    (folder / "schemathesis.toml").write_text(CONFIGURATION)
    run = subprocess.run([*COMMAND, *options, f"{server.api}/openapi.json"], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr + server.log.read_text()


def test_requests_made_of_the_examples_at_random_and_in_sequence_are_answered_as_documented(gunicorn_server, database_url, tmp_path):
    server = gunicorn_server(database_url, workers=1, log_level="error", encryption_keys=(ENCRYPTION_KEY,))
    paths = requests.get(f"{server.api}/openapi.json", timeout=PATIENCE).json()["paths"]
    examples = max(8, EXAMPLES // sum(map(len, paths.values())))
    assert_nothing_found(server, tmp_path, "--phases=examples,fuzzing,stateful", f"--max-examples={examples}", *LATEST)


def test_requests_at_and_beyond_every_bound_of_the_document_are_answered_as_documented(gunicorn_server, sqlite_url, tmp_path):
    server = gunicorn_server(sqlite_url, workers=1, log_level="error", encryption_keys=(ENCRYPTION_KEY,))
    # all list and count routes take the same criteria: one stands for them
    others = r"/(flows|task_runs|deployments)/(filter|count)$|/flow_runs/count$"
    assert_nothing_found(server, tmp_path, "--phases=coverage", f"--exclude-path-regex={others}")

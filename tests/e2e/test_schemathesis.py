"""The API document is true: what schemathesis makes of it, valid and invalid, is answered as the document says."""

import subprocess
import sys



COMMAND = [
    sys.executable,
    "-c",
    "from schemathesis.cli import schemathesis; schemathesis()",
    "run",
    "--seed=1",
    "--max-examples=5",
    "--phases=examples,coverage,fuzzing,stateful",
    "--generation-deterministic",
    "--continue-on-failure",
    # no document can say all that a cron expression, a recurrence or a zone must be, so a body that it allows may be refused
    "--exclude-checks=positive_data_acceptance",
]


def test_schemathesis_finds_no_answer_that_the_document_does_not_promise(gunicorn_server, database_url, tmp_path):
    server = gunicorn_server(database_url, workers=1, log_level="error")
    found = subprocess.run([*COMMAND, f"{server.api}/openapi.json"], cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr + server.log.read_text()

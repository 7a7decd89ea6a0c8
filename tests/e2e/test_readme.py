"""The README's first request, as a newcomer would paste it."""

import re
import shutil
import subprocess
from datetime import UTC, datetime

import pytest

from app.domain import schedules
from tests.serving import PATIENCE, ROOT

BLOCK = re.compile(r"^\.\. code-block:: shell\n\n((?:    .*\n|\n)+)", re.MULTILINE)
ADDRESS = "http://127.0.0.1:8000"
SCHEDULE = {"cron": "0 6 * * *", "timezone": "Europe/Berlin"}


@pytest.mark.skipif(not shutil.which("bash") or not shutil.which("curl"), reason="the README's commands need bash and curl")
def test_the_first_request_of_the_readme_shows_the_next_runs(sqlite_url, gunicorn_server):
    readme = (ROOT / "README.rst").read_text(encoding="utf-8")
    [commands] = [block for block in BLOCK.findall(readme) if "curl" in block]
    server = gunicorn_server(sqlite_url, workers=1)
    assert ADDRESS in commands
    script = commands.replace(ADDRESS, server.url)
    before = datetime.now(UTC)
    ran = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=PATIENCE)
    assert ran.returncode == 0, ran.stderr
    assert '"name": "daily"' in ran.stdout
    shown = [datetime.fromisoformat(text) for text in re.findall(r'"expected_start_time": "(.*)"', ran.stdout)]
    assert shown == list(schedules.parse(SCHEDULE).occurrences(before, schedules.LATEST, 3))

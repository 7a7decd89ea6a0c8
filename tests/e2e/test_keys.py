"""Real servers that ask for API keys, or do not, by what they listen on."""

import json
import subprocess
import sys
from contextlib import contextmanager

import pytest
import requests

from tests.keys import bearer
from tests.serving import PATIENCE, ROOT, answers, environment, free_port, kill_group, wait_until


@contextmanager
def public_server(url, folder, *command, **settings):
    """Serve the database at `url` on all addresses, which `command` is told and no setting; yield (base of the API, log file, process)."""
    port, log = free_port(), folder / "server.log"
    variables = environment(database_url=url, workers=2, **settings)
    command = [sys.executable, "-m", *command, "--bind", f"0.0.0.0:{port}"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=output, start_new_session=True)
    try:
        base = f"http://127.0.0.1:{port}/api"
        wait_until(lambda: process.poll() is not None or answers(f"{base}/health"), "the server answers")
        yield base, log, process
    finally:
        kill_group(process)


def keys(url, *words):
    """What `mintaka keys` prints as JSON."""
    command = [sys.executable, "-m", "app", "keys", *words, "--output", "json"]
    ran = subprocess.run(command, cwd=ROOT, env=environment(database_url=url), capture_output=True, text=True, check=True, timeout=PATIENCE)
    return json.loads(ran.stdout)


def hello(base, headers=None):
    return requests.get(f"{base}/hello", headers=headers, timeout=PATIENCE).status_code


def test_a_server_that_others_reach_asks_for_keys_and_says_how_to_make_the_first(sqlite_url, tmp_path):
    with public_server(sqlite_url, tmp_path, "app", "web") as (base, log, _):
        wait_until(lambda: "`mintaka keys create NAME --scope admin` makes the first" in log.read_text(), "it says how to begin")
        assert hello(base) == 401
        key = keys(sqlite_url, "create", "first", "--scope", "admin")
        assert {hello(base, bearer(key)) for _ in range(10)} == {200}
        [listed] = keys(sqlite_url, "ls")
        assert listed["last_used"] is not None
        settings = requests.get(f"{base}/admin/settings", headers=bearer(key), timeout=PATIENCE).json()
        assert settings["MINTAKA_BIND"].startswith("0.0.0.0:")
    assert "MINTAKA_AUTH is off" not in log.read_text()


@pytest.mark.slow
def test_a_server_that_others_reach_asks_nobody_if_it_is_told_so_and_warns(sqlite_url, tmp_path):
    with public_server(sqlite_url, tmp_path, "app", "web", auth="off") as (base, log, _):
        assert hello(base) == 200
        assert "MINTAKA_AUTH is off: whoever reaches 0.0.0.0:" in log.read_text()
        assert "keys create" not in log.read_text()


@pytest.mark.slow
def test_a_server_whose_application_was_made_before_it_listens_elsewhere_refuses_to_start(sqlite_url, tmp_path):
    with public_server(sqlite_url, tmp_path, "gunicorn", "wsgi:app", "--preload") as (_, log, process):
        assert process.wait(PATIENCE) == 1
    assert "is not loopback, and API keys are off. Set MINTAKA_AUTH=on, or MINTAKA_BIND." in log.read_text()

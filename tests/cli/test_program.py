"""The program `mintaka` in a process of its own: what its output and its end look like whatever happens."""

import os
import subprocess
import sys

import pytest

from tests.api.factories import make_deployment
from tests.serving import PATIENCE, ROOT, environment

PROGRAM = [sys.executable, str(ROOT / "app" / "__main__.py")]


def program(*arguments, folder=ROOT, variables=None, **settings):
    """Run it to its end."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        cwd=folder,
        env=environment(**settings) | (variables or {}),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_a_folder_with_modules_of_the_same_names_is_no_obstacle(tmp_path, sqlite_url):
    (tmp_path / "app").mkdir()
    for name in ("app/__init__.py", "wsgi.py", "logging.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong module')")
    ended = program("flows", "ls", folder=tmp_path, database_url=sqlite_url)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.split() == ["NAME", "TAGS", "CREATED", "ID"]


def test_a_setting_that_cannot_be_used_is_one_line(tmp_path):
    ended = program("runs", "ls", folder=tmp_path, threads="many")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "Error: MINTAKA_THREADS must be a whole number from 1 to 256\n"


def test_commands_complete_in_a_shell(tmp_path):
    variables = {"_MINTAKA_COMPLETE": "bash_complete", "COMP_WORDS": "mintaka work-queues cr", "COMP_CWORD": "2"}
    # no setting is read for it, and no database is asked
    ended = program(folder=tmp_path, variables=variables, threads="many")
    assert ended.stdout == "plain,create\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_is_one_line(sqlite_url):
    with open("/dev/full", "w") as full:
        command = [*PROGRAM, "flows", "ls"]
        ended = subprocess.run(command, cwd=ROOT, env=environment(database_url=sqlite_url), stdout=full, stderr=subprocess.PIPE, text=True)
    assert (ended.returncode, ended.stderr) == (1, "Error: No space left on device\n")


def test_a_pipe_that_nobody_reads_ends_the_program_without_a_word(client, app):
    make_deployment(client)
    reading, writing = os.pipe()
    os.close(reading)
    variables = environment(database_url=app.extensions["mintaka"].settings.database_url)
    ended = subprocess.run([*PROGRAM, "flows", "ls"], cwd=ROOT, env=variables, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_text_that_the_terminal_does_not_have_is_escaped(tmp_path):
    ended = program("deployments", "inspect", "日", folder=tmp_path, variables={"PYTHONIOENCODING": "latin-1"})
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Error: Invalid value for 'DEPLOYMENT': '\\u65e5'")

"""The tutorial, followed to the letter: its commands, in their order, on the server and the worker that they start."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.serving import PATIENCE, ROOT, answers, environment, free_port, wait_until

pytestmark = pytest.mark.slow

BLOCK = re.compile(r"^\.\. code-block:: (shell|python)\n\n((?:   .*\n|\n)+)", re.MULTILINE)
PORT = "127.0.0.1:8000"
# the commands that the reader leaves running in a terminal of their own
LONG = ("mintaka serve", "mintaka worker")


def blocks():
    text = (ROOT / "docs" / "tutorial.rst").read_text(encoding="utf-8")
    return [(language, re.sub("^   ", "", block, flags=re.MULTILINE).strip()) for language, block in BLOCK.findall(text)]


@pytest.fixture
def terminal(tmp_path):
    """Run commands in a folder of its own, as the reader does; what is left running ends with the test."""
    program = tmp_path / "bin" / "mintaka"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m app "$@"\n')
    program.chmod(0o755)
    folder = tmp_path / "here"
    folder.mkdir()
    address = f"127.0.0.1:{free_port()}"
    variables = environment(bind=address, workers=1) | {
        "MINTAKA_API_URL": f"http://{address}/api",
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
    }
    left, places = [], {"cwd": folder, "env": variables}

    def run(script):
        script = script.replace(PORT, address)
        if script.startswith(LONG):
            with (tmp_path / f"log{len(left)}").open("wb") as log:
                options = places | {"stdout": log, "stderr": log, "start_new_session": True}
                left.append(subprocess.Popen(["bash", "-c", script], **options))
            if script == "mintaka serve":
                server = left[-1]
                wait_until(lambda: server.poll() is not None or answers(f"http://{address}/api/health"), "the server answers")
            return ""
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(command, **places, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run, folder
    for process in reversed(left):
        # as Ctrl-C would, so that what the server started ends with it
        process.terminate()
        process.wait(PATIENCE)


@pytest.mark.skipif(not shutil.which("bash") or not shutil.which("curl"), reason="the tutorial's commands need bash and curl")
def test_whoever_follows_the_tutorial_sees_runs_completed(terminal):
    run, folder = terminal
    completed = "mintaka runs ls --deployment etl/often --state COMPLETED --limit 3"
    for language, block in blocks():
        if language == "python":
            (folder / "jobs.py").write_text(block)
        elif block == completed:
            listing = wait_until(lambda block=block: (shown := run(block)).count("Completed") >= 1 and shown, "a run is completed")
            assert "often" in listing
        else:
            shown = run(block)
            if block.startswith("mintaka runs ls"):
                assert shown.count("Scheduled") == 3, shown
    inspected = run("mintaka runs ls --deployment etl/often --state SCHEDULED --limit 3")
    assert "Scheduled" not in inspected

"""A wheel holds all that it takes to run: migrations, commands, pages."""

import shutil
import subprocess
import sys
import zipfile

import pytest
import requests

from tests.serving import PATIENCE, ROOT, answers, environment, free_port, kill_group, wait_until

PROJECT = ["app", "migrations", "wsgi.py", "setup.cfg", "setup.py", "pyproject.toml", "README.rst"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The path of a wheel built from a copy of the sources, where nothing is left of earlier builds."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in PROJECT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    build = "from setuptools import build_meta; build_meta.build_wheel('..')"
    built = subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture
def installed(wheel, tmp_path):
    """A folder of modules, as installing the wheel would leave them."""
    folder = tmp_path / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(arguments, installed, folder, **settings):
    """Start a Python command that sees the installed modules before any checkout."""
    variables = environment(**settings) | {"PYTHONPATH": str(installed)}
    return subprocess.Popen([sys.executable, *arguments], cwd=folder, env=variables, start_new_session=True)


def test_an_installed_wheel_migrates_schedules_and_serves_without_the_checkout(installed, tmp_path):
    url = f"http://127.0.0.1:{free_port()}"
    where = "import app, sys; sys.exit(not app.__file__.startswith(sys.argv[1]))"
    assert run(["-c", where, str(installed)], installed, tmp_path).wait(PATIENCE) == 0
    assert run(["-m", "flask", "--app", "wsgi", "db", "upgrade"], installed, tmp_path).wait(PATIENCE) == 0
    assert run(["-m", "flask", "--app", "wsgi", "scheduler", "run", "--once"], installed, tmp_path).wait(PATIENCE) == 0
    command = ["-m", "gunicorn", "--config", "python:app.serving.config", "wsgi:app"]
    server = run(command, installed, tmp_path, bind=url.removeprefix("http://"), workers=1)
    try:
        wait_until(lambda: server.poll() is not None or answers(f"{url}/api/ready"), "the server is ready")
        assert requests.get(f"{url}/api/docs", timeout=PATIENCE).status_code == 200
    finally:
        kill_group(server)


def test_the_wheel_holds_the_program_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"app", "migrations", "wsgi.py"}
    assert not [name for name in names if "__pycache__" in name]

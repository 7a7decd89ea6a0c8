"""A wheel holds all that it takes to run: migrations, commands, pages."""

import shutil
import subprocess
import sys
import zipfile

import pytest
import requests

from tests.serving import PATIENCE, ROOT, answers, environment, free_port, kill_group, wait_until

pytestmark = pytest.mark.slow

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
    """A folder of modules and programs that the wheel was installed into, without its dependencies, which are there."""
    folder = tmp_path / "site-packages"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile", "--target", folder, wheel]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture
def elsewhere(tmp_path):
    """A folder that has an `app`, a `migrations` and a `wsgi.py` of its own, as another project may."""
    folder = tmp_path / "project"
    for name in ("app", "migrations"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise SystemExit('the wrong package')")
    (folder / "wsgi.py").write_text("raise SystemExit('the wrong module')")
    return folder


def run(arguments, installed, folder, **settings):
    """Start `mintaka` in `folder`, as it was installed."""
    variables = environment(**settings) | {"PYTHONPATH": str(installed)}
    return subprocess.Popen([installed / "bin" / "mintaka", *arguments], cwd=folder, env=variables, start_new_session=True)


def test_an_installed_program_migrates_schedules_and_serves_in_any_folder(installed, elsewhere):
    assert run(["db", "upgrade"], installed, elsewhere).wait(PATIENCE) == 0
    assert run(["scheduler", "run", "--once"], installed, elsewhere).wait(PATIENCE) == 0
    assert run(["deployments", "ls"], installed, elsewhere).wait(PATIENCE) == 0
    url = f"http://127.0.0.1:{free_port()}"
    server = run(["web", "--workers", "1"], installed, elsewhere, bind=url.removeprefix("http://"))
    try:
        wait_until(lambda: server.poll() is not None or answers(f"{url}/api/ready"), "the server is ready")
        assert requests.get(f"{url}/api/docs", timeout=PATIENCE).status_code == 200
    finally:
        kill_group(server)


def test_an_installed_program_serves_and_schedules_in_any_folder(installed, elsewhere):
    url = f"http://127.0.0.1:{free_port()}"
    server = run(["serve"], installed, elsewhere, bind=url.removeprefix("http://"), workers=1)
    try:
        wait_until(lambda: server.poll() is not None or answers(f"{url}/api/ready"), "the server is ready")
        assert server.poll() is None
        server.terminate()
        assert server.wait(PATIENCE) == 0
    finally:
        kill_group(server)


def test_an_installed_module_is_served_by_gunicorn(installed, tmp_path):
    assert run(["db", "upgrade"], installed, tmp_path).wait(PATIENCE) == 0
    url = f"http://127.0.0.1:{free_port()}"
    variables = environment(bind=url.removeprefix("http://"), workers=1) | {"PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "gunicorn", "--config", "python:app.serving.config", "wsgi:app"]
    server = subprocess.Popen(command, cwd=tmp_path, env=variables, start_new_session=True)
    try:
        wait_until(lambda: server.poll() is not None or answers(f"{url}/api/ready"), "the server is ready")
        assert server.poll() is None
    finally:
        kill_group(server)


def test_the_wheel_holds_the_program_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"app", "migrations", "wsgi.py"}
    assert not [name for name in names if "__pycache__" in name]

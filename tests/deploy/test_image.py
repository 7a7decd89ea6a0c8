"""The Containerfile, carried out in an empty folder, and the start lines of every way to run it, started for real."""

import json
import os
import re
import signal
import socket
import subprocess
from importlib.metadata import distributions

import pytest
import requests
from packaging.utils import canonicalize_name

from tests.databases import libpq_dsn
from tests.deploy import files
from tests.serving import PATIENCE, answers, free_port, kill_group, wait_until

pytestmark = pytest.mark.slow

COMPOSE = files.compose(POSTGRES_PASSWORD="p", MINTAKA_ENCRYPTION_KEYS="k")["services"]
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


def installed(image):
    """{name: version} of what is installed in the image."""
    [folder] = image.inside("/opt/mintaka/lib").glob("python*/site-packages")
    return {canonicalize_name(each.name): each.version for each in distributions(path=[str(folder)])}


def snapshot(image):
    """Everything below the root of the image, with size and time of change."""
    entries = ((path, path.lstat()) for path in image.root.rglob("*"))
    return {str(path): (status.st_size, status.st_mtime_ns) for path, status in entries}


def ready_message(listener, process):
    """The first datagram that `process` itself, and no child of it, sent to systemd's socket."""
    listener.settimeout(PATIENCE)
    message, ancillary, _, _ = listener.recvmsg(4096, socket.CMSG_SPACE(12))
    [(_, _, credentials)] = ancillary
    assert int.from_bytes(credentials[:4], "little") == process.pid
    return message


def test_compose_systemd_and_kubernetes_start_the_same_three_commands(image):
    assert image.entrypoint == ["mintaka"]
    assert image.cmd == COMPOSE["web"]["command"]
    units = {name: files.unit(f"mintaka-{name}")["Service"]["ExecStart"] for name in ("migrate", "web", "scheduler")}
    assert units == {name: [f"/opt/mintaka/bin/mintaka {' '.join(COMPOSE[name]['command'])}"] for name in units}
    for name in units:
        workload = files.documents(f"kubernetes/{name}.yaml")[0]
        [container] = workload["spec"]["template"]["spec"]["containers"]
        assert container["args"] == COMPOSE[name]["command"]


def test_the_image_runs_as_a_user_without_rights_and_listens_where_compose_and_kubernetes_expect_it(image):
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", image.user)
    assert image.env["MINTAKA_BIND"] == f"0.0.0.0:{image.exposed}"
    assert COMPOSE["web"]["ports"] == [f"127.0.0.1:{image.exposed}:{image.exposed}"]
    assert files.settings_from(image.env).log_format == "json"


def test_the_image_holds_the_program_and_what_is_locked_and_nothing_else(image):
    found = installed(image)
    assert found.pop("mintaka")
    locked = dict(PIN.findall(files.text("requirements.lock")))
    assert found.items() <= locked.items()
    # what is missing is what other interpreters and systems need
    assert all(f"{name}=={locked[name]} ;" in files.text("requirements.lock") for name in locked.keys() - found.keys())


def test_the_bill_of_materials_lists_what_is_installed(image, tmp_path):
    bill = tmp_path / "bill.json"
    command = files.tox_command("sbom", env_tmp_dir="SERVER", posargs=str(bill))
    assert command.pop() == "SERVER/server/bin/python"
    made = subprocess.run([*command, image.inside("/opt/mintaka/bin/python")], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    components = json.loads(bill.read_text())["components"]
    assert {canonicalize_name(each["name"]): each["version"] for each in components} == installed(image)
    assert [each["name"] for each in components if each["name"] != "mintaka" and not each.get("licenses")] == []


def test_the_three_commands_start_work_stop_in_peace_and_write_nothing_into_the_image(image, blank_postgres_url, tmp_path):
    port, before = free_port(), snapshot(image)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    notify.bind(str(tmp_path / "notify"))
    settings = {
        "MINTAKA_DATABASE_URL": libpq_dsn(blank_postgres_url),
        "MINTAKA_BIND": f"127.0.0.1:{port}",
        "MINTAKA_SCHEDULER_LOOP_SECONDS": "0.1",
        "TMPDIR": str(tmp_path),
    }
    log = (tmp_path / "log").open("wb")
    # before the database is migrated, a scheduler ends, to be started again, and a web server waits
    assert image.start(COMPOSE["scheduler"]["command"], log, **settings).wait(PATIENCE) == 1
    scheduler = None
    web = image.start(COMPOSE["web"]["command"], log, **settings, NOTIFY_SOCKET=notify.getsockname())
    try:
        assert b"READY=1" in ready_message(notify, web)
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/api/health"), "the server answers")
        assert requests.get(f"http://127.0.0.1:{port}/api/ready", timeout=PATIENCE).status_code == 503
        assert image.start(COMPOSE["migrate"]["command"], log, **settings).wait(PATIENCE) == 0
        assert requests.get(f"http://127.0.0.1:{port}/api/ready", timeout=PATIENCE).status_code == 200
        scheduler = image.start(COMPOSE["scheduler"]["command"], log, **settings)
        check = [part.replace(image.exposed, str(port)) for part in image.healthcheck]
        assert image.execute(check, log).wait(PATIENCE) == 0
        # ExecReload: other workers, the same server
        os.kill(web.pid, signal.SIGHUP)
        wait_until(lambda: (tmp_path / "log").read_text().count("Booting worker") >= 4, "the workers are replaced")
        assert answers(f"http://127.0.0.1:{port}/api/ready")
        wait_until(lambda: "mintaka.scheduler" in (tmp_path / "log").read_text(), "the scheduler has made a pass")
        for process in (web, scheduler):
            process.terminate()
        assert (web.wait(PATIENCE), scheduler.wait(PATIENCE)) == (0, 0)
        assert image.execute(check, log).wait(PATIENCE) != 0
    except BaseException:
        print((tmp_path / "log").read_text()[-4000:])
        raise
    finally:
        for process in filter(None, (web, scheduler)):
            kill_group(process)
        notify.close()
        log.close()
    assert snapshot(image) == before


@pytest.mark.parametrize("name", ["requirements.lock", "build-requirements.lock", "build-requirements.in"])
def test_the_build_context_holds_what_is_copied(name):
    ignored = {line for line in (files.ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")}
    assert not ignored & {"deploy", "app", "migrations", "wsgi.py", "setup.cfg", "setup.py", "pyproject.toml", "README.rst"}
    assert (files.DEPLOY / name).exists()

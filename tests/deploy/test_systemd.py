"""The systemd units, as systemd itself reads them."""

import os
import subprocess

import pytest

from tests.deploy import files

UNITS = ("mintaka-migrate", "mintaka-web", "mintaka-scheduler")
# systemd's measure of what a service could do if it were taken over, times ten: 96 for one without any hardening
EXPOSURE = 15


@pytest.fixture
def folder(tmp_path):
    """A folder with the units, whose program is there."""
    program = tmp_path / "mintaka"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for name in UNITS:
        text = files.text(f"systemd/{name}.service")
        assert text.count("/opt/mintaka/bin/mintaka ") == 1
        (tmp_path / f"{name}.service").write_text(text.replace("/opt/mintaka/bin/mintaka ", f"{program} "))
    return tmp_path


def test_systemd_reads_the_units_without_a_complaint(folder):
    command = [files.program("systemd-analyze", "systemd"), "verify", "--man=no", *(folder / f"{name}.service" for name in UNITS)]
    # its search for the units that these name begins beside them
    done = subprocess.run(command, env=os.environ | {"SYSTEMD_UNIT_PATH": f"{folder}:"}, capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if "mintaka" in line]
    assert (done.returncode, said) == (0, [])


def test_systemd_finds_a_mistake_where_there_is_one(folder):
    unit = folder / "mintaka-web.service"
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSystem=strictly"))
    done = subprocess.run([files.program("systemd-analyze", "systemd"), "verify", "--man=no", unit], capture_output=True, text=True)
    # said, and yet no failure: a line of systemd's that names a unit is what counts
    assert "mintaka-web.service" in done.stderr
    assert "strictly" in done.stderr


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_exposed_to_little(folder, name):
    analyze = files.program("systemd-analyze", "systemd")
    command = [analyze, "security", "--no-pager", "--offline=yes", f"--threshold={EXPOSURE}", folder / f"{name}.service"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_units_are_confined_in_the_same_way():
    own = {"Type", "NotifyAccess", "ExecStart", "ExecReload", "Restart", "KillMode", "TimeoutStopSec", "TimeoutStartSec"}
    services = [files.unit(name)["Service"] for name in UNITS]
    shared = [{key: value for key, value in service.items() if key not in own} for service in services]
    assert shared[0] == shared[1] == shared[2]


def test_what_serves_and_schedules_starts_after_the_migration_and_is_started_again():
    for name in UNITS[1:]:
        unit = files.unit(name)
        for key in ("Wants", "After"):
            assert "mintaka-migrate.service" in unit["Unit"][key][0].split()
        assert unit["Service"]["Restart"] == ["always"]


def test_the_example_of_settings_is_accepted_and_the_stop_waits_longer_than_requests_may_take():
    settings = files.settings_from(files.assignments("systemd/mintaka.env.example"))
    assert settings.bind == "127.0.0.1:8000"
    assert int(files.unit("mintaka-web")["Service"]["TimeoutStopSec"][0]) > settings.graceful_timeout


def test_the_user_of_the_units_is_made_by_sysusers(tmp_path):
    command = [files.program("systemd-sysusers", "systemd"), f"--root={tmp_path}", files.DEPLOY / "systemd" / "mintaka.sysusers.conf"]
    (tmp_path / "etc").mkdir()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    name, _, uid, _, _, home, shell = (tmp_path / "etc" / "passwd").read_text().strip().split(":")
    assert (name, home, shell) == ("mintaka", "/var/lib/mintaka", "/usr/sbin/nologin")
    assert 0 < int(uid) < 1000
    assert {files.unit(unit)["Service"]["User"][0] for unit in UNITS} == {name}

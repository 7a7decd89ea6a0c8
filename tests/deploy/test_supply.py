"""The lock file, and the check for known vulnerabilities."""

import configparser
import json
import re
import subprocess
import threading
import tomllib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy import files
from tests.serving import ROOT

# a requirement, its hashes, and the comment that says who asked for it
ENTRY = re.compile(r"^(?P<pin>\S.*?) \\\n(?P<hashes>(?:    --hash=.*\n)+)(?P<via>(?:    #.*\n)+)", re.MULTILINE)

CLEAN = "{}"
VULNERABLE = json.dumps({"vulns": [{"id": "TEST-1", "summary": "a hole", "affected": [{"package": {"name": "x", "ecosystem": "PyPI"}}]}]})


def locked(name):
    """{name: (Requirement, hashes, comment)} of a lock file."""
    content = files.text(name)
    entries = [(Requirement(match["pin"]), match["hashes"].split(), match["via"]) for match in ENTRY.finditer(content)]
    # every line was understood
    assert len(entries) == len(re.findall(r"^\w", content, re.MULTILINE))
    return {canonicalize_name(pin.name): (pin, [part for part in hashes if part != "\\"], via) for pin, hashes, via in entries}


def requirements_of_setup_cfg():
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg")
    return parser["options"]["install_requires"]


def requirements_of_the_build():
    return "\n".join(tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"])


@contextmanager
def vulnerability_service(status, body):
    """The URL of a service that answers every question in the same way."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


def audit(tmp_path, *arguments, **variables):
    """Run the command of `tox run -e audit` with more arguments."""
    command = files.tox_command("audit", env_tmp_dir=str(tmp_path))
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **variables}
    return subprocess.run([*command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    "lock, source",
    [("requirements.lock", requirements_of_setup_cfg), ("build-requirements.lock", requirements_of_the_build)],
    ids=["setup.cfg", "pyproject.toml"],
)
def test_the_lock_satisfies_what_is_asked_for(lock, source):
    pins = locked(lock)
    asked = [Requirement(line) for line in source().splitlines() if line and not line.startswith("#")]
    assert asked
    for requirement in asked:
        pin, _, via = pins[canonicalize_name(requirement.name)]
        [version] = pin.specifier
        assert requirement.specifier.contains(version.version), f"{pin} is locked and {requirement} is asked for: tox run -e lock"
        assert "setup.cfg" in via or "build-requirements.in" in via
    direct = {name for name, (_, _, via) in pins.items() if "setup.cfg" in via or "build-requirements.in" in via}
    assert direct == {canonicalize_name(requirement.name) for requirement in asked}


@pytest.mark.parametrize("lock", ["requirements.lock", "build-requirements.lock"])
def test_everything_locked_is_one_release_with_hashes_and_from_the_index(lock):
    for pin, hashes, _ in locked(lock).values():
        assert [specifier.operator for specifier in pin.specifier] == ["=="]
        assert pin.url is None
        assert hashes
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes)
    assert "://" not in files.text(lock)


@pytest.mark.parametrize(
    "status, body, code, words",
    [
        (200, CLEAN, 0, "No known vulnerabilities found"),
        (200, VULNERABLE, 1, "TEST-1"),
        (500, CLEAN, 1, ""),
        (200, "<html>", 1, ""),
    ],
    ids=["clean", "vulnerable", "the service fails", "an answer that is none"],
)
def test_the_audit_passes_only_where_it_could_look(tmp_path, status, body, code, words):
    with vulnerability_service(status, body) as url:
        done = audit(tmp_path, "--vulnerability-service", "osv", "--osv-url", url)
    assert done.returncode == code, done.stderr[-2000:]
    assert words in done.stdout + done.stderr


def test_the_audit_fails_without_a_network(tmp_path):
    # a proxy that nobody listens on; a request that took another way would not fail for this reason
    done = audit(tmp_path, HTTPS_PROXY="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9")
    assert done.returncode != 0
    assert "No known vulnerabilities" not in done.stdout + done.stderr
    assert "127.0.0.1" in done.stderr


def test_the_audit_looks_up_both_lock_files_and_passes_over_nothing():
    _, *words = files.tox_command("audit", env_tmp_dir="tmp")
    assert [words[at + 1] for at, word in enumerate(words) if word == "-r"] == [
        "deploy/requirements.lock",
        "deploy/build-requirements.lock",
    ]
    # without --strict, a release that the index does not know is skipped with exit code 0
    assert "--strict" in words
    assert not [word for word in words if word.startswith("--ignore")]

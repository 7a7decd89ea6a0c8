"""A deadline for answers of PostgreSQL that does not depend on PostgreSQL.

The server ends a statement that takes too long, unless it is the server, or what is between, that hangs: a machine that is stopped, a proxy
that accepts and says nothing. libpq would wait without end while the other side's kernel acknowledges what is sent. The kernel on this side
knows for how long nothing has gone to and fro, so that no statement has to be timed: looking costs a few system calls a second.
"""

import os
import re
import socket
import struct
import threading
import time
import weakref

from sqlalchemy import event

# Seconds that the server is given on top of its statement timeout, to say that it has ended a statement
GRACE = 5.0

# Seconds between two looks
EVERY = 1.0

STATEMENT_TIMEOUT = re.compile(r"statement_timeout\s*=\s*([0-9]+)")

# libpq's PQTRANS_ACTIVE: a statement has been sent, and the answer is not complete
ACTIVE = 1

# Where the milliseconds since data was last sent and received are in Linux' struct tcp_info
SENT, RECEIVED = 44, 52
INFO_SIZE = 104

# Connections with statements that may take as long as they do
_exempt = weakref.WeakSet()


def attach(engines, url, statement_timeout):
    """End connections of `engines` whose server is silent for longer than it may take to end a statement.

    Those are `statement_timeout` seconds, or what `url` says instead. 0 means never.
    """
    options = " ".join(url.normalized_query.get("options", ()))
    given = [int(milliseconds) / 1000 for milliseconds in STATEMENT_TIMEOUT.findall(options)]
    longest = max([statement_timeout, *given])
    if not statement_timeout or 0 in given:
        return
    watchdog = Watchdog(longest + GRACE)
    for engine in engines:
        event.listen(engine, "connect", lambda connection, _record: watchdog.watch(connection))


def exempt(connection):
    """Let the statements on `connection` (SQLAlchemy's) take as long as they do. It does not go back to its pool."""
    connection.detach()
    _exempt.add(connection.connection.dbapi_connection)


class Watchdog:
    """Ends connections on which an answer is awaited and nothing has gone to and fro for `patience` seconds.

    Where the system does not say so (a unix socket, another system than Linux), none is ended.
    """

    def __init__(self, patience):
        self._patience = patience
        self._connections = weakref.WeakSet()
        self._lock = threading.Lock()
        self._thread = None

    def watch(self, connection):
        """Watch a connection of psycopg2 for as long as it lasts."""
        if not hasattr(socket, "TCP_INFO"):
            return
        with self._lock:
            self._connections.add(connection)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
                self._thread.start()

    def _run(self):
        while True:
            time.sleep(min(EVERY, self._patience / 4))
            with self._lock:
                connections = [connection for connection in self._connections if not connection.closed]
                if not connections:
                    self._thread = None
                    return
            for connection in connections:
                self._check(connection)
            del connections

    def _check(self, connection):
        if connection.info.transaction_status != ACTIVE or connection in _exempt:
            return
        try:
            number = connection.fileno()
            # a copy: its number is not another's when the connection is closed meanwhile
            with socket.socket(fileno=os.dup(number)) as copy:
                if connection.closed or connection.fileno() != number:
                    return
                if copy.family != socket.AF_UNIX and silence(copy) > self._patience:
                    # whoever waits for it sees the connection end
                    copy.shutdown(socket.SHUT_RDWR)
        except Exception:  # the driver's, or the system's: the connection is over
            return


def silence(connection):
    """Return the seconds since data was last sent or received on a TCP connection; 0 where that is not known."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_SIZE)
    if len(info) < RECEIVED + 4:
        return 0.0
    return min(struct.unpack_from("=I", info, SENT)[0], struct.unpack_from("=I", info, RECEIVED)[0]) / 1000

"""A proxy in front of PostgreSQL that falls silent, or cuts connections off."""

import socket
import threading
import time
from contextlib import closing, suppress

import psycopg2
from sqlalchemy import make_url

from tests.databases import libpq_dsn

# What ends a message of the simple query protocol that commits
COMMIT = b"COMMIT\0"


class Proxy:
    """A TCP proxy in front of a PostgreSQL server. While it is silent, it goes on to accept connections and what is sent."""

    def __init__(self, url):
        with closing(psycopg2.connect(libpq_dsn(url))) as connection:
            given = connection.info.dsn_parameters
            self._target = given.get("host", "127.0.0.1"), int(given.get("port", "5432"))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = []
        self._speaks, self._drops = threading.Event(), threading.Event()
        self._speaks.set()
        port = self._listener.getsockname()[1]
        parts = make_url(url)
        self.url = parts.set(host="127.0.0.1", port=port, query={k: v for k, v in parts.query.items() if k not in ("host", "port")})
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self):
        self._speaks.clear()

    def speak_again(self):
        """Pass on what is sent from now on. The connections of before, which lack something, are over."""
        self._cut()
        self._speaks.set()

    def drop_the_next_commit(self):
        """Pass the next COMMIT on, and cut its connection off before the answer."""
        self._drops.set()

    def close(self):
        self._end(self._listener)
        self._cut()

    def _cut(self):
        while self._sockets:
            self._end(self._sockets.pop())

    @staticmethod
    def _end(each):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                host, port = self._target
                server = socket.socket(socket.AF_UNIX if host.startswith("/") else socket.AF_INET)
                server.connect(f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port))
                self._sockets += [client, server]
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(source, target, source is client), daemon=True).start()

    def _pass_on(self, source, target, is_client):
        try:
            while data := source.recv(65536):
                drops = is_client and self._drops.is_set() and data.endswith(COMMIT)
                if drops:
                    self._drops.clear()
                    # the answer finds nobody
                    self._end(source)
                if self._speaks.is_set():
                    target.sendall(data)
                if drops:
                    # PostgreSQL has read it before it sees that nobody is there
                    time.sleep(0.05)
        except OSError:
            pass
        finally:
            self._end(target)

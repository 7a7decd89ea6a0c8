"""A replica that answers in the place of the primary, where it has all that the primary had committed when it was asked.

What a client has just written is committed by then, whichever process wrote it; so nobody ever misses what they wrote. It costs the primary
one short query, which reads no table. Only physical (streaming) replication has a position to compare.
"""

import logging
import os
import time
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, TimeoutError

from app.db import failures
from app.db.engine import connection, replica_engine

log = logging.getLogger("mintaka.database")

# Where the log of the primary ended when everything that is acknowledged by now was in it: what is written to disk or, without
# synchronous_commit, what is to be. Null of a server that is itself a replica
POSITION = text(
    "SELECT CASE WHEN pg_is_in_recovery() THEN NULL WHEN current_setting('synchronous_commit') = 'off' THEN pg_current_wal_insert_lsn() "
    "ELSE pg_current_wal_flush_lsn() END ::text"
)
# A replica that was promoted goes its own way: its positions are no longer the primary's
REPLAYED = text("SELECT pg_is_in_recovery(), coalesce(pg_last_wal_replay_lsn() >= CAST(:position AS pg_lsn), false)")
CLUSTER = text("SELECT system_identifier FROM pg_control_system()")
# A replica has the numbers of its primary
TABLES = text("SELECT (SELECT oid FROM pg_database WHERE datname = current_database()), to_regclass('alembic_version') ::oid")

# Seconds that a replica is given to catch up, and between two looks. One that has not is not waited for again until it has
PATIENCE = 0.05
EVERY = 0.002
# Seconds for which one that does not answer is not asked
REST = 5.0

OUTCOMES = ("answered", "behind", "failed", "unreachable", "unfit")


class NotUsed(Exception):
    """The primary is to answer."""


class Replica:
    """The replica behind a URL. `follow(engine)` is told of each engine, and returns what is told how long a connection was waited for.

    `outcomes` is a counter with a label, one of OUTCOMES, or None.
    """

    def __init__(self, url, settings, follow, outcomes=None):
        self._url, self._settings, self._follow, self._outcomes = url, settings, follow, outcomes
        self._pid = self._engine = self._waited = None
        self._rests_until = 0.0
        self._is_checked = self._is_behind = self._is_missed = False

    @contextmanager
    def connection(self, ask_primary):
        """Yield a connection to the replica. Raise NotUsed when the primary is to answer, also in place of an error in the block.

        `ask_primary(statement)` returns the first row of a statement from the primary.
        """
        if time.monotonic() < self._rests_until:
            raise self._not_used("unreachable")
        position = ask_primary(POSITION)[0]
        if position is None:
            raise self._not_used("unfit", "MINTAKA_DATABASE_URL leads to a replica itself")
        is_ready = False
        try:
            with connection(self._own_engine(), self._waited) as connected:
                if not self._is_checked:
                    self._require_same(connected, ask_primary, CLUSTER, "PostgreSQL cluster")
                self._require_position(connected, position)
                if not self._is_checked:
                    # what it has replayed includes the tables
                    self._require_same(connected, ask_primary, TABLES, "database or schema")
                is_ready = self._is_checked = True
                yield connected
        except TimeoutError as error:
            raise self._not_used("failed") from error
        except DBAPIError as error:
            if is_ready and failures.is_too_slow(error):
                # the primary would take as long
                raise
            if is_ready and not error.connection_invalidated:
                # among others: a statement that was in the way of what is replayed
                raise self._not_used("failed") from error
            raise self._not_used("unreachable", failures.driver_message(error) or "the connection was lost") from error
        self._note("answered")

    def dispose(self):
        """Close this process's connections."""
        if self._engine is not None:
            self._engine.dispose(close=self._pid == os.getpid())
        self._pid = self._engine = None

    def _own_engine(self):
        if self._pid != os.getpid():
            self.dispose()
            self._engine, self._pid = replica_engine(self._url, self._settings), os.getpid()
            self._waited = self._follow(self._engine)
        return self._engine

    def _require_position(self, connection, position):
        deadline = time.monotonic() + (0 if self._is_behind else PATIENCE)
        while True:
            is_replica, has_all = connection.execute(REPLAYED, {"position": position}).one()
            if not is_replica:
                raise self._not_used("unfit", "MINTAKA_DATABASE_READ_URL leads to a server that is no streaming replica")
            self._is_behind = not has_all
            if has_all:
                return
            if time.monotonic() >= deadline:
                raise self._not_used("behind")
            time.sleep(EVERY)

    def _require_same(self, connection, ask_primary, statement, what):
        if tuple(connection.execute(statement).one()) != tuple(ask_primary(statement)):
            raise self._not_used("unfit", f"MINTAKA_DATABASE_READ_URL leads to another {what} than MINTAKA_DATABASE_URL")

    def _not_used(self, outcome, reason=None):
        if reason is not None:
            self._rests_until = time.monotonic() + REST
            # whoever answers there next may be another server
            self._is_checked = False
            if not self._is_missed:
                log.error("The replica is not used, the primary answers: %s", reason)
            self._is_missed = True
        self._note(outcome)
        return NotUsed(outcome)

    def _note(self, outcome):
        if outcome == "answered" and self._is_missed:
            self._is_missed = False
            log.info("The replica is used again")
        if self._outcomes:
            self._outcomes.labels(outcome).inc()

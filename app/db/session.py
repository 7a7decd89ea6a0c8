"""Connections and transactions: one database per process, one transaction per request."""

import os
import time
from contextlib import contextmanager
from functools import partial

from sqlalchemy.exc import DBAPIError, TimeoutError

from app.db import failures
from app.db.clock import DatabaseClock
from app.db.engine import OVERFLOW, connection, database_url, engines, turn_taking
from app.db.replica import NotUsed, Replica
from app.db.sql import DEFERRED
from app.domain.clock import utcnow
from app.errors import Conflict, QueryTooSlow, Unavailable

ATTEMPTS = 4

LATER = {DEFERRED: True}


def ignore(seconds):
    """Be told how long a connection was waited for, where nobody counts."""


class Session:
    """One transaction: what repositories send their statements through.

    It is a connection, and no more. SQLAlchemy's own Session keeps track of objects, which nothing here has; that took 0.2 ms of CPU for
    each transaction, which was half of a short read.
    """

    __slots__ = ("_connection", "after_commit", "begin_nested", "execute", "scalar", "scalars")

    def __init__(self, connection):
        self._connection = connection
        # what to call once the transaction has been committed
        self.after_commit = []
        self.execute, self.scalar, self.scalars = connection.execute, connection.scalar, connection.scalars
        self.begin_nested = connection.begin_nested

    def send(self, statement, parameters):
        """Execute a statement whose result nobody needs. PostgreSQL is told with the next one, or with COMMIT; so are its errors."""
        self._connection.execute(statement, parameters, execution_options=LATER)

    def connection(self):
        """Return the connection of SQLAlchemy that the transaction is on."""
        return self._connection

    get_bind = connection


class Database:
    """The database behind a URL, and its replica behind `read_url`, where there is one.

    Engines are made in the process that uses them: a pool that crosses a fork gives wrong results.
    """

    def __init__(self, url, settings, metrics=None, read_url=None):
        self.url, self.read_url = database_url(url), database_url(read_url) if read_url else None
        self._settings, self._metrics = settings, metrics
        outcomes = metrics.replica_reads if metrics else None
        self._replica = Replica(self.read_url, settings, partial(self._follow, "replica"), outcomes) if self.read_url else None
        self._pid = None
        self._engines = None
        self._waits = ignore, ignore
        # whether its schema was found to be as new as the program: asked again when a table turns out to be missing
        self.is_migrated = False
        # what all who work on this database go by: PostgreSQL's clock, and on SQLite, which is on one machine, this process's
        self.clock = utcnow if self.url.get_backend_name() == "sqlite" else DatabaseClock(self._ask)

    def engine(self, read_only=False):
        """Return the engine of this process. With `read_only`, return the one whose transactions only read."""
        if self._engines is None or self._pid != os.getpid():
            for engine in self._engines or ():
                engine.dispose(close=False)
            self._engines = engines(self.url, self._settings)
            # on SQLite the two are one
            pools = ("write",) if self._engines[0].pool is self._engines[1].pool else ("write", "read")
            waits = [self._follow(pool, engine) for pool, engine in zip(pools, self._engines, strict=False)]
            self._waits = waits[0], waits[-1]
            self._pid = os.getpid()
        return self._engines[read_only]

    def _follow(self, pool, engine):
        return self._metrics.follow(pool, engine, self._settings.pool_size + OVERFLOW) if self._metrics else ignore

    def _ask(self):
        try:
            with self.transaction(read_only=True):
                pass
        except DBAPIError as error:
            raise Unavailable(failures.UNAVAILABLE["unreachable"]) from error

    @contextmanager
    def transaction(self, read_only=False):
        """Yield a session in one transaction: committed when the block ends, rolled back when it raises."""
        engine = self.engine(read_only)
        with connection(engine, self._waits[read_only]) as connected:
            if isinstance(self.clock, DatabaseClock):
                self.clock.hear(connected)
            session = Session(connected)
            yield session
        for call in session.after_commit:
            call()

    def run(self, work, read_only=False, replica=False):
        """Run `work(session)` in a transaction of its own and return what it returned.

        With `replica` the replica is asked, unless it lacks something that had been committed before; `work` only reads then.

        Run the whole transaction again, at most three times, after a deadlock, a serialization failure or a lost connection; `work` must
        therefore do nothing but use the session. Raise Conflict for a broken constraint, Unavailable when the database is too busy or does
        not answer, and of that QueryTooSlow when a transaction that only reads takes too long.
        """
        if replica and self._replica:
            try:
                return self._of(self._replica, work)
            except NotUsed:
                read_only = True
        for attempt in range(1, ATTEMPTS + 1):
            worked = False
            try:
                with self.transaction(read_only) as session:
                    result = work(session)
                    worked = True
                return result
            except TimeoutError as error:
                raise Unavailable("every database connection is in use") from error
            except DBAPIError as error:
                failure = failures.failure(error)
                if worked and error.connection_invalidated and not read_only:
                    # the commit may have happened: to do it all again could do it twice
                    raise Unavailable("the connection was lost during the commit; look whether the change was made") from error
                if failure == "schema":
                    self.is_migrated = False
                if failure == "read-only":
                    # this server has become a standby; one that the URL names may be the primary by now
                    self._close_idle()
                if read_only and failures.is_too_slow(error):
                    raise self._too_slow() from error
                if failure == "retry" and attempt < ATTEMPTS:
                    if self._metrics:
                        self._metrics.retries.inc()
                    time.sleep(failures.jitter(attempt))
                elif failure == "conflict":
                    raise Conflict(failures.broken_rule(error)) from error
                elif failure in failures.UNAVAILABLE:
                    raise Unavailable(failures.UNAVAILABLE[failure]) from error
                else:
                    raise

    def _of(self, replica, work):
        def ask_primary(statement):
            return self.run(lambda session: session.execute(statement).one(), read_only=True)

        try:
            with replica.connection(ask_primary) as connected:
                session = Session(connected)
                result = work(session)
        except DBAPIError as error:
            raise self._too_slow() from error
        for call in session.after_commit:
            call()
        return result

    def _too_slow(self):
        return QueryTooSlow(f"{self._settings.query_timeout:g} s")

    def take_turns(self):
        """Pause between two write transactions where other processes would not get theirs in otherwise."""
        time.sleep(turn_taking(self.engine()))

    def _close_idle(self):
        for engine in self._engines or ():
            engine.dispose()

    def dispose(self):
        """Close this process's connections."""
        if self._replica:
            self._replica.dispose()
        if self._engines is not None and self._pid == os.getpid():
            self._close_idle()
        self._pid = self._engines = None

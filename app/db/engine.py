"""Engines for PostgreSQL and SQLite: URLs, connections, transactions and locks."""

import math
import random
import re
import sqlite3
import time
from contextlib import contextmanager
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import URL, delete, event, func, make_url, select, text
from sqlalchemy.dialects import registry
from sqlalchemy.exc import ArgumentError

from app.db import watchdog
from app.db.server_settings import reading_timeout, server_settings, set_in_each_transaction, startup_options
from app.db.types import dump_json

# The dialect of `app.db.dialect`, imported when PostgreSQL is used
registry.register("postgresql.mintaka", "app.db.dialect", "Dialect")
DIALECT = "postgresql+mintaka"
DRIVERS = {"postgresql": "postgresql+psycopg2", "postgres": "postgresql+psycopg2", "sqlite": "sqlite+pysqlite"}

# libpq's parameters: a connection whose server has been silent for half a minute is closed
TCP_KEEPALIVE = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}

# Steps of SQLite's virtual machine from one look at the deadline of a query to the next: a millisecond or so
SQLITE_STEPS = 20_000

# Up to the hosts, the hosts, the database, the parameters
SEVERAL_HOSTS = re.compile(
    r"(postgres(?:ql)?(?:\+\w+)?://(?:[^@/?#]*@)?)((?:[A-Za-z0-9.-]+(?::[0-9]+)?,)+[A-Za-z0-9.-]+(?::[0-9]+)?)(/[^?#]*)?(?:\?(.*))?"
)

# Connections that a pool opens under load besides those that it keeps
OVERFLOW = 2

# Seconds between two attempts to take SQLite's write lock: at least, at most
SQLITE_RETRY_SECONDS = (0.001, 0.005)


def database_url(text):
    """Return the SQLAlchemy URL for a user's URL: `postgresql://` and `postgres://` mean psycopg2 here.

    Raise ValueError for a database that is not supported.
    """
    try:
        url = make_url(_with_hosts_as_parameters(text))
        if "@" in (url.host or ""):
            raise ValueError
    except (ArgumentError, ValueError):
        # the reason is not repeated: it may contain a part of a password
        raise ValueError(
            "not a database URL; write sqlite:///file or postgresql://user:password@host/database, with @ : / ? # and % in a name or "
            "a password as %40 %3A %2F %3F %23 and %25"
        ) from None
    driver = DRIVERS.get(url.drivername, url.drivername)
    if driver not in DRIVERS.values():
        raise ValueError(f"{url.drivername}:// is not supported; use sqlite:///file or postgresql://user@host/database")
    if driver == DRIVERS["sqlite"] and url.database in (None, "", ":memory:"):
        raise ValueError("an in-memory SQLite database cannot be shared between threads; name a file: sqlite:///file")
    return url.set(drivername=driver)


def _with_hosts_as_parameters(text):
    """Return a URL that names several hosts, as libpq takes it (`postgresql://one:5432,two/database`), in SQLAlchemy's form of it."""
    several = isinstance(text, str) and SEVERAL_HOSTS.fullmatch(text)
    if not several:
        return text
    start, hosts, database, query = several.groups()
    parameters = "&".join(f"host={host}" for host in hosts.split(","))
    return f"{start}{database or '/'}?{parameters}{f'&{query}' if query else ''}"


def sqlite_file(path):
    """Return the SQLAlchemy URL of a SQLite file, whatever characters its path has."""
    return URL.create(DRIVERS["sqlite"], database=str(path))


def shown(url):
    """Return a URL as text for people, with `***` in place of passwords."""
    query = {name: "***" if "password" in name.lower() else value for name, value in url.query.items()}
    plain = url.set(drivername=url.get_backend_name(), query=query)
    return plain.render_as_string(hide_password=True).replace(quote("***", safe=""), "***")


def key_file(url):
    """Return the path of the encryption key file beside a SQLite database, or None for another database."""
    return f"{url.database}.key" if url.get_backend_name() == "sqlite" else None


def engine_arguments(url, settings):
    """Return the keyword arguments of `create_engine` for the database behind `url`."""
    # JSON stays text until somebody wants it: what is only passed on to a client is never parsed
    common = {"json_serializer": dump_json, "json_deserializer": _keep_text, "pool_size": settings.pool_size, "max_overflow": OVERFLOW}
    if url.get_backend_name() == "sqlite":
        return common | {"connect_args": {"isolation_level": None, "timeout": settings.database_lock_timeout}}
    connect = TCP_KEEPALIVE | {"connect_timeout": math.ceil(settings.database_connect_timeout), "application_name": "mintaka"}
    # what the URL says wins
    return common | {"pool_use_lifo": True, "connect_args": {name: value for name, value in connect.items() if name not in url.query}}


def _postgresql_engine(url, settings, statement_timeout, **options):
    arguments = engine_arguments(url, settings)
    parameters = server_settings(settings, statement_timeout)
    url = url.set(drivername=DIALECT)
    if settings.database_pooler:
        # what is prepared on a connection of the pooler's is not there for the next transaction
        engine = sqlalchemy.create_engine(url, prepare_statements=False, **arguments, **options)
        set_in_each_transaction(engine, parameters, autocommit="isolation_level" in options)
        return engine
    # what the URL says is added
    asked = (startup_options(parameters), *url.normalized_query.get("options", ()))
    connect = arguments.pop("connect_args") | {"options": " ".join(asked)}
    return sqlalchemy.create_engine(url, **arguments, connect_args=connect, **options)


def engines(url, settings):
    """Return two engines for the database behind `url`: one for transactions that write, one for those that only read.

    On PostgreSQL a transaction that only reads is a single statement, and is spared the round trips of BEGIN and COMMIT. Its connections
    stay in that mode, which costs more to change than a short query takes; so there are two pools, of which a thread uses one at a time.
    """
    if url.get_backend_name() == "sqlite":
        engine = sqlalchemy.create_engine(url, **engine_arguments(url, settings))
        prepare(engine, settings.database_lock_timeout, settings.query_timeout)
        return engine, engine.execution_options(read_only=True)
    engine = _postgresql_engine(url, settings, settings.database_statement_timeout)
    reading = _reading_engine(url, settings)
    watchdog.attach((engine, reading), url, settings.database_statement_timeout)
    return engine, reading


def replica_engine(url, settings):
    """Return an engine for a replica. One that hangs is given up sooner than a primary: there is somebody else to ask."""
    engine = _reading_engine(url, settings)
    watchdog.attach((engine,), url, reading_timeout(settings))
    return engine


def _reading_engine(url, settings):
    return _postgresql_engine(url, settings, reading_timeout(settings), isolation_level="AUTOCOMMIT", pool_reset_on_return=None)


@contextmanager
def connection(engine, waited):
    """Yield a connection of `engine` in one transaction. Call `waited(seconds)` with how long it took to get one, or to give it up."""
    began = time.perf_counter()
    try:
        found = engine.connect()
    finally:
        waited(time.perf_counter() - began)
    with found, found.begin():
        yield found


def is_sqlite(bind):
    """Return whether `bind` (an engine or a connection) speaks to SQLite."""
    return bind.dialect.name == "sqlite"


def prepare(engine, lock_timeout, query_timeout=0.0):
    """Configure every connection of `engine` to SQLite.

    `lock_timeout` is how many seconds to wait for the write lock, `query_timeout` how many a statement of a transaction that only reads may
    take, 0 for any number.
    """

    @event.listens_for(engine, "connect")
    def configure(connection, record):
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            # the first connections to a new file may all be about to turn it to WAL
            if not _retry_while_locked(cursor, f"PRAGMA {pragma}", lock_timeout):
                cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        # SQLite's own knows ASCII alone, and would make like_ find less here than on PostgreSQL
        connection.create_function("lower", 1, _lower, deterministic=True)
        deadline = record.info["deadline"] = [math.inf]
        connection.set_progress_handler(lambda: time.monotonic() > deadline[0], SQLITE_STEPS)

    @event.listens_for(engine, "before_cursor_execute")
    def limit(connection, *_statement):
        limited = query_timeout and connection.get_execution_options().get("read_only")
        connection.info["deadline"][0] = time.monotonic() + query_timeout if limited else math.inf

    @event.listens_for(engine, "begin")
    def begin(connection):
        if connection.get_execution_options().get("read_only"):
            connection.exec_driver_sql("BEGIN")
        else:
            _begin_write(connection, lock_timeout)


def _begin_write(connection, timeout):
    """Take SQLite's write lock, waiting up to `timeout` seconds for it.

    IMMEDIATE: a deferred transaction that turns into a writer fails at once when another has written since it began. We retry
    ourselves: SQLite retries ten times a second in the end, between which a busy writer releases and takes the lock many times.
    """
    cursor = connection.connection.cursor()
    cursor.execute("PRAGMA busy_timeout=0")
    try:
        if not _retry_while_locked(cursor, "BEGIN IMMEDIATE", timeout):
            # once more, for SQLAlchemy to make its own error of it
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        cursor.execute(f"PRAGMA busy_timeout={round(timeout * 1000)}")
        cursor.close()


def _retry_while_locked(cursor, statement, timeout):
    """Execute `statement`, retrying for up to `timeout` seconds while the database is locked. Return whether it was executed."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            cursor.execute(statement)
            return True
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                return False
        time.sleep(random.uniform(*SQLITE_RETRY_SECONDS))


def turn_taking(engine):
    """Return how many seconds to pause between write transactions, so that other processes get theirs in. PostgreSQL queues for locks."""
    return 2 * SQLITE_RETRY_SECONDS[1] if is_sqlite(engine) else 0.0


def advisory_lock(connection, number):
    """Take a lock that all processes share, until the transaction ends. On SQLite the write transaction is that lock."""
    if not is_sqlite(connection):
        connection.execute(select(func.pg_advisory_xact_lock(number)))


def migration_lock(connection, number):
    """Take an `advisory_lock` without a timeout, for statements that may take long themselves."""
    if is_sqlite(connection):
        return
    watchdog.exempt(connection)
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SET LOCAL lock_timeout = 0"))
    advisory_lock(connection, number)
    # who waits for a table keeps everybody behind it waiting
    connection.execute(text("SET LOCAL lock_timeout = DEFAULT"))


def writes_in_with(session):
    """Return whether a WITH clause may hold an INSERT or UPDATE, so that one statement writes several tables. SQLite allows only SELECT."""
    return not is_sqlite(session.get_bind())


def delete_all(session, tables):
    """Delete every row of `tables`. The list must include the tables that refer to them, after those they refer to."""
    if is_sqlite(session.get_bind()):
        for table in reversed(tables):
            session.execute(delete(table))
    else:
        # the work does not grow with the rows, and nothing is written in between
        session.execute(text(f"TRUNCATE {', '.join(table.name for table in tables)}"))


def _keep_text(text):
    return text


def _lower(text):
    if not isinstance(text, str):
        return text
    # each character on its own, as PostgreSQL does: str.lower() turns a sigma at the end of a word into another letter than one within
    return text.lower() if text.isascii() else "".join(character.lower()[0] for character in text)

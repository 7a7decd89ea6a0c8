"""What differs between PostgreSQL and SQLite. No other module names a dialect."""

import json
import random
import sqlite3
import uuid

import orjson
from sqlalchemy import JSON, DateTime, Text, and_, cast, column, event, exists, func, literal, make_url, select, type_coerce
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.types import TypeDecorator

from app.domain.instants import UTC

DRIVERS = {"postgresql": "postgresql+psycopg2", "postgres": "postgresql+psycopg2", "sqlite": "sqlite+pysqlite"}

# SQLSTATE classes, from appendix A of the PostgreSQL manual
TRANSIENT = {"40001", "40P01"}  # serialization_failure, deadlock_detected
BUSY = {"55P03", "57014", "53300", "57P01", "57P02", "57P03"}  # lock and statement timeouts, too many connections, shutdown


def database_url(text):
    """The SQLAlchemy URL for a user's URL: `postgresql://` and `postgres://` mean psycopg2 here.

    Raises ValueError for a database that is not supported.
    """
    url = make_url(text)
    driver = DRIVERS.get(url.drivername, url.drivername)
    if driver not in DRIVERS.values():
        raise ValueError(f"{url.drivername}:// is not supported; use sqlite:///file or postgresql://user@host/database")
    if driver == DRIVERS["sqlite"] and url.database in (None, "", ":memory:"):
        raise ValueError("an in-memory SQLite database cannot be shared between threads; name a file: sqlite:///file")
    return url.set(drivername=driver)


def engine_arguments(url, settings):
    """Keyword arguments of `create_engine` that depend on the database behind `url`."""
    # JSON stays text until somebody wants it: what is only passed on to a client is never parsed
    common = {"json_serializer": dump_json, "json_deserializer": _as_is, "pool_size": settings.pool_size, "max_overflow": 2}
    if url.get_backend_name() == "sqlite":
        return common | {"connect_args": {"isolation_level": None, "timeout": settings.database_lock_timeout}}
    options = {
        "timezone": "UTC",
        "statement_timeout": round(settings.database_statement_timeout * 1000),
        "lock_timeout": round(settings.database_lock_timeout * 1000),
        "idle_in_transaction_session_timeout": round(settings.database_idle_timeout * 1000),
        # a plan made for one query's values is made anew in a fraction of a millisecond; compiling it to machine code takes a hundred
        "jit": "off",
    }
    text = " ".join(f"-c {name}={value}" for name, value in options.items())
    return common | {"pool_use_lifo": True, "connect_args": {"options": text, "application_name": "mintaka"}}


def read_only_options(engine):
    """Execution options for a transaction that only reads. On PostgreSQL it saves the round trips of BEGIN and COMMIT."""
    return {"read_only": True} | ({} if is_sqlite(engine) else {"isolation_level": "AUTOCOMMIT"})


def is_sqlite(bind):
    """Whether `bind` (an engine or a connection) speaks to SQLite."""
    return bind.dialect.name == "sqlite"


def prepare(engine):
    """Attach what every connection of `engine` needs."""
    if not is_sqlite(engine):
        return

    @event.listens_for(engine, "connect")
    def configure(connection, _record):
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        # SQLite's own knows ASCII alone, and would make like_ find less here than on PostgreSQL
        connection.create_function("lower", 1, lambda text: text.lower() if isinstance(text, str) else text, deterministic=True)

    @event.listens_for(engine, "begin")
    def begin(connection):
        # a deferred transaction that turns into a writer fails at once when another has written since it began
        read_only = connection.get_execution_options().get("read_only")
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def advisory_lock(connection, number):
    """Hold a lock that every process shares, until the transaction ends. On SQLite the write transaction is that lock."""
    if not is_sqlite(connection):
        connection.execute(select(func.pg_advisory_xact_lock(number)))


class UtcDateTime(TypeDecorator):
    """An instant: `timestamptz` on PostgreSQL, text in UTC on SQLite, an aware datetime in UTC in Python."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value, dialect):
        return value.replace(tzinfo=UTC) if value is not None and dialect.name == "sqlite" else value


class Json(TypeDecorator):
    """A JSON document: `jsonb` on PostgreSQL, text on SQLite."""

    impl = JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
    cache_ok = True

    def process_result_value(self, value, dialect):
        return None if value is None else json.loads(value)

    def coerce_compared_value(self, op, value):
        return self.impl.coerce_compared_value(op, value)


class RawJson(Json):
    """A JSON document on its way to a client: its text goes into the answer as it is."""

    cache_ok = True

    def process_result_value(self, value, dialect):
        return None if value is None else orjson.Fragment(value)


def raw(json_column):
    """`json_column` selected as `RawJson`, under its own name."""
    return type_coerce(json_column, RawJson).label(json_column.name)


def dump_json(value):
    """JSON text for the database. orjson is not used: it refuses whole numbers over 64 bits, which clients may send."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _as_is(text):
    return text


def insert(session, table):
    """An INSERT for the database of `session` that has `on_conflict_do_nothing`."""
    return (sqlite if is_sqlite(session.get_bind()) else postgresql).insert(table)


def array_contains_all(session, json_column, values):
    """The condition that a JSON array column holds every one of `values`."""
    if is_sqlite(session.get_bind()):
        element = func.json_each(json_column).table_valued("value")
        # json_each of a column is correlated with the row; one EXISTS a value
        return and_(*(exists(select(1).select_from(element).where(element.c.value == value)) for value in dict.fromkeys(values)))
    return type_coerce(json_column, postgresql.JSONB).contains(cast(literal(dump_json(values), Text), postgresql.JSONB))


def is_empty_array(session, json_column):
    """The condition that a JSON array column is `[]`."""
    if is_sqlite(session.get_bind()):
        return func.json_array_length(json_column) == 0
    return type_coerce(json_column, postgresql.JSONB) == literal("[]", Text).cast(postgresql.JSONB)


def rows_of(session, rows, **types):
    """A FROM clause of `rows` (mappings), sent as one parameter so that a statement's text does not grow with them.

    `types` names the members that become columns, and their SQL types. The clause is named `given`.
    """
    sqlite_values = is_sqlite(session.get_bind())
    text = json.dumps(rows, ensure_ascii=False, allow_nan=False, default=_sqlite_form if sqlite_values else str)
    if sqlite_values:
        element = func.json_each(literal(text, Text)).table_valued("value", name="element")
        members = (type_coerce(func.json_extract(element.c.value, f"$.{member}"), kind).label(member) for member, kind in types.items())
        return select(*members).subquery("given")
    source = func.jsonb_to_recordset(cast(literal(text, Text), postgresql.JSONB))
    return source.table_valued(*(column(member, kind) for member, kind in types.items()), name="given").render_derived(with_types=True)


def _sqlite_form(value):
    if isinstance(value, uuid.UUID):
        return value.hex
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def failure(error):
    """What a driver's error means for the transaction: "retry", "busy", "conflict", or None for a fault of ours."""
    if not isinstance(error, DBAPIError):
        return None
    if isinstance(error, IntegrityError):
        return "conflict"
    code = getattr(error.orig, "pgcode", None)
    if error.connection_invalidated or code in TRANSIENT:
        return "retry"
    if isinstance(error.orig, sqlite3.Error):
        return "busy" if "locked" in str(error.orig) else None
    # psycopg2 gives no code when no connection came about
    unreachable = isinstance(error, OperationalError) and code is None
    return "busy" if code in BUSY or unreachable else None


def broken_rule(error):
    """What an IntegrityError means, for the client whose request caused it."""
    code = getattr(error.orig, "pgcode", None)
    if code == "23503" or "FOREIGN KEY" in str(error.orig):
        column = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        named = f" ({column.split('_', 1)[1]})" if column else ""
        return f"The request refers to something that does not exist{named}."
    if code == "23505" or "UNIQUE" in str(error.orig):
        return "Something with the same unique values exists already."
    return "The request breaks a rule of the database."


def jitter(attempt):
    """Seconds to wait before retry number `attempt` (from 1)."""
    return random.uniform(0.5, 1.0) * 0.02 * 4**attempt

"""What differs between PostgreSQL and SQLite. No other module names a dialect; `failures` knows the codes of their errors."""

import json
import math
import random
import sqlite3
import time
import uuid
from urllib.parse import quote

import orjson
from sqlalchemy import (
    JSON,
    URL,
    BigInteger,
    DateTime,
    Text,
    Uuid,
    cast,
    column,
    create_engine,
    delete,
    event,
    exists,
    extract,
    func,
    literal,
    make_url,
    not_,
    select,
    text,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError
from sqlalchemy.types import TypeDecorator

from app.db import watchdog
from app.domain.instants import UTC

DRIVERS = {"postgresql": "postgresql+psycopg2", "postgres": "postgresql+psycopg2", "sqlite": "sqlite+pysqlite"}

# libpq's parameters for a server that is gone without a word: half a minute of silence on a connection, and it is over
PATIENCE_WITH_SERVERS = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}

# Seconds between two looks at SQLite's write lock: at least, at most
SQLITE_LOOKS = (0.001, 0.005)


def database_url(text):
    """The SQLAlchemy URL for a user's URL: `postgresql://` and `postgres://` mean psycopg2 here.

    Raises ValueError for a database that is not supported.
    """
    try:
        url = make_url(text)
        if "@" in (url.host or ""):
            raise ValueError
    except (ArgumentError, ValueError):
        # not a word of what was wrong with it: it may be a part of a password
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


def sqlite_file(path):
    """The SQLAlchemy URL of a SQLite file, whatever characters its path has."""
    return URL.create(DRIVERS["sqlite"], database=str(path))


def shown(url):
    """The text of a URL for people to see: passwords in it are `***`."""
    query = {name: "***" if "password" in name.lower() else value for name, value in url.query.items()}
    plain = url.set(drivername=url.get_backend_name(), query=query)
    return plain.render_as_string(hide_password=True).replace(quote("***", safe=""), "***")


def key_file(url):
    """The file that keeps the key of what is encrypted in the database behind `url`, or None where that is no file itself."""
    return f"{url.database}.key" if url.get_backend_name() == "sqlite" else None


def engine_arguments(url, settings):
    """Keyword arguments of `create_engine` that depend on the database behind `url`."""
    # JSON stays text until somebody wants it: what is only passed on to a client is never parsed
    common = {"json_serializer": dump_json, "json_deserializer": _as_is, "pool_size": settings.pool_size, "max_overflow": 2}
    if url.get_backend_name() == "sqlite":
        return common | {"connect_args": {"isolation_level": None, "timeout": settings.database_lock_timeout}}
    options = {
        "timezone": "UTC",
        # rounded up: 0 means never
        "statement_timeout": math.ceil(settings.database_statement_timeout * 1000),
        "lock_timeout": math.ceil(settings.database_lock_timeout * 1000),
        "idle_in_transaction_session_timeout": math.ceil(settings.database_idle_timeout * 1000),
        # a plan made for one query's values is made anew in a fraction of a millisecond; compiling it to machine code takes a hundred
        "jit": "off",
    }
    given = " ".join(f"-c {name}={value}" for name, value in options.items())
    connect = PATIENCE_WITH_SERVERS | {"connect_timeout": math.ceil(settings.database_connect_timeout), "application_name": "mintaka"}
    # what the URL says wins, or is added
    asked = url.normalized_query.get("options", ())
    connect = {name: value for name, value in connect.items() if name not in url.query}
    return common | {"pool_use_lifo": True, "connect_args": connect | {"options": " ".join((given, *asked))}}


def engines(url, settings):
    """Two engines for the database behind `url`: one for transactions that write, one for those that only read.

    On PostgreSQL a transaction that only reads is a single statement, and is spared the round trips of BEGIN and COMMIT. Its connections
    stay in that mode, which costs more to change than a short query takes; so there are two pools, of which a thread uses one at a time.
    """
    arguments = engine_arguments(url, settings)
    engine = create_engine(url, **arguments)
    prepare(engine, settings.database_lock_timeout)
    if is_sqlite(engine):
        return engine, engine.execution_options(read_only=True)
    reading = create_engine(url, **arguments, isolation_level="AUTOCOMMIT", pool_reset_on_return=None)
    watchdog.attach((engine, reading), url, settings.database_statement_timeout)
    return engine, reading


def is_sqlite(bind):
    """Whether `bind` (an engine or a connection) speaks to SQLite."""
    return bind.dialect.name == "sqlite"


def prepare(engine, lock_timeout):
    """Attach what every connection of `engine` needs. `lock_timeout` is how many seconds SQLite's write lock is waited for."""
    if not is_sqlite(engine):
        return

    @event.listens_for(engine, "connect")
    def configure(connection, _record):
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            # the first connections to a new file may all be about to turn it to WAL
            if not _insist(cursor, f"PRAGMA {pragma}", lock_timeout):
                cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        # SQLite's own knows ASCII alone, and would make like_ find less here than on PostgreSQL
        connection.create_function("lower", 1, _lower, deterministic=True)

    @event.listens_for(engine, "begin")
    def begin(connection):
        if connection.get_execution_options().get("read_only"):
            connection.exec_driver_sql("BEGIN")
        else:
            _begin_write(connection, lock_timeout)


def _begin_write(connection, patience):
    """Take SQLite's write lock, waiting up to `patience` seconds for it.

    IMMEDIATE: a deferred transaction that turns into a writer fails at once when another has written since it began. The wait is ours:
    SQLite's own looks ten times a second in the end, between which a busy writer lets go and takes the lock again many times.
    """
    cursor = connection.connection.cursor()
    cursor.execute("PRAGMA busy_timeout=0")
    try:
        if not _insist(cursor, "BEGIN IMMEDIATE", patience):
            # once more, for SQLAlchemy to make its own error of it
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        cursor.execute(f"PRAGMA busy_timeout={round(patience * 1000)}")
        cursor.close()


def _insist(cursor, statement, patience):
    """Execute `statement` again and again, for up to `patience` seconds, while a lock is in its way. Whether it was executed."""
    deadline = time.monotonic() + patience
    while True:
        try:
            cursor.execute(statement)
            return True
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                return False
        time.sleep(random.uniform(*SQLITE_LOOKS))


def turn_taking(engine):
    """Seconds that a process leaves between write transactions in a row, for others to get theirs in. PostgreSQL's locks have queues."""
    return 2 * SQLITE_LOOKS[1] if is_sqlite(engine) else 0.0


def advisory_lock(connection, number):
    """Hold a lock that every process shares, until the transaction ends. On SQLite the write transaction is that lock."""
    if not is_sqlite(connection):
        connection.execute(select(func.pg_advisory_xact_lock(number)))


def migration_lock(connection, number):
    """`advisory_lock`, waited for as long as it takes, for statements that may take long themselves."""
    if is_sqlite(connection):
        return
    watchdog.exempt(connection)
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SET LOCAL lock_timeout = 0"))
    advisory_lock(connection, number)
    # who waits for a table keeps everybody behind it waiting
    connection.execute(text("SET LOCAL lock_timeout = DEFAULT"))


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


def as_stored(value):
    """A JSON value on its way to a client as a column of it would be: with whole numbers of any size."""
    return orjson.Fragment(dump_json(value))


def _as_is(text):
    return text


def _lower(text):
    if not isinstance(text, str):
        return text
    # each character on its own, as PostgreSQL does: str.lower() turns a sigma at the end of a word into another letter than one within
    return text.lower() if text.isascii() else "".join(character.lower()[0] for character in text)


def insert(session, table):
    """An INSERT for the database of `session` that has `on_conflict_do_nothing`."""
    return (sqlite if is_sqlite(session.get_bind()) else postgresql).insert(table)


def writes_in_with(session):
    """Whether a WITH clause may hold an INSERT, so that what two tables get is sent once. SQLite allows only SELECT there."""
    return not is_sqlite(session.get_bind())


def json_with_ids(session, document, **ids):
    """`document` as JSON in SQL, with the UUIDs `ids` (columns, which may be null) as members."""
    text = literal(dump_json(document), Text)
    if is_sqlite(session.get_bind()):
        # SQLAlchemy's form of a UUID in SQLite is its 32 digits
        members = [part for name, id in ids.items() for part in (f"$.{name}", _with_hyphens(id))]
        return type_coerce(func.json_set(text, *members), Json)
    members = [part for name, id in ids.items() for part in (name, cast(id, Text))]
    return type_coerce(cast(text, postgresql.JSONB).op("||")(func.jsonb_build_object(*members)), Json)


def _with_hyphens(id):
    first, *others = (func.substr(id, start, length) for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12)))
    for part in others:
        first = first.op("||")("-").op("||")(part)
    return first


def contains_text(session, text_column, text):
    """The condition that a text column contains `text`, in upper or lower case."""
    if is_sqlite(session.get_bind()):
        # its LIKE fails on a pattern of more than 50,000 bytes
        return func.instr(func.lower(text_column), func.lower(text)) > 0
    return text_column.icontains(text, autoescape=True)


def array_contains_all(session, json_column, values):
    """The condition that a JSON array column holds every one of `values`."""
    if is_sqlite(session.get_bind()):
        wanted = func.json_each(literal(dump_json(values), Text)).table_valued("value")
        # json_each of a column is correlated with the row
        held = func.json_each(json_column).table_valued("value")
        # one condition however many values: SQLite refuses expressions deeper than 1,000
        return not_(exists(select(1).select_from(wanted).where(wanted.c.value.not_in(select(held.c.value)))))
    return type_coerce(json_column, postgresql.JSONB).contains(cast(literal(dump_json(values), Text), postgresql.JSONB))


def is_empty_array(session, json_column):
    """The condition that a JSON array column is `[]`."""
    if is_sqlite(session.get_bind()):
        return func.json_array_length(json_column) == 0
    return type_coerce(json_column, postgresql.JSONB) == literal("[]", Text).cast(postgresql.JSONB)


def epoch_microseconds(session, instant_column):
    """The expression for the whole microseconds from the beginning of 1970 to an instant."""
    if is_sqlite(session.get_bind()):
        text = type_coerce(instant_column, Text)
        # given a fraction, strftime would round it to milliseconds
        seconds = cast(func.strftime("%s", func.substr(text, 1, 19)), BigInteger)
        return seconds * 1_000_000 + cast(func.substr(text, 21), BigInteger)
    return cast(extract("epoch", instant_column) * 1_000_000, BigInteger)


def later(session, instant, instant_column):
    """The expression for `instant`, or the smallest instant after a column's value where that is later.

    On PostgreSQL a statement that has waited for a lock may find a row that was changed after its own clock was read. On SQLite
    transactions that write take turns, and none reads its clock before it is its turn.
    """
    instant = literal(instant, UtcDateTime)
    if is_sqlite(session.get_bind()):
        return instant
    return func.greatest(instant, instant_column + text("interval '1 microsecond'"), type_=UtcDateTime)


def delete_all(session, tables):
    """Delete every row of `tables`, which hold all that refers to them, those that refer to others last."""
    if is_sqlite(session.get_bind()):
        for table in reversed(tables):
            session.execute(delete(table))
    else:
        # the work does not grow with the rows, and nothing is written in between
        session.execute(text(f"TRUNCATE {', '.join(table.name for table in tables)}"))


def rows_of(session, rows, **types):
    """A FROM clause of `rows` (mappings), sent as one parameter so that a statement's text does not grow with them.

    `types` names the members that become columns, and their SQL types. The clause is named `given`.
    """
    return rows_from(session, literal(rows_text(session, rows), Text), **types)


def rows_text(session, rows):
    """`rows` as the text that `rows_from` reads."""
    # what JSON has no form for is written here, unless orjson's form of it, which is made many times faster, is the database's too
    form, options = (_sqlite_form, orjson.OPT_PASSTHROUGH_DATETIME) if is_sqlite(session.get_bind()) else (str, None)
    try:
        return orjson.dumps(rows, form, options).decode()
    except orjson.JSONEncodeError:  # a whole number over 64 bits
        return json.dumps(rows, ensure_ascii=False, allow_nan=False, default=form)


def rows_from(session, text, **types):
    """`rows_of` for a statement that is used again and again: `text` is a bound parameter, to be given `rows_text`."""
    if is_sqlite(session.get_bind()):
        element = func.json_each(text).table_valued("value", name="element")
        members = (_sqlite_member(func.json_extract(element.c.value, f"$.{member}"), kind).label(member) for member, kind in types.items())
        return select(*members).subquery("given")
    source = func.jsonb_to_recordset(cast(text, postgresql.JSONB))
    return source.table_valued(*(column(member, kind) for member, kind in types.items()), name="given").render_derived(with_types=True)


def _sqlite_form(value):
    return str(value) if isinstance(value, uuid.UUID) else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _sqlite_member(value, kind):
    # SQLAlchemy's form of a UUID in SQLite is its 32 digits
    return type_coerce(func.replace(value, "-", "") if kind is Uuid else value, kind)

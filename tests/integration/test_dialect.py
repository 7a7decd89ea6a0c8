"""How PostgreSQL is spoken to: transactions that begin with their first statement, statements that wait, and prepared ones.

What is sent is compared with what is stored, as a connection without any of this sees it.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Boolean, Column, Float, MetaData, Table, Text, Uuid, bindparam, insert, make_url, select, text, update
from sqlalchemy.exc import IntegrityError

from app.config import Settings
from app.db import dialect
from app.db.session import Database
from app.db.sql import prepared
from app.db.types import Json, UtcDateTime
from app.errors import Conflict, Unavailable

THING = Table(
    "thing",
    MetaData(),
    Column("id", Uuid, primary_key=True),
    Column("name", Text),
    Column("number", BigInteger),
    Column("share", Float(53)),
    Column("is_on", Boolean),
    Column("at", UtcDateTime),
    Column("held", Json),
)
INSERT = insert(THING)
BY_ID = prepared(select(THING).where(THING.c.id == bindparam("wanted")))
RENAME = update(THING).where(THING.c.id == bindparam("wanted")).values(name=bindparam("new_name"))


@pytest.fixture
def outside(postgres_url):
    """A function that asks PostgreSQL through a plain connection, and returns rows."""
    url = make_url(postgres_url).set(drivername="postgresql")
    connection = psycopg2.connect(url.render_as_string(hide_password=False))
    connection.autocommit = True

    def ask(statement):
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None

    yield ask
    connection.close()


@pytest.fixture
def database(postgres_url, outside):
    """A database with the table THING, spoken to through one connection a pool."""
    database = Database(postgres_url, Settings(database_pool_size=1))
    with database.transaction() as session:
        THING.create(session.connection())
    yield database
    database.dispose()
    outside("DROP TABLE thing")


@pytest.fixture
def sent(monkeypatch):
    """The messages that are sent to PostgreSQL, as text."""
    messages = []

    def send(_connection, cursor, message, parameters=None):
        messages.append(cursor.mogrify(message, parameters).decode())
        cursor.execute(message, parameters)

    monkeypatch.setattr(dialect.Connection, "send", send)
    return messages


def first_words(messages):
    return [message.split(" ", 1)[0].rstrip(";") for message in messages]


def names(outside):
    return [name for (name,) in outside("SELECT name FROM thing ORDER BY name")]


def thing(name, **values):
    return {"id": uuid4(), "name": name} | values


def warm(database):
    """Ask what is asked once of each connection."""
    for read_only in (False, True):
        with database.transaction(read_only=read_only) as session:
            session.execute(text("SELECT 1"))


def test_a_transaction_begins_with_its_first_statement(database, outside, sent):
    warm(database)
    sent.clear()
    with database.transaction() as session:
        session.execute(INSERT, thing("a"))
        assert names(outside) == []
        session.execute(INSERT, thing("b"))
    assert names(outside) == ["a", "b"]
    assert [message.split("(")[0].strip() for message in sent] == ["BEGIN; INSERT INTO thing", "INSERT INTO thing", "COMMIT"]


def test_a_transaction_without_statements_sends_nothing(database, sent):
    warm(database)
    sent.clear()
    with database.transaction():
        pass
    assert sent == []


def test_a_transaction_that_only_reads_is_its_statement(database, sent):
    warm(database)
    sent.clear()
    with database.transaction(read_only=True) as session:
        assert session.scalar(text("SELECT 1")) == 1
    assert sent == ["SELECT 1"]


def test_what_raises_leaves_nothing(database, outside, sent):
    warm(database)

    def work(session):
        session.execute(INSERT, thing("a"))
        session.send(INSERT, thing("b"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.run(work)
    assert names(outside) == []
    assert sent[-1] == "ROLLBACK"
    with database.transaction() as session:
        session.execute(INSERT, thing("c"))
    assert names(outside) == ["c"]


def test_what_is_deferred_goes_with_the_next_statement_or_with_commit(database, outside, sent):
    warm(database)
    sent.clear()
    one = thing("a")
    with database.transaction() as session:
        session.send(INSERT, one)
        assert sent == []
        # the one after sees it
        assert session.execute(BY_ID, {"wanted": one["id"]}).one().name == "a"
        session.send(RENAME, {"wanted": one["id"], "new_name": "100%"})
        session.send(INSERT, thing("%(b)s; 'c"))
    assert names(outside) == ["%(b)s; 'c", "100%"]
    assert first_words(sent) == ["PREPARE", "BEGIN", "UPDATE"]
    assert sent[-1].endswith("; COMMIT")


def test_values_stay_out_of_the_text_of_messages(database, outside, monkeypatch):
    """Traces show the text."""
    texts = []

    def send(_connection, cursor, message, parameters=None):
        texts.append(message)
        cursor.execute(message, parameters)

    monkeypatch.setattr(dialect.Connection, "send", send)
    with database.transaction() as session:
        session.send(INSERT, thing("secret 1"))
        session.execute(prepared(INSERT), thing("secret 2"))
        session.send(prepared(INSERT), thing("secret 3"))
    assert names(outside) == ["secret 1", "secret 2", "secret 3"]
    assert "secret" not in "".join(texts)


def test_a_transaction_of_deferred_statements_alone_is_one_message(database, outside, sent):
    warm(database)
    sent.clear()
    with database.transaction() as session:
        session.send(INSERT, thing("a"))
        session.send(INSERT, thing("b"))
    assert names(outside) == ["a", "b"]
    assert len(sent) == 1
    assert sent[0].startswith("BEGIN; INSERT")
    assert sent[0].endswith("; COMMIT")


def test_an_error_of_a_deferred_statement_takes_the_transaction_along(database, outside):
    one = thing("a")

    def work(session):
        session.execute(INSERT, one)
        session.send(INSERT, thing("b"))
        session.send(INSERT, one)

    with pytest.raises(Conflict):
        database.run(work)
    assert names(outside) == []
    with database.transaction() as session:
        session.execute(INSERT, thing("c"))
    assert names(outside) == ["c"]


def test_a_savepoint_takes_back_what_was_deferred_within(database, outside):
    with database.transaction() as session:
        session.send(INSERT, thing("before"))
        savepoint = session.begin_nested()
        session.send(INSERT, thing("within"))
        savepoint.rollback()
        session.send(INSERT, thing("after"))
    assert names(outside) == ["after", "before"]


def test_a_savepoint_outlives_an_error(database, outside):
    one = thing("a")
    with database.transaction() as session:
        session.send(INSERT, one)
        with pytest.raises(IntegrityError), session.begin_nested():
            session.execute(INSERT, one)
        session.send(INSERT, thing("b"))
    assert names(outside) == ["a", "b"]


def test_many_rows_are_in_the_transaction_too(database, outside):
    statement = text("INSERT INTO thing (id, name) VALUES (:id, :name)")

    def work(session):
        session.execute(statement, [thing("a"), thing("b")])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.run(work)
    assert names(outside) == []
    with database.transaction() as session:
        session.send(INSERT, thing("c"))
        session.execute(statement, [thing("a"), thing("b")])
    assert names(outside) == ["a", "b", "c"]


def test_an_isolation_level_is_that_of_the_transaction(database):
    with database.engine().connect() as connection:
        connection = connection.execution_options(isolation_level="SERIALIZABLE")
        with connection.begin():
            assert connection.scalar(text("SHOW transaction_isolation")) == "serializable"
    with database.transaction() as session:
        assert session.scalar(text("SHOW transaction_isolation")) == "read committed"


def test_a_statement_is_prepared_once_for_each_connection(database, sent):
    with database.transaction() as session:
        session.execute(INSERT, one := thing("a"))
    sent.clear()
    for _ in range(3):
        with database.transaction(read_only=True) as session:
            assert session.execute(BY_ID, {"wanted": one["id"]}).one().name == "a"
    assert [word for word in first_words(sent) if word in ("PREPARE", "EXECUTE")] == ["PREPARE", "EXECUTE", "EXECUTE", "EXECUTE"]


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
VALUES = st.fixed_dictionaries(
    {
        "name": st.none() | TEXTS,
        "number": st.none() | st.integers(-(2**63), 2**63 - 1),
        "share": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "is_on": st.none() | st.booleans(),
        "at": st.none() | INSTANTS,
        "held": st.none() | st.dictionaries(TEXTS, st.integers() | TEXTS | st.booleans() | st.lists(TEXTS, max_size=2), max_size=3),
    }
)
CONDITIONS = {name: THING.c[name].is_not_distinct_from(bindparam(f"asked_{name}", type_=THING.c[name].type)) for name in THING.c.keys()}  # noqa: SIM118


@given(values=VALUES, marks=st.tuples(st.booleans(), st.booleans(), st.booleans()))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_prepared_statement_does_what_the_plain_one_does(database, values, marks):
    marked = [prepared if is_marked else lambda statement: statement for is_marked in marks]
    new, asked = {"id": uuid4()} | values, {f"asked_{name}": value for name, value in values.items()}
    wanted = select(THING).where(*(CONDITIONS[name] for name in values), THING.c.id == bindparam("wanted"))
    change = update(THING).where(THING.c.id == bindparam("wanted")).values({name: bindparam(f"asked_{name}") for name in values})
    with database.transaction() as session:
        session.execute(marked[0](INSERT), new)
        found = session.execute(marked[1](wanted), asked | {"wanted": new["id"]}).one()
        assert {name: found._mapping[name] for name in new} == new
        assert session.execute(marked[2](change), asked | {"wanted": new["id"]}).rowcount == 1
        assert session.execute(marked[2](change), asked | {"wanted": uuid4()}).rowcount == 0


def test_a_connection_keeps_the_statements_that_were_used_last(database, monkeypatch, sent):
    monkeypatch.setattr(dialect, "MAX_PREPARED", 2)
    statements = [prepared(select(THING.c.id, THING.c[name])) for name in ("name", "number", "share")]
    warm(database)
    sent.clear()
    with database.transaction(read_only=True) as session:
        for place in (0, 1, 0, 2, 0, 1):
            session.execute(statements[place])
        known = session.scalars(text("SELECT statement FROM pg_prepared_statements")).all()
    assert [word for word in first_words(sent) if word != "EXECUTE"] == ["PREPARE"] * 2 + ["DEALLOCATE", "PREPARE"] * 2 + ["SELECT"]
    assert len(known) == 2


def test_two_statements_have_two_names_and_one_has_one():
    engine = dialect.Dialect()
    compiled = [statement.compile(dialect=engine) for statement in (BY_ID, BY_ID.where(THING.c.is_on), BY_ID)]
    one, other, same = (dialect.Prepared(each, engine) for each in compiled)
    assert one.name == same.name != other.name
    assert one.prepare == same.prepare


@pytest.mark.parametrize("read_only", [True, False])
def test_a_column_of_another_type_is_read_as_soon_as_it_is_there(database, outside, read_only):
    with database.transaction() as session:
        session.execute(INSERT, one := thing("a", number=5))
    statement = prepared(select(THING.c.number).where(THING.c.id == bindparam("wanted")))

    def read():
        return database.run(lambda session: session.scalar(statement, {"wanted": one["id"]}), read_only=read_only)

    assert read() == 5
    outside("ALTER TABLE thing ALTER number TYPE numeric")
    assert read() == 5


@pytest.mark.parametrize("mix_up", ["DEALLOCATE ALL", "PREPARE"])
def test_a_pooler_that_nobody_told_of_mixes_nothing_up(database, caplog, mix_up):
    """Its connections lack what was prepared on them, or have it already."""
    with database.transaction() as session:
        session.execute(INSERT, one := thing("a"))

    def read():
        return database.run(lambda session: session.execute(BY_ID, {"wanted": one["id"]}).one().name, read_only=True)

    assert read() == "a"
    with database.engine(read_only=True).connect() as connection:
        own = connection.connection.dbapi_connection
        if mix_up == "PREPARE":
            own.prepared.clear()
        else:
            connection.execute(text(mix_up))
    assert [read(), read()] == ["a", "a"]
    assert "MINTAKA_DATABASE_POOLER" in caplog.text
    with database.engine(read_only=True).connect() as connection:
        assert connection.connection.dbapi_connection.prepared == {}


def test_what_was_deferred_and_cannot_be_executed_any_more_works_the_next_time(database, outside):
    statement = prepared(insert(THING).values(id=bindparam("id"), name=select(THING.c.name).limit(1).scalar_subquery()))

    def write():
        database.run(lambda session: session.send(statement, {"id": uuid4()}))

    write()
    with database.engine().connect() as connection:
        connection.execute(text("DEALLOCATE ALL"))
    with pytest.raises(Unavailable):
        write()
    write()
    assert outside("SELECT count(*) FROM thing") == [(2,)]


def test_a_commit_of_deferred_statements_that_is_cut_off_is_not_repeated(database, outside):
    """The change may have been made: to make it again could make it twice."""
    calls = []

    def work(session):
        calls.append(session.scalar(text("SELECT pg_backend_pid()")))
        session.send(text("SELECT pg_terminate_backend(pg_backend_pid())"), {})

    with pytest.raises(Unavailable, match="lost during the commit"):
        database.run(work)
    assert len(calls) == 1


def test_an_instant_of_another_zone_is_the_same_instant(database):
    at = datetime(2022, 6, 1, 9, tzinfo=UTC)
    with database.transaction() as session:
        session.execute(prepared(INSERT), one := thing("a", at=at + timedelta(microseconds=1)))
        session.execute(text("SET LOCAL timezone = 'America/New_York'"))
        assert session.execute(BY_ID, {"wanted": one["id"]}).one().at == one["at"]
        assert isinstance(one["id"], UUID)

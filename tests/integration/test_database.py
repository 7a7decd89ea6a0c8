"""`app.db.session`: what a transaction keeps and what it undoes, and what databases do to it while it runs."""

import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, event, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from app.config import Settings
from app.db import engine, failures
from app.db.session import Database
from app.errors import Conflict, NotFound, Unavailable

ROOT = Path(__file__).parents[2]
SETTINGS = {"database_lock_timeout": 5.0, "database_statement_timeout": 20.0}
MOST_ATTEMPTS = 4
PATIENCE = 30  # seconds after which a thread that should have come is given up

COUNTER = Table("counter", MetaData(), Column("id", Integer, primary_key=True), Column("value", Integer), Column("note", Text, unique=True))

# The child's exit code says what it saw
FORK = """
import os, sys
from sqlalchemy import text
from app.config import Settings
from app.db.session import Database

database = Database(sys.argv[1], Settings())
postgres = database.engine().dialect.name == "postgresql"
backend = lambda: database.run(lambda session: session.execute(text("SELECT pg_backend_pid()" if postgres else "SELECT 0")).scalar())
bump = lambda: database.run(lambda session: session.execute(text("UPDATE counter SET value = value + 1")))
bump()
engine, parents = database.engine(), backend()
child = os.fork()
if child == 0:
    try:
        bump()
        own = database.engine() is not engine and (not postgres or backend() != parents)
        database.dispose()
        os._exit(0 if own else 3)
    except BaseException:
        os._exit(4)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert database.engine() is engine and backend() == parents
bump()
"""


@contextmanager
def with_counters(url):
    """A `Database` at `url` with counters 1 and 2 in it, both at 0."""
    database = Database(url, Settings(**SETTINGS))
    with database.transaction() as session:
        COUNTER.create(session.connection())
        session.execute(insert(COUNTER), [{"id": 1, "value": 0}, {"id": 2, "value": 0}])
    yield database
    database.dispose()


@pytest.fixture
def counters(database_url):
    """Two counters, on each kind of database."""
    with with_counters(database_url) as database:
        yield database


@pytest.fixture
def postgres_counters(postgres_url):
    """Two counters on PostgreSQL."""
    with with_counters(postgres_url) as database:
        yield database


@pytest.fixture
def sqlite_counters(sqlite_url):
    """Two counters on SQLite."""
    with with_counters(sqlite_url) as database:
        yield database


@pytest.fixture
def patient_retries(monkeypatch):
    """Retries that do not wait: how long they do is not what is tested."""
    monkeypatch.setattr(failures, "jitter", lambda attempt: 0)


@contextmanager
def another(database, **settings):
    """A `Database` of the same URL with its own connections and some other settings."""
    other = Database(database.url.render_as_string(hide_password=False), Settings(**(SETTINGS | settings)))
    try:
        yield other
    finally:
        other.dispose()


def value_of(database, id):
    return database.run(lambda session: session.execute(select(COUNTER.c.value).where(COUNTER.c.id == id)).scalar_one(), read_only=True)


def add(session, id, amount=1):
    session.execute(update(COUNTER).where(COUNTER.c.id == id).values(value=COUNTER.c.value + amount))


def terminate_connections(database, where="true"):
    """End every connection to the database but the one that asks for it, as an administrator or a restart would."""
    others = f"datname = current_database() AND pid <> pg_backend_pid() AND {where}"
    query = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"
    with another(database) as administrator:
        return len(administrator.run(lambda session: session.execute(text(query)).all()))


def test_returning_commits(counters):
    assert counters.run(lambda session: add(session, 1) or "returned") == "returned"
    assert value_of(counters, 1) == 1


def test_raising_rolls_back(counters):
    def work(session):
        add(session, 1)
        raise NotFound("Flow")

    with pytest.raises(NotFound):
        counters.run(work)
    assert value_of(counters, 1) == 0


def test_a_transaction_block_commits_at_its_end_and_rolls_back_when_it_raises(counters):
    def count_and_raise():
        with counters.transaction() as session:
            add(session, 1)
            raise KeyError

    with counters.transaction() as session:
        add(session, 1)
    with pytest.raises(KeyError):
        count_and_raise()
    assert value_of(counters, 1) == 1


def test_a_broken_unique_rule_is_a_conflict_that_is_not_tried_again_and_says_no_sql(counters):
    attempts = []

    def work(session):
        attempts.append(1)
        session.execute(insert(COUNTER), [{"id": 3, "note": "secret"}, {"id": 4, "note": "secret"}])

    with pytest.raises(Conflict) as raised:
        counters.run(work)
    assert len(attempts) == 1
    assert str(raised.value) == "Something with the same unique values exists already."


def test_a_fault_of_ours_is_not_tried_again_and_stays_what_it_is(counters):
    attempts = []

    def work(session):
        attempts.append(1)
        session.execute(text("SELECT nothing FROM"))

    with pytest.raises(DBAPIError) as raised:
        counters.run(work)
    assert len(attempts) == 1
    assert "SELECT nothing FROM" in str(raised.value)


def test_transactions_that_deadlock_both_come_to_an_end(postgres_counters):
    both_hold_one = threading.Barrier(2, timeout=PATIENCE)
    attempts = {1: 0, 2: 0}

    def cross(first, second):
        def work(session):
            attempts[first] += 1
            add(session, first)
            if attempts[first] == 1:
                both_hold_one.wait()
            add(session, second)

        postgres_counters.run(work)

    with ThreadPoolExecutor(2) as threads:
        for future in [threads.submit(cross, 1, 2), threads.submit(cross, 2, 1)]:
            future.result(PATIENCE)
    # one was the victim, and began again
    assert sorted(attempts.values()) == [1, 2]
    assert (value_of(postgres_counters, 1), value_of(postgres_counters, 2)) == (2, 2)


def racing(database, losses):
    """Work that adds to counter 1 in a snapshot that somebody else's commit overtakes, `losses` times; and the list of its attempts."""
    attempts = []

    def work(session):
        attempts.append(1)
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        add(session, 2)
        value = session.execute(select(COUNTER.c.value).where(COUNTER.c.id == 1)).scalar_one()
        if len(attempts) <= losses:
            with database.transaction() as other:
                add(other, 1, 100)
        session.execute(update(COUNTER).where(COUNTER.c.id == 1).values(value=value + 1))

    return work, attempts


def test_a_serialization_failure_starts_the_whole_transaction_again(postgres_counters):
    work, attempts = racing(postgres_counters, losses=1)
    postgres_counters.run(work)
    assert len(attempts) == 2
    # what the first attempt had done to counter 2 was undone with it
    assert (value_of(postgres_counters, 1), value_of(postgres_counters, 2)) == (101, 1)


def test_a_transaction_is_started_again_at_most_three_times(postgres_counters, patient_retries):
    work, attempts = racing(postgres_counters, losses=3)
    postgres_counters.run(work)
    assert len(attempts) == MOST_ATTEMPTS
    work, attempts = racing(postgres_counters, losses=100)
    with pytest.raises(Unavailable):
        postgres_counters.run(work)
    assert len(attempts) == MOST_ATTEMPTS
    assert value_of(postgres_counters, 2) == 1


def test_writers_in_many_threads_lose_no_update_and_none_is_refused(counters):
    def increment(database, id):
        def work(session):
            value = session.execute(select(COUNTER.c.value).where(COUNTER.c.id == id).with_for_update()).scalar_one()
            session.execute(update(COUNTER).where(COUNTER.c.id == id).values(value=value + 1))

        for _ in range(40):
            database.run(work)

    # half of them through connections of their own, as the threads of another process would
    with another(counters) as other, ThreadPoolExecutor(8) as threads:
        futures = [threads.submit(increment, database, 1) for database in (counters, other) * 4]
        for future in futures:
            future.result()
    assert value_of(counters, 1) == 8 * 40


def test_readers_do_not_wait_for_a_writer_and_see_what_was_committed(counters):
    with counters.transaction() as writer:
        add(writer, 1)
        assert value_of(counters, 1) == 0
    assert value_of(counters, 1) == 1


def test_a_reader_sees_one_state_of_the_database_throughout_on_sqlite(sqlite_counters):

    def work(session):
        before = session.execute(select(func.sum(COUNTER.c.value))).scalar_one()
        sqlite_counters.run(lambda writer: add(writer, 1))
        return before, session.execute(select(func.sum(COUNTER.c.value))).scalar_one()

    assert sqlite_counters.run(work, read_only=True) == (0, 0)


def test_an_engine_is_made_anew_after_a_fork_and_the_parents_stays_whole(counters, database_url):
    completed = subprocess.run([sys.executable, "-c", FORK, database_url], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert completed.returncode == 0, completed.stderr
    assert value_of(counters, 1) == 3


@pytest.mark.parametrize("read_only", [False, True])
def test_connections_that_were_lost_while_idle_are_replaced_unnoticed(postgres_counters, patient_retries, read_only):
    engine = postgres_counters.engine()
    connections = [engine.connect() for _ in range(5)]
    for connection in connections:
        connection.close()
    assert terminate_connections(postgres_counters) == 5
    if read_only:
        assert value_of(postgres_counters, 1) == 0
    else:
        postgres_counters.run(lambda session: add(session, 1))
        assert value_of(postgres_counters, 1) == 1


def test_a_connection_that_is_lost_in_a_transaction_starts_it_again(postgres_counters, patient_retries):
    attempts = []

    def work(session):
        attempts.append(1)
        add(session, 1)
        if len(attempts) == 1:
            terminate_connections(postgres_counters, "state = 'idle in transaction'")
        add(session, 2)

    postgres_counters.run(work)
    assert len(attempts) == 2
    assert (value_of(postgres_counters, 1), value_of(postgres_counters, 2)) == (1, 1)


def test_a_transaction_whose_commit_was_lost_is_not_done_again(postgres_counters):
    """Nobody can tell whether it happened, and to do it a second time could make two of what was asked for once."""
    attempts = []

    def work(session):
        attempts.append(1)
        add(session, 1)
        if len(attempts) == 1:
            idle = "state = 'idle in transaction'"
            event.listen(session.connection(), "commit", lambda _: terminate_connections(postgres_counters, idle))

    with pytest.raises(Unavailable, match="look whether the change was made"):
        postgres_counters.run(work)
    assert len(attempts) == 1
    assert value_of(postgres_counters, 1) == 0


def test_a_statement_that_takes_too_long_is_ended(postgres_counters):
    with another(postgres_counters, database_statement_timeout=0.05) as hasty, pytest.raises(Unavailable):
        hasty.run(lambda session: session.execute(text("SELECT pg_sleep(20)")))


def test_waiting_too_long_for_a_lock_is_ended(counters):
    with another(counters, database_lock_timeout=0.05) as hasty, counters.transaction() as holder:
        add(holder, 1)
        with pytest.raises(Unavailable):
            hasty.run(lambda session: add(session, 1))
    assert value_of(counters, 1) == 1


def test_a_transaction_left_idle_is_ended_and_its_locks_with_it(postgres_counters):
    with another(postgres_counters, database_idle_timeout=0.05) as forgetful, forgetful.engine().connect() as idle:
        idle.execute(update(COUNTER).values(value=99))
        postgres_counters.run(lambda session: add(session, 1))
        idle.invalidate()
    assert value_of(postgres_counters, 1) == 1


def test_every_connection_being_in_use_is_said_so(counters, monkeypatch):
    arguments = engine.engine_arguments
    scarce = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.05}
    monkeypatch.setattr(engine, "engine_arguments", lambda url, settings: arguments(url, settings) | scarce)
    exhausted = pytest.raises(Unavailable, match="every database connection is in use")
    with another(counters) as small, small.engine().connect(), exhausted:
        small.run(lambda session: add(session, 1))


def test_a_server_that_does_not_answer_is_unavailable():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    database = Database(f"postgresql://nobody@127.0.0.1:{port}/nowhere", Settings())
    with pytest.raises(Unavailable):
        database.run(lambda session: session.execute(text("SELECT 1")))


def test_the_settings_reach_the_connections(counters):
    with another(counters, database_statement_timeout=1.5, database_lock_timeout=2.5, database_idle_timeout=3.5) as database:
        show = {"sqlite": ("PRAGMA {}", ("busy_timeout", "foreign_keys", "journal_mode")), "postgresql": ("SHOW {}", POSTGRES_SETTINGS)}
        template, names = show[database.engine().dialect.name]
        found = {name: database.run(lambda session, name=name: session.execute(text(template.format(name))).scalar()) for name in names}
    assert found in ({"busy_timeout": 2500, "foreign_keys": 1, "journal_mode": "wal"}, POSTGRES_SETTINGS)


POSTGRES_SETTINGS = {
    "TimeZone": "UTC",
    "statement_timeout": "1500ms",
    "lock_timeout": "2500ms",
    "idle_in_transaction_session_timeout": "3500ms",
    "jit": "off",
}


@pytest.mark.parametrize("url", ["mysql://u@h/d", "oracle://u@h/d", "sqlite://", "sqlite:///:memory:"])
def test_a_url_that_cannot_work_is_refused_with_the_reason(url):
    with pytest.raises(ValueError, match="sqlite:///file"):
        Database(url, Settings())


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_the_usual_spellings_of_a_postgresql_url_mean_the_driver_that_is_installed(scheme):
    assert Database(f"{scheme}://u@h/d", Settings()).url.drivername == "postgresql+psycopg2"

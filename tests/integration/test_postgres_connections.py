"""How PostgreSQL is connected to: for how long it is tried, and with which of libpq's parameters."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial

import pytest
from sqlalchemy import make_url, text

from app.config import Settings
from app.db import watchdog
from app.db.engine import migration_lock
from app.db.failures import driver_message
from app.db.session import Database
from app.errors import Unavailable
from tests.postgres_proxy import Proxy

PATIENCE = 30  # seconds after which a connection that should have been given up is taken for one that hangs


@contextmanager
def connected(url, **query):
    """A `Database` at `url` with `query` added to it."""
    longer = make_url(url).update_query_dict(query)
    database = Database(longer.render_as_string(hide_password=False), Settings(database_lock_timeout=2.5, database_connect_timeout=20.5))
    yield database
    database.dispose()


def show(database, name, read_only=False):
    return database.run(lambda session: session.execute(text(f"SHOW {name}")).scalar_one(), read_only=read_only)


def parameters(database):
    """libpq's parameters of a connection."""
    return database.run(lambda session: session.connection().connection.dbapi_connection.get_dsn_parameters())


def test_a_host_that_accepts_connections_and_says_nothing_is_given_up_after_the_connect_timeout():
    # the listener closes before the threads are waited for: that ends them, should they hang
    with ThreadPoolExecutor(2) as pool, socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/nowhere"
        database = Database(url, Settings(database_connect_timeout=2.0))
        # the engines do not wait for each other
        database.engine()
        asked = [pool.submit(database.run, lambda session: session.execute(text("SELECT 1")), read_only) for read_only in (False, True)]
        for answer in asked:
            with pytest.raises(Unavailable, match="no connection to the database can be made") as raised:
                answer.result(PATIENCE)
            assert "timeout expired" in driver_message(raised.value)


def test_a_connection_that_dies_without_a_word_is_noticed_within_a_minute(postgres_url):
    with connected(postgres_url) as database:
        found = {name: int(value) for name, value in parameters(database).items() if name.startswith(("keepalives", "tcp_"))}
    assert found["keepalives_idle"] + found["keepalives_interval"] * found["keepalives_count"] <= 60
    assert 0 < found["tcp_user_timeout"] <= 60_000


def test_the_servers_list_of_connections_says_whose_they_are(postgres_url):
    with connected(postgres_url) as database:
        assert show(database, "application_name") == show(database, "application_name", read_only=True) == "mintaka"
        # libpq takes whole seconds, and 20 would be less than was asked for
        assert parameters(database)["connect_timeout"] == "21"


@pytest.mark.parametrize("read_only", [False, True])
def test_what_the_url_says_wins_over_what_is_the_default(postgres_url, read_only):
    with connected(postgres_url, application_name="x", connect_timeout="3", keepalives_idle="77") as database:
        assert show(database, "application_name", read_only) == "x"
        found = parameters(database)
    assert (found["connect_timeout"], found["keepalives_idle"]) == ("3", "77")


@pytest.mark.parametrize("read_only", [False, True])
def test_options_of_the_url_are_added_to_those_that_the_settings_make(postgres_url, read_only):
    with connected(postgres_url, options="-c work_mem=7MB -c statement_timeout=12345") as database:
        found = {name: show(database, name, read_only) for name in ("work_mem", "statement_timeout", "lock_timeout", "TimeZone")}
    # where both name the same one, the URL's holds
    assert found == {"work_mem": "7MB", "statement_timeout": "12345ms", "lock_timeout": "2500ms", "TimeZone": "UTC"}


@pytest.fixture
def proxied(postgres_url, monkeypatch):
    """(the proxy, a `Database` behind it), with a second in all for a statement and its end."""
    monkeypatch.setattr(watchdog, "GRACE", 0.5)
    with closing(Proxy(postgres_url)) as proxy:
        settings = Settings(database_statement_timeout=0.5, database_connect_timeout=2.0)
        database = Database(proxy.url.render_as_string(hide_password=False), settings)
        yield proxy, database
        database.dispose()


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="only Linux says how long a connection has been silent")
@pytest.mark.parametrize("read_only", [False, True])
def test_a_database_that_accepts_everything_and_says_nothing_is_given_up(proxied, read_only):
    proxy, database = proxied
    ask = partial(database.run, lambda session: session.execute(text("SELECT 1")).scalar(), read_only)
    assert ask() == 1
    proxy.fall_silent()
    # should it hang, the proxy is closed before the thread is waited for
    pool = ThreadPoolExecutor(1)
    with pytest.raises(Unavailable):
        pool.submit(ask).result(PATIENCE)


def test_a_statement_that_the_server_ends_in_time_ends_no_connection(proxied):
    _, database = proxied
    pids = []

    def work(session):
        pids.append(session.execute(text("SELECT pg_backend_pid()")).scalar())
        session.execute(text("SELECT pg_sleep(0.2)"))

    for _ in range(4):
        database.run(work)
    with pytest.raises(Unavailable, match="too busy"):
        database.run(lambda session: session.execute(text("SELECT pg_sleep(60)")))
    database.run(work)
    assert len(set(pids)) == 1


def test_a_migration_may_take_as_long_as_it_does(proxied):
    _, database = proxied

    def work(session):
        migration_lock(session.connection(), 7)
        session.execute(text("SELECT pg_sleep(2)"))
        return True

    assert database.run(work)

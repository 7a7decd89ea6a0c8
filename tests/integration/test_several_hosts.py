"""A URL with several hosts: the one that takes changes is found, also when that becomes another."""

from contextlib import ExitStack

import pytest
from sqlalchemy import text

from app.config import Settings
from app.db import migrate
from app.db.session import Database
from app.domain.clock import utcnow
from app.errors import Unavailable
from app.repositories.flows import Flows
from tests.postgres_servers import own_servers
from tests.serving import wait_until


@pytest.fixture
def servers(postgres_url):
    with own_servers(postgres_url) as servers:
        yield servers


def test_when_the_primary_is_lost_the_standby_that_was_promoted_is_found(servers):
    with ExitStack() as stack:
        one = servers.primary("one")
        two = servers.standby("two", "one")
        # the standby first: it is passed over
        url = f"postgresql://mintaka@127.0.0.1:{two},127.0.0.1:{one}/postgres?target_session_attrs=read-write"
        database = Database(url, Settings(database_connect_timeout=5.0))
        stack.callback(database.dispose)
        migrate.upgrade(database)
        assert make_flow(database, "before")
        standby = Database(f"postgresql://mintaka@127.0.0.1:{two}/postgres", Settings())
        stack.callback(standby.dispose)
        wait_until(lambda: flows(standby) == ["before"], "the standby has the flow")
        servers.stop("one")
        with pytest.raises(Unavailable):
            make_flow(database, "meanwhile")
        servers.control("two", "promote")
        wait_until(lambda: try_to(lambda: make_flow(database, "after")), "the new primary is found")
        assert flows(database) == ["after", "before"]


def make_flow(database, name):
    return database.run(lambda session: Flows(session, utcnow).create(name, []))


def flows(database):
    return try_to(lambda: database.run(lambda session: session.scalars(text("SELECT name FROM flow ORDER BY 1")).all(), read_only=True))


def try_to(work):
    try:
        return work()
    except Unavailable:
        return None


def test_a_server_that_takes_no_changes_any_more_is_connected_to_anew(postgres_url):
    database = Database(postgres_url, Settings())

    def show(session):
        return session.scalar(text("SHOW default_transaction_read_only"))

    # as a primary that has become a standby while it was connected to
    database.run(lambda session: session.execute(text("SET default_transaction_read_only = on")))
    assert database.run(show) == "on"
    with pytest.raises(Unavailable, match="read-only"):
        make_flow(database, "f")
    assert database.run(show) == "off"
    assert make_flow(database, "f")
    database.dispose()

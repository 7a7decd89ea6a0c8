"""MINTAKA_QUERY_TIMEOUT: a transaction that only reads is ended when a statement takes too long, and says what to ask for less of."""

import time

import pytest
from sqlalchemy import text

from app import create_app
from app.config import Settings
from app.db.session import Database
from app.errors import QueryTooSlow
from tests.api.asking import problem
from tests.conftest import ApiClient

# what takes a minute or more
ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT count(*) FROM n",
    "postgresql": "SELECT count(*) FROM generate_series(1, 100000) AS a, generate_series(1, 100000) AS b",
}


@pytest.fixture
def hasty(database_url):
    """A `Database` whose reads may take a tenth of a second."""
    database = Database(database_url, Settings(query_timeout=0.1))
    yield database
    database.dispose()


def endless(session):
    return session.scalar(text(ENDLESS[session.get_bind().dialect.name]))


def test_a_read_that_takes_too_long_is_ended_and_the_connection_is_used_again(hasty):
    for _ in range(2):
        began = time.monotonic()
        with pytest.raises(QueryTooSlow, match=r"^The database did not find this within 0\.1 s\. Ask for less: "):
            hasty.run(endless, read_only=True)
        assert time.monotonic() - began < 20
        assert hasty.run(lambda session: session.scalar(text("SELECT 7")), read_only=True) == 7


def test_what_writes_is_not_held_to_the_time_of_reads(hasty):
    works = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT count(*) FROM n",
        "postgresql": "SELECT count(*) FROM generate_series(1, 1), pg_sleep(0.3)",
    }
    assert hasty.run(lambda session: session.scalar(text(works[session.get_bind().dialect.name]))) >= 1


def test_each_statement_has_the_time_for_itself(hasty):
    def read(session):
        for _ in range(3):
            session.scalar(text("SELECT 1"))
            time.sleep(0.06)
        return session.scalar(text("SELECT count(*) FROM flow"))

    assert hasty.run(read, read_only=True) == 0


def test_a_client_is_answered_503_with_what_to_ask_for_less_of(database_url, monkeypatch):
    app = create_app(Settings(database_url=database_url, query_timeout=0.1))
    app.test_client_class = ApiClient
    from app.repositories.flow_runs import FlowRuns

    monkeypatch.setattr(FlowRuns, "count", lambda self, filters: endless(self.session))
    answer = app.test_client().post("/flow_runs/count")
    assert "one deployment, flow or state" in problem(answer, 503)["detail"]
    assert answer.headers["Retry-After"] == "1"
    app.extensions["mintaka"].database.dispose()

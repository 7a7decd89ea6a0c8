"""Behind PgBouncer in transaction mode: what a connection asks for holds in each transaction, and nothing outlives one."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest
from sqlalchemy import text

from app import create_app
from app.config import Settings
from app.db import migrate
from app.db.failures import driver_message
from app.db.session import Database
from app.errors import QueryTooSlow, Unavailable
from tests.api.asking import ok, runs_of
from tests.api.factories import make_deployment, make_due_runs, make_work_queue
from tests.conftest import ENCRYPTION_KEY, ApiClient
from tests.databases import database_name, execute, libpq_dsn
from tests.integration import test_transitions_concurrency
from tests.pgbouncer import pgbouncer

SETTINGS = Settings(
    database_pooler=True, database_statement_timeout=2.0, query_timeout=0.5, database_lock_timeout=1.0, encryption_keys=(ENCRYPTION_KEY,)
)


@pytest.fixture
def pooled_url(postgres_url, tmp_path):
    """The URL of a migrated database whose time zone is New York, through PgBouncer."""
    execute(postgres_url, f"ALTER DATABASE {database_name(postgres_url)} SET timezone = 'America/New_York'")
    with pgbouncer(postgres_url, tmp_path) as url:
        yield url


@pytest.fixture
def pooled(pooled_url):
    """A `Database` behind PgBouncer."""
    database = Database(pooled_url, SETTINGS)
    yield database
    database.dispose()


@pytest.fixture
def client(pooled_url):
    app = create_app(replace(SETTINGS, database_url=pooled_url))
    app.test_client_class = ApiClient
    yield app.test_client()
    app.extensions["mintaka"].database.dispose()


@pytest.mark.parametrize("read_only", [False, True])
def test_time_zone_and_timeouts_hold_in_every_transaction(pooled, read_only):
    names = ("TimeZone", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "jit")

    def show(session):
        return [session.execute(text(f"SHOW {name}")).scalar_one() for name in names]

    for _ in range(3):
        assert pooled.run(show, read_only=read_only) == ["UTC", "500ms" if read_only else "2s", "1s", "1min", "off"]


def test_nothing_is_left_on_the_connections_of_the_pooler(pooled):
    for read_only in (False, True):
        pooled.run(lambda session: session.execute(text("SELECT 1")), read_only=read_only)
    # another program is given the same connections
    connection = psycopg2.connect(libpq_dsn(pooled.url))
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('TimeZone'), current_setting('statement_timeout')")
        assert cursor.fetchone() == ("America/New_York", "0")


def test_without_the_setting_such_a_pooler_refuses_the_connection(pooled_url):
    database = Database(pooled_url, replace(SETTINGS, database_pooler=False))
    with pytest.raises(Unavailable) as refused:
        database.run(lambda session: session.execute(text("SELECT 1")))
    assert "options" in driver_message(refused.value)


def test_a_statement_that_takes_too_long_is_ended(pooled):
    with pytest.raises(QueryTooSlow, match=r"within 0\.5 s"):
        pooled.run(lambda session: session.execute(text("SELECT pg_sleep(20)")), read_only=True)
    with pytest.raises(Unavailable):
        pooled.run(lambda session: session.execute(text("SELECT pg_sleep(20)")))


def test_the_api_answers_in_utc_and_does_what_it_does_elsewhere(client):
    deployment = make_deployment(client, schedule={"cron": "0 9 * * *", "timezone": "America/New_York"})
    runs = runs_of(client, deployment)
    assert len(runs) == 100
    assert all(run[name].endswith("+00:00") for run in runs for name in ("created", "expected_start_time"))
    make_due_runs(client, 2, due=datetime.now(UTC) - timedelta(hours=1))
    queue = make_work_queue(client)
    (claim,) = ok(client.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 1}))
    assert claim["lease_expires_at"].endswith("+00:00")
    path = f"/flow_runs/{claim['flow_run']['id']}/set_state"
    ok(client.post(path, json={"state": {"type": "COMPLETED"}, "lease_id": claim["lease_id"]}), 201)
    assert ok(client.post("/flow_runs/count", json={"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}})) == 1


def test_migrations_work_through_it(pooled):
    migrate.downgrade(pooled, "base")
    migrate.upgrade(pooled)
    assert migrate.pending(pooled) is None


@pytest.fixture
def crowded(pooled_url):
    """As in the tests of concurrency, through PgBouncer, with fewer connections to PostgreSQL than threads."""
    settings = Settings(database_pooler=True, database_pool_size=test_transitions_concurrency.AT_ONCE, database_lock_timeout=60.0)
    database = Database(pooled_url, settings)
    yield database
    database.dispose()


flow_run = test_transitions_concurrency.flow_run


@pytest.mark.parametrize(
    "rule",
    [
        test_transitions_concurrency.test_fifty_task_runs_never_hold_more_slots_than_there_are,
        test_transitions_concurrency.test_no_slot_outlives_a_flow_run_that_ends_while_its_task_runs_and_subflows_start_and_end,
    ],
    ids=lambda rule: rule.__name__,
)
def test_the_rules_of_concurrency_hold(crowded, flow_run, rule):
    rule(crowded, flow_run)

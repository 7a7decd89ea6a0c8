"""Migrations, on an empty database of each kind: they make the tables that the models describe, and take them away again."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from app.config import Settings
from app.db import migrate
from app.db.models import Base
from app.db.session import Database
from app.errors import NotReady, Unavailable
from tests.serving import PATIENCE, wait_until

ROOT = Path(__file__).parents[2]
TABLES = set(Base.metadata.tables)

# Both wait for a line on their standard input before they begin, so that neither has finished before the other starts
UPGRADE = """
import sys
from app.config import Settings
from app.db import migrate
from app.db.session import Database
database = Database(sys.argv[1], Settings())
print("ready", flush=True)
sys.stdin.readline()
migrate.upgrade(database)
"""


@pytest.fixture
def blank(blank_database_url):
    """A `Database` without tables."""
    database = Database(blank_database_url, Settings(database_lock_timeout=5.0))
    yield database
    database.dispose()


def execute(database, *statements):
    with database.engine().begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def table_names(database):
    return set(inspect(database.engine()).get_table_names()) - {"alembic_version"}


def described(database):
    """The tables as the database itself describes them: columns, keys, constraints and indexes, in no particular order."""
    if database.engine().dialect.name == "postgresql":
        queries = {
            "columns": "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default "
            "FROM information_schema.columns WHERE table_schema = 'public'",
            "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE connamespace = 'public'::regnamespace",
            "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        }
        with database.engine().connect() as connection:
            found = {kind: {tuple(row) for row in connection.execute(text(query))} for kind, query in queries.items()}
        # a trigram index is there only where the server has the extension
        ours = {kind: {row for row in rows if not str(row[1]).endswith("_trigram")} for kind, rows in found.items()}
        return {kind: {row for row in rows if row[0] != "alembic_version"} for kind, rows in ours.items()}
    with database.engine().connect() as connection:
        pragmas = {
            (table, pragma): {tuple(row)[1:] for row in connection.execute(text(f"PRAGMA {pragma}({table})"))}
            for table in TABLES
            for pragma in ("table_info", "foreign_key_list")
        }
        of_the_models = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name <> 'alembic_version'"
        indexes = {tuple(row) for row in connection.execute(text(of_the_models))}
    inspector = inspect(database.engine())
    checks = {(table, check["name"], check["sqltext"]) for table in TABLES for check in inspector.get_check_constraints(table)}
    uniques = {(table, unique["name"], *unique["column_names"]) for table in TABLES for unique in inspector.get_unique_constraints(table)}
    return {"pragmas": pragmas, "indexes": indexes, "checks": checks, "uniques": uniques}


def test_an_upgrade_brings_an_empty_database_to_the_newest_revision(blank):
    assert migrate.current(blank) is None
    migrate.upgrade(blank)
    assert migrate.current(blank) == migrate.head()
    assert table_names(blank) == TABLES


def test_an_upgrade_of_a_current_database_changes_nothing(blank):
    migrate.upgrade(blank)
    before = described(blank)
    migrate.upgrade(blank)
    assert described(blank) == before


def test_runs_have_trigram_indexes_where_postgresql_has_the_extension(blank_postgres_url):
    database = Database(blank_postgres_url, Settings())
    with database.engine().connect() as connection:
        available = bool(connection.scalar(text("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'")))
    migrate.upgrade(database)
    made = {"ix_flow_run_name_trigram", "ix_task_run_name_trigram"}
    with database.engine().connect() as connection:
        found = set(connection.scalars(text("SELECT indexname FROM pg_indexes WHERE indexname LIKE '%trigram'")))
    assert found == (made if available else set())
    assert migrate.differences(database) == []
    migrate.downgrade(database, "0002")
    migrate.upgrade(database)
    database.dispose()


def test_a_downgrade_to_base_takes_every_table_away_and_an_upgrade_brings_them_back(blank):
    migrate.upgrade(blank)
    before = described(blank)
    execute(
        blank, "INSERT INTO flow (id, created, updated, name) VALUES ('0190163d8694739baea5966c26f8ad91', '2022-01-01', '2022-01-01', 'f')"
    )
    migrate.downgrade(blank, "base")
    assert migrate.current(blank) is None
    assert table_names(blank) == set()
    migrate.upgrade(blank)
    assert described(blank) == before


def test_models_and_migrations_agree(database):
    assert migrate.differences(database) == []


def test_the_migrated_tables_are_those_that_the_models_would_make(blank):
    """Alembic's comparison passes over CHECK constraints, ON DELETE on SQLite and the conditions of partial indexes; this does not."""
    Base.metadata.create_all(blank.engine())
    of_the_models = described(blank)
    Base.metadata.drop_all(blank.engine())
    migrate.upgrade(blank)
    assert described(blank) == of_the_models


@pytest.mark.parametrize(
    "alteration, noticed",
    [
        ("ALTER TABLE flow ADD COLUMN extra TEXT", "remove_column"),
        ("ALTER TABLE deployment_schedule DROP COLUMN schedule_error", "add_column"),
        ("ALTER TABLE deployment_schedule RENAME COLUMN schedule_failures TO failures", "add_column"),
        ("DROP INDEX ix_flow_run_due", "add_index"),
        ("CREATE INDEX ix_flow_run_context ON flow_run (auto_scheduled)", "remove_index"),
        ("CREATE TABLE extra (id INTEGER)", "remove_table"),
        ("DROP TABLE flow_run_state", "add_table"),
    ],
)
def test_the_comparison_of_models_and_tables_notices_an_altered_table(database, alteration, noticed):
    execute(database, alteration)
    assert noticed in {operation[0] for operation in migrate.differences(database)}


@pytest.mark.parametrize(
    "alteration, noticed",
    [
        ("ALTER TABLE flow ALTER COLUMN tags DROP NOT NULL", "modify_nullable"),
        ("ALTER TABLE flow ALTER COLUMN tags DROP DEFAULT", "modify_default"),
        ("ALTER TABLE deployment ALTER COLUMN parameters TYPE json", "modify_type"),
        ("ALTER TABLE flow_run ALTER COLUMN start_time TYPE timestamp", "modify_type"),
        ("ALTER TABLE deployment DROP CONSTRAINT uq_deployment_flow_id_name", "add_constraint"),
        ("ALTER TABLE flow_run_state DROP CONSTRAINT fk_flow_run_state_flow_run_id", "add_fk"),
    ],
)
def test_the_comparison_notices_an_altered_column_or_constraint_on_postgresql(postgres_url, alteration, noticed):
    database = Database(postgres_url, Settings())
    execute(database, alteration)
    differences = migrate.differences(database)
    database.dispose()
    flat = [operation for entry in differences for operation in (entry if isinstance(entry, list) else [entry])]
    assert noticed in {operation[0] for operation in flat}


@pytest.fixture
def alembic(database_url, monkeypatch):
    """What Alembic's command line reads in a checkout, with a database that is migrated."""
    monkeypatch.setenv("MINTAKA_DATABASE_URL", database_url)
    return Config(toml_file=ROOT / "pyproject.toml")


def test_autogenerate_proposes_nothing_on_a_fresh_schema(alembic):
    command.check(alembic)


def test_autogenerate_writes_a_migration_that_adds_what_is_missing(alembic, database, tmp_path):
    execute(database, "ALTER TABLE flow_run DROP COLUMN flow_runner_config")
    alembic.set_main_option("script_location", str(shutil.copytree(ROOT / "migrations", tmp_path / "migrations")))
    script = command.revision(alembic, "Add what is missing", autogenerate=True, rev_id="9999")
    assert Path(script.path).name == "9999_add_what_is_missing.py"
    written = Path(script.path).read_text()
    assert "from app.db.types import Json\n" in written
    assert "batch_op.add_column(sa.Column('flow_runner_config', Json(), nullable=True))" in written
    assert written.count("_column(") == 2  # and what takes it back
    command.upgrade(alembic, "head")
    assert migrate.differences(database) == []


def test_every_constraint_and_index_has_a_name_of_the_convention(database):
    inspector = inspect(database.engine())
    for table in TABLES:
        names = [inspector.get_pk_constraint(table)["name"]]
        for listed in (
            inspector.get_unique_constraints(table),
            inspector.get_check_constraints(table),
            inspector.get_foreign_keys(table),
            inspector.get_indexes(table),
        ):
            names += [thing["name"] for thing in listed]
        assert all(name and name.split("_")[0] in ("pk", "uq", "ck", "fk", "ix") for name in names), names
        assert f"pk_{table}" in names


def test_every_foreign_key_has_an_index_that_begins_with_it(database):
    """Without one, deleting a row reads the whole of every table that may refer to it."""
    inspector = inspect(database.engine())
    for table in TABLES:
        first_columns = {thing["column_names"][0] for thing in inspector.get_indexes(table) + inspector.get_unique_constraints(table)}
        referring = {key["constrained_columns"][0] for key in inspector.get_foreign_keys(table)}
        assert referring <= first_columns, table


def test_processes_that_upgrade_at_the_same_moment_all_succeed(blank, blank_database_url):
    command = [sys.executable, "-c", UPGRADE, blank_database_url]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(3)]
    try:
        for process in processes:
            process.stdout.readline()
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        for process in processes:
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert migrate.current(blank) == migrate.head()
    assert migrate.differences(blank) == []


def waits_for_the_lock(database, seconds):
    """Whether somebody has waited for an advisory lock of this database for longer than `seconds`."""
    query = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND clock_timestamp() - waitstart > :waited "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with database.engine().connect() as connection:
        return connection.execute(text(query), {"waited": timedelta(seconds=seconds)}).scalar_one() == 1


def test_an_upgrade_waits_for_another_processs_for_as_long_as_that_takes(blank_postgres_url):
    hasty = Database(blank_postgres_url, Settings(database_lock_timeout=0.2, database_statement_timeout=1.0))
    patient = Database(blank_postgres_url, Settings())
    with ThreadPoolExecutor(1) as pool:
        with patient.transaction() as other:
            other.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": migrate.LOCK})
            upgrade = pool.submit(migrate.upgrade, hasty)
            wait_until(lambda: upgrade.done() or waits_for_the_lock(patient, 1.2), "the upgrade has waited longer than the timeouts")
            assert not upgrade.done(), upgrade.exception()
        upgrade.result(PATIENCE)
    assert migrate.current(patient) == migrate.head()
    hasty.dispose()
    patient.dispose()


def test_a_migration_that_finds_a_table_in_use_gives_up_for_it_keeps_all_who_come_later_waiting(postgres_url):
    hasty, patient = Database(postgres_url, Settings(database_lock_timeout=0.2)), Database(postgres_url, Settings())
    with patient.transaction() as other:
        other.execute(text("LOCK TABLE flow IN ACCESS SHARE MODE"))
        with pytest.raises(Unavailable):
            migrate.downgrade(hasty, "base")
    assert migrate.current(patient) == migrate.head()
    hasty.dispose()
    patient.dispose()


def test_a_database_that_is_newer_than_the_program_needs_another_program_and_no_upgrade(database):
    assert migrate.pending(database) is None
    execute(database, "UPDATE alembic_version SET version_num = '0099'")
    said = migrate.pending(database)
    assert "revision 0099, which this program is too old to know" in said
    assert "db upgrade" not in said
    for migration in (migrate.upgrade, lambda database: migrate.downgrade(database, "base")):
        with pytest.raises(NotReady, match="too old to know"):
            migration(database)


def test_an_upgrade_that_fails_leaves_nothing_behind(blank):
    execute(blank, "CREATE TABLE task_run_state (id INTEGER)")
    with pytest.raises(DBAPIError):
        migrate.upgrade(blank)
    assert table_names(blank) == {"task_run_state"}
    assert migrate.current(blank) is None


def test_keys_come_and_go_with_their_migration_and_nothing_else_does(blank):
    migrate.upgrade(blank, "0004")
    before = table_names(blank)
    flow = "0190163d8694739baea5966c26f8ad90"
    now = "'2022-01-01 00:00:00.000000'"
    execute(blank, f"INSERT INTO flow (id, created, updated, name) VALUES ('{flow}', {now}, {now}, 'f')")
    migrate.upgrade(blank, "0005")
    assert table_names(blank) - before == {"api_key"}
    migrate.downgrade(blank, "0004")
    assert table_names(blank) == before
    with blank.engine().connect() as connection:
        assert connection.execute(text("SELECT name FROM flow")).scalar_one() == "f"


def test_the_schedule_of_a_deployment_becomes_the_default_one_and_comes_back_and_runs_and_keys_stay(blank):
    migrate.upgrade(blank, "0003")
    flow, scheduled, bare, paused = (f"0190163d8694739baea5966c26f8ad9{n}" for n in range(4))
    columns = "id, created, updated, name, flow_id, flow_data, schedule, is_schedule_active, top_up_due, schedule_error"
    made = f"INSERT INTO deployment ({columns}) "
    runs = "INSERT INTO flow_run (id, created, updated, name, flow_id, deployment_id, auto_scheduled, idempotency_key) "
    now = "'2022-01-01 00:00:00.000000'"
    execute(
        blank,
        f"INSERT INTO flow (id, created, updated, name) VALUES ('{flow}', {now}, {now}, 'f')",
        f"""{made} VALUES ('{scheduled}', {now}, {now}, 's', '{flow}', '{{}}', '{{"interval"\\:60}}', true, {now}, 'broken')""",
        f"{made} VALUES ('{bare}', {now}, {now}, 'b', '{flow}', '{{}}', NULL, true, NULL, NULL)",
        f"""{made} VALUES ('{paused}', {now}, {now}, 'p', '{flow}', '{{}}', '{{"interval"\\:90}}', false, NULL, NULL)""",
        f"{runs} VALUES ('{scheduled}', {now}, {now}, 'r', '{flow}', '{scheduled}', true, 'scheduled x')",
        f"{runs} VALUES ('{bare}', {now}, {now}, 'r', '{flow}', '{scheduled}', false, 'by hand')",
    )

    def rows(query):
        with blank.engine().connect() as connection:
            return [tuple(str(value).replace("-", "").replace(" ", "") for value in row) for row in connection.execute(text(query))]

    before = rows("SELECT id, schedule, is_schedule_active, schedule_error FROM deployment ORDER BY name")
    keys = "SELECT id, idempotency_key FROM flow_run ORDER BY idempotency_key"
    runs_before = rows(keys)
    migrate.upgrade(blank)
    assert rows("SELECT deployment_id, slug, schedule_error FROM deployment_schedule ORDER BY deployment_id") == [
        (scheduled, "default", "broken"),
        (paused, "default", "None"),
    ]
    assert rows("SELECT name, paused_since IS NULL FROM deployment ORDER BY name")[1][1] in ("False", "0")
    slugs = rows("SELECT schedule_id, schedule_slug FROM flow_run ORDER BY idempotency_key")
    assert slugs == [("None", "None"), (rows("SELECT id FROM deployment_schedule WHERE schedule_error IS NOT NULL")[0][0], "default")]
    assert rows(keys) == runs_before
    migrate.downgrade(blank, "0003")
    assert rows("SELECT id, schedule, is_schedule_active, schedule_error FROM deployment ORDER BY name") == before
    assert rows(keys) == runs_before
    migrate.upgrade(blank)
    assert migrate.differences(blank) == []

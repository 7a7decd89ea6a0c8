"""The audit trail as a table: what the database itself refuses, and what retention deletes, on both databases."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.db.kept import retention
from app.db.models import AuditEntry
from app.domain.audit import COMMAND_LINE, Actor, Entry
from app.repositories.audit import AuditEntries
from app.scheduler import retention as retention_pass
from app.scheduler.retention import Pruner
from tests.parts import make_parts

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MONTH = timedelta(days=30)
NAME = AuditEntry.__table__.c.object_name


def add(database, *ages):
    """Add an entry for each age in days, which is its object's name."""
    with database.transaction() as session:
        for age in ages:
            entries = AuditEntries(session, lambda age=age: NOON - timedelta(days=age))
            entries.add(Actor(COMMAND_LINE, "ada"), Entry(action="delete", object_kind="flow", object_name=str(age)))


def names(database):
    with database.transaction(read_only=True) as session:
        return set(session.scalars(select(NAME)))


def refused(database, statement):
    with pytest.raises(DBAPIError, match="neither changed nor deleted"), database.transaction() as session:
        session.execute(text(statement))


def prune(database, **options):
    return Pruner(make_parts(database, lambda: NOON), audit=MONTH).run_once(**options).audit_entries


def test_the_database_refuses_to_change_and_to_delete_entries(database):
    add(database, 1)
    refused(database, "UPDATE audit_entry SET actor = 'nobody'")
    refused(database, "DELETE FROM audit_entry")
    if database.url.get_backend_name() == "postgresql":
        refused(database, "TRUNCATE audit_entry")
    assert names(database) == {"1"}


def test_retention_deletes_old_entries_and_nobody_else_does_then(database, monkeypatch):
    monkeypatch.setattr(retention_pass, "FIRST_BATCH", 2)
    add(database, 1, 29, 31, 32, 33, 34, 400)
    assert prune(database, dry_run=True) == 5
    assert prune(database) == 5
    assert names(database) == {"1", "29"}
    refused(database, "DELETE FROM audit_entry")


def test_retention_lets_nobody_change_an_entry(database):
    add(database, 1)
    with pytest.raises(DBAPIError, match="neither changed nor deleted"), database.transaction() as session, retention(session):
        session.execute(text("UPDATE audit_entry SET actor = 'nobody'"))


def test_retention_that_fails_half_way_lets_nobody_delete_afterwards(database):
    add(database, 1)
    with suppress(ZeroDivisionError), database.transaction() as session, retention(session):
        session.execute(text("DELETE FROM audit_entry"))
        _ = 1 / 0
    assert names(database) == {"1"}
    refused(database, "DELETE FROM audit_entry")


def test_within_a_transaction_retention_ends_with_its_block(database):
    add(database, 1)
    with suppress(DBAPIError), database.transaction() as session:
        with retention(session):
            pass
        session.execute(text("DELETE FROM audit_entry"))
    assert names(database) == {"1"}


def test_nothing_is_deleted_by_default(database):
    add(database, 4000)
    Pruner(make_parts(database, lambda: NOON)).run_once()
    assert names(database) == {"4000"}

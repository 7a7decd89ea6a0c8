"""Rows that triggers keep from being deleted: those of the audit trail."""

from contextlib import contextmanager

from sqlalchemy import text

from app.db.engine import is_sqlite

# What migrations call it
SQLITE_TRIGGER = "audit_entry_is_not_deleted"


@contextmanager
def retention(session):
    """Let entries of the audit trail be deleted in the block, by this transaction alone."""
    connection = session.connection()
    if not is_sqlite(connection):
        # what the trigger goes by; it ends with the transaction, should the block raise
        connection.execute(text("SET LOCAL mintaka.retention = 'on'"))
        yield
        connection.execute(text("SET LOCAL mintaka.retention = 'off'"))
        return
    # nobody else writes meanwhile, and a rollback brings the trigger back
    trigger = connection.scalar(text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = :name"), {"name": SQLITE_TRIGGER})
    connection.execute(text(f"DROP TRIGGER IF EXISTS {SQLITE_TRIGGER}"))
    yield
    if trigger is not None:
        connection.exec_driver_sql(trigger)

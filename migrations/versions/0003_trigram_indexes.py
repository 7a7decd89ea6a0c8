"""Trigram indexes on the names of runs, where PostgreSQL has the extension for them

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("flow_run", "task_run")


def upgrade():
    if op.get_context().dialect.name != "postgresql" or not _has_trigrams(op.get_bind()):
        return
    for table in TABLES:
        op.execute(f"CREATE INDEX ix_{table}_name_trigram ON {table} USING gin (lower(name) gin_trgm_ops)")


def downgrade():
    if op.get_context().dialect.name == "postgresql":
        for table in TABLES:
            op.execute(f"DROP INDEX IF EXISTS ix_{table}_name_trigram")


def _has_trigrams(connection):
    """Return whether the extension is there, after an attempt to create it: a role may lack the right, or a search path its schema."""
    if not connection.scalar(sa.text("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'")):
        return False
    try:
        with connection.begin_nested():
            connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
            connection.execute(sa.text("SELECT show_trgm('a')"))
    except sa.exc.DBAPIError:
        return False
    return True

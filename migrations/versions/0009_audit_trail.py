"""The audit trail, whose entries are neither changed nor, but by retention, deleted

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

from app.db.types import Json, UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

REFUSED = "entries of the audit trail are neither changed nor deleted"

# Retention says so in its transaction: SET LOCAL mintaka.retention = 'on'
POSTGRESQL = (
    f"""
    CREATE FUNCTION audit_entry_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND current_setting('mintaka.retention', true) = 'on' THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION '{REFUSED}' USING ERRCODE = 'insufficient_privilege';
    END
    $$
    """,
    "CREATE TRIGGER audit_entry_rows_are_kept BEFORE UPDATE OR DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION audit_entry_is_kept()",
    "CREATE TRIGGER audit_entry_is_not_truncated BEFORE TRUNCATE ON audit_entry FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_is_kept()",
)
# Retention drops the second, and creates it again, in its transaction
SQLITE = (
    f"CREATE TRIGGER audit_entry_is_not_changed BEFORE UPDATE ON audit_entry BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END",
    f"CREATE TRIGGER audit_entry_is_not_deleted BEFORE DELETE ON audit_entry BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END",
)


def upgrade():
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("created", UtcDateTime, nullable=False),
        sa.Column("via", sa.String(8), nullable=False),
        sa.Column("actor", sa.Text),
        sa.Column("key_id", sa.Uuid),
        sa.Column("address", sa.Text),
        sa.Column("request_id", sa.String(128)),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("object_kind", sa.String(32), nullable=False),
        sa.Column("object_id", sa.Uuid),
        sa.Column("object_name", sa.Text),
        sa.Column("changes", Json, nullable=False),
        sa.Column("details", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entry"),
    )
    op.create_index("ix_audit_entry_created_id", "audit_entry", ["created", "id"])
    op.create_index("ix_audit_entry_object_id", "audit_entry", ["object_id"])
    for statement in POSTGRESQL if _is_postgresql() else SQLITE:
        op.execute(statement)


def downgrade():
    # its triggers go with it; SQLite empties a table that it drops, but fires none
    op.drop_table("audit_entry")
    if _is_postgresql():
        op.execute("DROP FUNCTION audit_entry_is_kept()")


def _is_postgresql():
    return op.get_context().dialect.name == "postgresql"

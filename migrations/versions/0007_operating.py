"""Heartbeats of schedulers, and an index for retention

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

from app.db.types import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UNSTARTED = sa.text("end_time IS NULL AND state_type IN ('CANCELLED', 'COMPLETED', 'FAILED')")


def upgrade():
    op.create_index("ix_flow_run_ended_unstarted", "flow_run", ["updated", "id"], postgresql_where=UNSTARTED, sqlite_where=UNSTARTED)
    op.create_table(
        "heartbeat",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("created", UtcDateTime, nullable=False),
        sa.Column("service", sa.String(63), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("loop_seconds", sa.Float(53), nullable=False),
        sa.Column("last_pass", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_heartbeat"),
    )
    op.create_index("ix_heartbeat_service_last_pass", "heartbeat", ["service", "last_pass"])


def downgrade():
    op.drop_table("heartbeat")
    op.drop_index("ix_flow_run_ended_unstarted", "flow_run")

"""Whether due runs of a deployment start, when queues were asked, and backfills

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

from app.db.types import Json, UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

POLICY = "concurrency_limit IS NOT NULL OR catchup_window_seconds IS NOT NULL"
HELD = "state_type IN ('PENDING', 'RUNNING')"


def partial_index(name, table, columns, condition):
    op.create_index(name, table, columns, postgresql_where=sa.text(condition), sqlite_where=sa.text(condition))


def upgrade():
    for column in (
        sa.Column("concurrency_limit", sa.Integer),
        sa.Column("overlap", sa.String(16), nullable=False, server_default="buffer_all"),
        sa.Column("catchup_window_seconds", sa.Integer),
        sa.Column("pause_after_failures", sa.Integer),
        sa.Column("failures_in_a_row", sa.Integer, nullable=False, server_default=sa.text("0")),
    ):
        op.add_column("deployment", column)
    partial_index("ix_deployment_policy", "deployment", ["id"], POLICY)

    op.add_column("work_queue", sa.Column("last_polled", UtcDateTime))

    op.create_table(
        "backfill",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("created", UtcDateTime, nullable=False),
        sa.Column("updated", UtcDateTime, nullable=False),
        sa.Column("deployment_id", sa.Uuid, nullable=False),
        sa.Column("slug", sa.String(63), nullable=False),
        sa.Column("schedule", Json, nullable=False),
        sa.Column("start", UtcDateTime, nullable=False),
        sa.Column("end", UtcDateTime, nullable=False),
        sa.Column("order", sa.String(8), nullable=False),
        sa.Column("max_active", sa.Integer),
        sa.Column("reprocess", sa.String(8), nullable=False),
        sa.Column("parameters", Json, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("made", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("next_occurrence", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_backfill"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name="fk_backfill_deployment_id", ondelete="CASCADE"),
        sa.CheckConstraint("state IN ('RUNNING', 'PAUSED', 'COMPLETED', 'CANCELLED')", name="ck_backfill_state"),
    )
    op.create_index("ix_backfill_deployment_id", "backfill", ["deployment_id"])
    partial_index("ix_backfill_running", "backfill", ["id"], "state = 'RUNNING'")

    op.add_column("flow_run", sa.Column("backfill_id", sa.Uuid))
    partial_index("ix_flow_run_held", "flow_run", ["deployment_id"], HELD)
    partial_index("ix_flow_run_backfill_id", "flow_run", ["backfill_id", "state_type"], "backfill_id IS NOT NULL")


def downgrade():
    for name in ("ix_flow_run_backfill_id", "ix_flow_run_held"):
        op.drop_index(name, "flow_run")
    op.drop_column("flow_run", "backfill_id")
    op.drop_table("backfill")
    op.drop_column("work_queue", "last_polled")
    op.drop_index("ix_deployment_policy", "deployment")
    for name in ("failures_in_a_row", "pause_after_failures", "catchup_window_seconds", "overlap", "concurrency_limit"):
        op.drop_column("deployment", name)

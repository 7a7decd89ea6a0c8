"""Flows, deployments, flow runs, task runs, and the history of their states

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

from app.db.types import Json, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATE_TYPES = "'SCHEDULED', 'PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED'"
EMPTY_OBJECT, EMPTY_ARRAY, ZERO = sa.text("'{}'"), sa.text("'[]'"), sa.text("0")


def identity(*, updated=True):
    columns = [sa.Column("id", sa.Uuid, nullable=False), sa.Column("created", UtcDateTime, nullable=False)]
    return columns + [sa.Column("updated", UtcDateTime, nullable=False)] * updated


def run_columns():
    return [
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state_id", sa.Uuid),
        sa.Column("state_type", sa.String(16)),
        sa.Column("state_name", sa.Text),
        sa.Column("run_count", sa.Integer, nullable=False, server_default=ZERO),
        sa.Column("total_run_time", sa.Float(53), nullable=False, server_default=ZERO),
        sa.Column("expected_start_time", UtcDateTime),
        sa.Column("next_scheduled_start_time", UtcDateTime),
        sa.Column("start_time", UtcDateTime),
        sa.Column("end_time", UtcDateTime),
        sa.Column("tags", Json, nullable=False, server_default=EMPTY_ARRAY),
    ]


def state_columns():
    return [
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("timestamp", UtcDateTime, nullable=False),
        sa.Column("message", sa.Text),
        sa.Column("state_details", Json, nullable=False, server_default=EMPTY_OBJECT),
        sa.Column("data", Json),
    ]


def partial_index(name, table, columns, condition):
    op.create_index(name, table, columns, postgresql_where=sa.text(condition), sqlite_where=sa.text(condition))


def tags_index(table):
    if op.get_bind().dialect.name == "postgresql":
        op.create_index(f"ix_{table}_tags", table, ["tags"], postgresql_using="gin", postgresql_ops={"tags": "jsonb_path_ops"})


def run_indexes(table):
    tags_index(table)
    op.create_index(f"ix_{table}_name", table, ["name"])
    op.create_index(f"ix_{table}_state_type_state_name", table, ["state_type", "state_name"])
    op.create_index(f"ix_{table}_state_name", table, ["state_name"])
    op.create_index(f"ix_{table}_expected_start_time_id", table, ["expected_start_time", "id"])
    op.create_index(f"ix_{table}_end_time", table, ["end_time"])
    partial_index(f"ix_{table}_start_time", table, ["start_time"], "start_time IS NOT NULL")
    partial_index(f"ix_{table}_due", table, ["next_scheduled_start_time", "id"], "state_type = 'SCHEDULED'")


def upgrade():
    op.create_table(
        "flow",
        *identity(),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("tags", Json, nullable=False, server_default=EMPTY_ARRAY),
        sa.PrimaryKeyConstraint("id", name="pk_flow"),
        sa.UniqueConstraint("name", name="uq_flow_name"),
    )
    tags_index("flow")
    op.create_index("ix_flow_created", "flow", ["created"])
    op.create_index("ix_flow_updated", "flow", ["updated"])

    op.create_table(
        "deployment",
        *identity(),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("flow_id", sa.Uuid, nullable=False),
        sa.Column("flow_data", Json, nullable=False),
        sa.Column("schedule", Json),
        sa.Column("is_schedule_active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("parameters", Json, nullable=False, server_default=EMPTY_OBJECT),
        sa.Column("flow_runner_type", sa.Text),
        sa.Column("flow_runner_config", Json),
        sa.Column("top_up_due", UtcDateTime),
        sa.Column("schedule_error", sa.Text),
        sa.Column("schedule_failures", sa.Integer, nullable=False, server_default=ZERO),
        sa.Column("tags", Json, nullable=False, server_default=EMPTY_ARRAY),
        sa.PrimaryKeyConstraint("id", name="pk_deployment"),
        sa.UniqueConstraint("flow_id", "name", name="uq_deployment_flow_id_name"),
        sa.ForeignKeyConstraint(["flow_id"], ["flow.id"], name="fk_deployment_flow_id", ondelete="CASCADE"),
    )
    tags_index("deployment")
    op.create_index("ix_deployment_name_id", "deployment", ["name", "id"])
    partial_index("ix_deployment_top_up_due", "deployment", ["top_up_due", "id"], "top_up_due IS NOT NULL")

    # flow_run and task_run refer to each other. SQLite takes a reference to a table that is yet to come, and adds none afterwards
    parent = sa.ForeignKeyConstraint(["parent_task_run_id"], ["task_run.id"], name="fk_flow_run_parent_task_run_id", ondelete="SET NULL")
    sqlite = op.get_bind().dialect.name == "sqlite"
    op.create_table(
        "flow_run",
        *identity(),
        sa.Column("flow_id", sa.Uuid, nullable=False),
        sa.Column("deployment_id", sa.Uuid),
        sa.Column("flow_version", sa.Text),
        sa.Column("parameters", Json, nullable=False, server_default=EMPTY_OBJECT),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("context", Json, nullable=False, server_default=EMPTY_OBJECT),
        sa.Column("empirical_policy", Json, nullable=False, server_default=EMPTY_OBJECT),
        sa.Column("empirical_config", Json, nullable=False, server_default=EMPTY_OBJECT),
        sa.Column("parent_task_run_id", sa.Uuid),
        sa.Column("auto_scheduled", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("flow_runner_type", sa.Text),
        sa.Column("flow_runner_config", Json),
        *run_columns(),
        sa.PrimaryKeyConstraint("id", name="pk_flow_run"),
        sa.UniqueConstraint("flow_id", "idempotency_key", name="uq_flow_run_flow_id_idempotency_key"),
        sa.CheckConstraint(f"state_type IN ({STATE_TYPES})", name="ck_flow_run_state_type"),
        sa.ForeignKeyConstraint(["flow_id"], ["flow.id"], name="fk_flow_run_flow_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name="fk_flow_run_deployment_id", ondelete="SET NULL"),
        *([parent] if sqlite else []),
    )
    run_indexes("flow_run")
    op.create_index("ix_flow_run_deployment_id_expected_start_time_id", "flow_run", ["deployment_id", "expected_start_time", "id"])
    op.create_index("ix_flow_run_flow_runner_type", "flow_run", ["flow_runner_type"])
    partial_index("ix_flow_run_parent_task_run_id", "flow_run", ["parent_task_run_id"], "parent_task_run_id IS NOT NULL")
    partial_index("ix_flow_run_flow_version", "flow_run", ["flow_version"], "flow_version IS NOT NULL")

    op.create_table(
        "task_run",
        *identity(),
        sa.Column("flow_run_id", sa.Uuid, nullable=False),
        sa.Column("task_key", sa.Text, nullable=False),
        sa.Column("dynamic_key", sa.Text, nullable=False),
        sa.Column("cache_key", sa.Text),
        sa.Column("cache_expiration", UtcDateTime),
        sa.Column("task_version", sa.Text),
        sa.Column("empirical_policy", Json, nullable=False, server_default=EMPTY_OBJECT),
        sa.Column("task_inputs", Json, nullable=False, server_default=EMPTY_OBJECT),
        *run_columns(),
        sa.PrimaryKeyConstraint("id", name="pk_task_run"),
        sa.UniqueConstraint("flow_run_id", "task_key", "dynamic_key", name="uq_task_run_flow_run_id_task_key_dynamic_key"),
        sa.CheckConstraint(f"state_type IN ({STATE_TYPES})", name="ck_task_run_state_type"),
        sa.ForeignKeyConstraint(["flow_run_id"], ["flow_run.id"], name="fk_task_run_flow_run_id", ondelete="CASCADE"),
    )
    run_indexes("task_run")
    if not sqlite:
        op.create_foreign_key("fk_flow_run_parent_task_run_id", "flow_run", "task_run", ["parent_task_run_id"], ["id"], ondelete="SET NULL")

    for kind in ("flow_run", "task_run"):
        op.create_table(
            f"{kind}_state",
            *identity(updated=False),
            sa.Column(f"{kind}_id", sa.Uuid, nullable=False),
            *state_columns(),
            sa.PrimaryKeyConstraint("id", name=f"pk_{kind}_state"),
            sa.CheckConstraint(f"type IN ({STATE_TYPES})", name=f"ck_{kind}_state_type"),
            sa.ForeignKeyConstraint([f"{kind}_id"], [f"{kind}.id"], name=f"fk_{kind}_state_{kind}_id", ondelete="CASCADE"),
        )
        op.create_index(f"ix_{kind}_state_{kind}_id_timestamp", f"{kind}_state", [f"{kind}_id", "timestamp"])


def downgrade():
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint("fk_flow_run_parent_task_run_id", "flow_run", type_="foreignkey")
    for table in ("task_run_state", "flow_run_state", "task_run", "flow_run", "deployment", "flow"):
        op.drop_table(table)

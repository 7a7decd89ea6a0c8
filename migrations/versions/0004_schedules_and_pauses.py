"""Several schedules for a deployment, and why and until when it is paused

The schedule that a deployment has becomes the one with the slug `default`; its id is the deployment's. The downgrade brings that one back,
and loses the others.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

from app.db.types import Json, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

EMPTY_OBJECT, EMPTY_ARRAY, ZERO = sa.text("'{}'"), sa.text("'[]'"), sa.text("0")
TOP_UP = ("top_up_due", "schedule_error", "schedule_failures")


def partial_index(name, table, columns, condition):
    op.create_index(name, table, columns, postgresql_where=sa.text(condition), sqlite_where=sa.text(condition))


def top_up_columns():
    return [
        sa.Column("top_up_due", UtcDateTime),
        sa.Column("schedule_error", sa.Text),
        sa.Column("schedule_failures", sa.Integer, nullable=False, server_default=ZERO),
    ]


def upgrade():
    op.create_table(
        "deployment_schedule",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("created", UtcDateTime, nullable=False),
        sa.Column("updated", UtcDateTime, nullable=False),
        sa.Column("deployment_id", sa.Uuid, nullable=False),
        sa.Column("slug", sa.String(63), nullable=False),
        sa.Column("schedule", Json, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("starts_at", UtcDateTime),
        sa.Column("ends_at", UtcDateTime),
        sa.Column("exclude", Json, nullable=False, server_default=EMPTY_ARRAY),
        sa.Column("jitter_seconds", sa.Integer, nullable=False, server_default=ZERO),
        sa.Column("gap", sa.String(8), nullable=False, server_default="later"),
        sa.Column("fold", sa.String(8), nullable=False, server_default="first"),
        sa.Column("parameters", Json, nullable=False, server_default=EMPTY_OBJECT),
        sa.Column("max_scheduled_runs", sa.Integer),
        *top_up_columns(),
        sa.Column("rules_version", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_deployment_schedule"),
        sa.UniqueConstraint("deployment_id", "slug", name="uq_deployment_schedule_deployment_id_slug"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name="fk_deployment_schedule_deployment_id", ondelete="CASCADE"),
    )
    copied = ", ".join(("created", "updated", "schedule", *TOP_UP))
    op.execute(
        f"INSERT INTO deployment_schedule (id, deployment_id, slug, {copied}) "
        f"SELECT id, id, 'default', {copied} FROM deployment WHERE schedule IS NOT NULL"
    )
    partial_index("ix_deployment_schedule_top_up_due", "deployment_schedule", ["top_up_due", "id"], "top_up_due IS NOT NULL")

    op.drop_index("ix_deployment_top_up_due", "deployment")
    # a column at a time, in place: SQLite's other way makes the table anew, and to drop the old one deletes all that refers to it
    for name in ("schedule", *TOP_UP):
        op.drop_column("deployment", name)
    op.add_column("deployment", sa.Column("pause_note", sa.Text))
    op.add_column("deployment", sa.Column("paused_until", UtcDateTime))
    op.add_column("deployment", sa.Column("paused_since", UtcDateTime))
    op.execute("UPDATE deployment SET paused_since = updated WHERE NOT is_schedule_active")
    partial_index("ix_deployment_paused_until", "deployment", ["paused_until", "id"], "paused_until IS NOT NULL")

    op.add_column("flow_run", sa.Column("schedule_id", sa.Uuid))
    op.add_column("flow_run", sa.Column("schedule_slug", sa.String(63)))
    op.execute(
        "UPDATE flow_run SET schedule_slug = 'default', "
        "schedule_id = (SELECT id FROM deployment_schedule WHERE id = flow_run.deployment_id) WHERE auto_scheduled"
    )


def downgrade():
    for name in ("schedule_slug", "schedule_id"):
        op.drop_column("flow_run", name)
    op.drop_index("ix_deployment_paused_until", "deployment")
    for name in ("paused_since", "paused_until", "pause_note"):
        op.drop_column("deployment", name)
    for column in (sa.Column("schedule", Json), *top_up_columns()):
        op.add_column("deployment", column)
    default = "FROM deployment_schedule WHERE deployment_id = deployment.id AND slug = 'default'"
    values = ", ".join(f"{name} = (SELECT {name} {default})" for name in ("schedule", *TOP_UP))
    op.execute(f"UPDATE deployment SET {values} WHERE EXISTS (SELECT 1 {default})")
    # the one switch that is left
    op.execute(f"UPDATE deployment SET is_schedule_active = false WHERE EXISTS (SELECT 1 {default} AND NOT is_active)")
    partial_index("ix_deployment_top_up_due", "deployment", ["top_up_due", "id"], "top_up_due IS NOT NULL")
    op.drop_table("deployment_schedule")

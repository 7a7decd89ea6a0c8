"""Cached results, leases, work queues, agents, logs, concurrency limits, saved searches and blocks

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

from app.db.types import Json, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

EMPTY_OBJECT, EMPTY_ARRAY, ZERO = sa.text("'{}'"), sa.text("'[]'"), sa.text("0")


def table(name, *columns, updated=True):
    identity = [sa.Column("id", sa.Uuid, nullable=False), sa.Column("created", UtcDateTime, nullable=False)]
    identity += [sa.Column("updated", UtcDateTime, nullable=False)] * updated
    op.create_table(name, *identity, *columns, sa.PrimaryKeyConstraint("id", name=f"pk_{name}"))


def reference(owner, column, to, ondelete="CASCADE"):
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=f"fk_{owner}_{column}", ondelete=ondelete)


def unique(owner, *columns):
    return sa.UniqueConstraint(*columns, name="_".join(("uq", owner, *columns)))


def index(owner, *columns):
    op.create_index("_".join(("ix", owner, *columns)), owner, list(columns))


def partial_index(name, owner, columns, condition, *, unique=False):
    where = sa.text(condition)
    op.create_index(name, owner, columns, unique=unique, postgresql_where=where, sqlite_where=where)


def upgrade():
    runs()
    work()
    blocks()


def work():
    table(
        "log",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("flow_run_id", sa.Uuid, nullable=False),
        sa.Column("task_run_id", sa.Uuid),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("timestamp", UtcDateTime, nullable=False),
        updated=False,
    )
    index("log", "flow_run_id", "timestamp")
    partial_index("ix_log_task_run_id_timestamp", "log", ["task_run_id", "timestamp"], "task_run_id IS NOT NULL")
    index("log", "timestamp")

    table(
        "concurrency_limit",
        sa.Column("tag", sa.String(255), nullable=False),
        sa.Column("concurrency_limit", sa.Integer, nullable=False, server_default=ZERO),
        unique("concurrency_limit", "tag"),
    )
    table(
        "concurrency_slot",
        sa.Column("concurrency_limit_id", sa.Uuid, nullable=False),
        sa.Column("task_run_id", sa.Uuid, nullable=False),
        reference("concurrency_slot", "concurrency_limit_id", "concurrency_limit"),
        reference("concurrency_slot", "task_run_id", "task_run"),
        unique("concurrency_slot", "concurrency_limit_id", "task_run_id"),
        updated=False,
    )
    index("concurrency_slot", "task_run_id")

    table(
        "saved_search",
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("filters", Json, nullable=False, server_default=EMPTY_ARRAY),
        unique("saved_search", "name"),
    )


def runs():
    table(
        "work_queue",
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("filter", Json, nullable=False, server_default=EMPTY_OBJECT),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("is_paused", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("concurrency_limit", sa.Integer),
        unique("work_queue", "name"),
    )
    table(
        "agent",
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("work_queue_id", sa.Uuid, nullable=False),
        sa.Column("last_activity_time", UtcDateTime, nullable=False),
        reference("agent", "work_queue_id", "work_queue"),
    )
    index("agent", "work_queue_id")

    table(
        "cached_result",
        sa.Column("key_digest", sa.String(64), nullable=False),
        sa.Column("cache_expiration", UtcDateTime),
        sa.Column("task_run_state_id", sa.Uuid, nullable=False),
        reference("cached_result", "task_run_state_id", "task_run_state"),
        updated=False,
    )
    index("cached_result", "key_digest", "created")
    index("cached_result", "task_run_state_id")

    table(
        "lease",
        sa.Column("flow_run_id", sa.Uuid, nullable=False),
        sa.Column("work_queue_id", sa.Uuid),
        sa.Column("worker", sa.String(255)),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        reference("lease", "flow_run_id", "flow_run"),
        reference("lease", "work_queue_id", "work_queue", ondelete="SET NULL"),
        unique("lease", "flow_run_id"),
        updated=False,
    )
    index("lease", "expires_at")
    index("lease", "work_queue_id")


def blocks():
    table(
        "block_type",
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("logo_url", sa.Text),
        sa.Column("documentation_url", sa.Text),
        sa.Column("description", sa.Text),
        sa.Column("code_example", sa.Text),
        unique("block_type", "name"),
    )
    table(
        "block_schema",
        sa.Column("checksum", sa.String(255), nullable=False),
        sa.Column("fields", Json, nullable=False, server_default=EMPTY_OBJECT),
        sa.Column("capabilities", Json, nullable=False, server_default=EMPTY_ARRAY),
        sa.Column("block_type_id", sa.Uuid, nullable=False),
        reference("block_schema", "block_type_id", "block_type"),
        unique("block_schema", "checksum"),
    )
    index("block_schema", "block_type_id")
    references("block_schema")
    table(
        "block_document",
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("is_anonymous", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("is_default_storage_block_document", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("block_type_id", sa.Uuid, nullable=False),
        sa.Column("block_schema_id", sa.Uuid, nullable=False),
        reference("block_document", "block_type_id", "block_type"),
        reference("block_document", "block_schema_id", "block_schema"),
        unique("block_document", "block_type_id", "name"),
    )
    index("block_document", "name")
    index("block_document", "block_schema_id")
    default = "is_default_storage_block_document"
    partial_index("uq_block_document_default_storage", "block_document", [default], default, unique=True)
    references("block_document")


def references(owner):
    """A table of which row of `owner` holds which other under which name."""
    name = f"{owner}_reference"
    parent, other = f"parent_{owner}_id", f"reference_{owner}_id"
    table(
        name,
        sa.Column("name", sa.Text, nullable=False),
        sa.Column(parent, sa.Uuid, nullable=False),
        sa.Column(other, sa.Uuid, nullable=False),
        reference(name, parent, owner),
        reference(name, other, owner),
        updated=False,
    )
    index(name, parent)
    index(name, other)


def downgrade():
    for name in (
        *("block_document_reference", "block_document", "block_schema_reference", "block_schema", "block_type"),
        *("saved_search", "concurrency_slot", "concurrency_limit", "log"),
        *("lease", "cached_result", "agent", "work_queue"),
    ):
        op.drop_table(name)

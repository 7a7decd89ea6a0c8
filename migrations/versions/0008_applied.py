"""What was made by applying files, so that --prune touches nothing else

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

from app.db.types import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "applied",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("created", UtcDateTime, nullable=False),
        sa.Column("updated", UtcDateTime, nullable=False),
        sa.Column("set_name", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("object_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_applied"),
        sa.UniqueConstraint("kind", "object_id", name="uq_applied_kind_object_id"),
    )
    op.create_index("ix_applied_set_name", "applied", ["set_name"])


def downgrade():
    op.drop_table("applied")

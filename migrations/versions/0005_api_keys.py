"""API keys

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

from app.db.types import Json, UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "api_key",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("created", UtcDateTime, nullable=False),
        sa.Column("updated", UtcDateTime, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("previous_digest", sa.String(64)),
        sa.Column("previous_expires", UtcDateTime),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("expires", UtcDateTime),
        sa.Column("revoked", UtcDateTime),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
        sa.UniqueConstraint("name", name="uq_api_key_name"),
    )


def downgrade():
    op.drop_table("api_key")

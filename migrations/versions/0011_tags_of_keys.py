"""The tags that an API key is fenced in by

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

from app.db.types import Json

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("api_key", sa.Column("tags", Json))


def downgrade():
    op.drop_column("api_key", "tags")

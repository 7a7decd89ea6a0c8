"""When a key was last used

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

from app.db.types import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("api_key", sa.Column("last_used", UtcDateTime))


def downgrade():
    op.drop_column("api_key", "last_used")

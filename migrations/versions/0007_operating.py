"""An index for retention

Revision ID: 0007
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0004"
branch_labels = None
depends_on = None

UNSTARTED = sa.text("end_time IS NULL AND state_type IN ('CANCELLED', 'COMPLETED', 'FAILED')")


def upgrade():
    op.create_index("ix_flow_run_ended_unstarted", "flow_run", ["updated", "id"], postgresql_where=UNSTARTED, sqlite_where=UNSTARTED)


def downgrade():
    op.drop_index("ix_flow_run_ended_unstarted", "flow_run")

"""Backfills."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base, Updated
from app.domain.backfills import BackfillState

STATES = ", ".join(f"'{state}'" for state in BackfillState)
_OPEN = text("state = 'RUNNING'")


class Backfill(Updated, Base):
    """The runs of a schedule for its occurrences in a window. `next_occurrence` is the first one that is still to be looked at; null: none.

    `slug` names the schedule, which may be changed or deleted meanwhile: `schedule` is what it was when the backfill began.
    """

    __tablename__ = "backfill"
    __table_args__ = (
        CheckConstraint(f"state IN ({STATES})", name="ck_backfill_state"),
        Index(None, "deployment_id"),
        # what the scheduler looks at
        Index("ix_backfill_running", "id", postgresql_where=_OPEN, sqlite_where=_OPEN),
    )

    deployment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("deployment.id", ondelete="CASCADE"))
    slug: Mapped[str] = mapped_column(String(63))
    schedule: Mapped[dict]
    start: Mapped[datetime]
    end: Mapped[datetime]
    order: Mapped[str] = mapped_column(String(8))
    max_active: Mapped[int | None] = mapped_column(Integer)
    reprocess: Mapped[str] = mapped_column(String(8))
    parameters: Mapped[dict] = mapped_column(server_default="{}")
    state: Mapped[str] = mapped_column(String(16))
    total: Mapped[int] = mapped_column(Integer)
    made: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    next_occurrence: Mapped[datetime | None]

"""Leases on flow runs."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base


class Lease(Base):
    """A worker's claim on a flow run. Its id is what the worker shows; past `expires_at` the run goes back to be claimed again."""

    __tablename__ = "lease"
    __table_args__ = (UniqueConstraint("flow_run_id"), Index(None, "expires_at"), Index(None, "work_queue_id"))

    flow_run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("flow_run.id", ondelete="CASCADE"))
    work_queue_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("work_queue.id", ondelete="SET NULL"))
    worker: Mapped[str | None] = mapped_column(String(255))
    expires_at: Mapped[datetime]

"""Concurrency limits, and the slots under them."""

import uuid

from sqlalchemy import ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base, Updated


class ConcurrencyLimit(Updated, Base):
    """How many task runs with a tag may be running at a time."""

    __tablename__ = "concurrency_limit"
    __table_args__ = (UniqueConstraint("tag"),)

    tag: Mapped[str] = mapped_column(String(255))
    concurrency_limit: Mapped[int] = mapped_column(Integer, server_default=text("0"))


class ConcurrencySlot(Base):
    """A running task run's place under a limit."""

    __tablename__ = "concurrency_slot"
    __table_args__ = (UniqueConstraint("concurrency_limit_id", "task_run_id"), Index(None, "task_run_id"))

    concurrency_limit_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("concurrency_limit.id", ondelete="CASCADE"))
    task_run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("task_run.id", ondelete="CASCADE"))

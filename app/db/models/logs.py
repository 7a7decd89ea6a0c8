"""Logs of runs."""

import uuid
from datetime import datetime

from sqlalchemy import Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base


class Log(Base):
    """A line that a run logged. It outlives its run, as the reference's do. `level` is one of Python's logging levels."""

    __tablename__ = "log"
    __table_args__ = (
        Index(None, "flow_run_id", "timestamp"),
        Index(
            "ix_log_task_run_id_timestamp",
            "task_run_id",
            "timestamp",
            postgresql_where=text("task_run_id IS NOT NULL"),
            sqlite_where=text("task_run_id IS NOT NULL"),
        ),
        Index(None, "timestamp"),
    )

    name: Mapped[str]
    level: Mapped[int] = mapped_column(Integer)
    flow_run_id: Mapped[uuid.UUID]
    task_run_id: Mapped[uuid.UUID | None]
    message: Mapped[str]
    timestamp: Mapped[datetime]

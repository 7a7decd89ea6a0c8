"""What agents, tasks and dashboards keep on the server: work queues, logs, concurrency limits, saved searches."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base, Updated


class WorkQueue(Updated, Base):
    """A view of the runs that are due, which agents poll. `filter` has members `tags`, `deployment_ids` and `flow_runner_types`."""

    __tablename__ = "work_queue"
    __table_args__ = (UniqueConstraint("name"),)

    name: Mapped[str] = mapped_column(String(255))
    filter: Mapped[dict] = mapped_column(server_default="{}")
    description: Mapped[str]
    is_paused: Mapped[bool] = mapped_column(server_default=false())
    concurrency_limit: Mapped[int | None] = mapped_column(Integer)


class Agent(Updated, Base):
    """An agent, and when it polled a work queue last."""

    __tablename__ = "agent"
    __table_args__ = (Index(None, "work_queue_id"),)

    name: Mapped[str] = mapped_column(String(255))
    work_queue_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("work_queue.id", ondelete="CASCADE"))
    last_activity_time: Mapped[datetime]


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


class SavedSearch(Updated, Base):
    """A named set of filters that a dashboard keeps."""

    __tablename__ = "saved_search"
    __table_args__ = (UniqueConstraint("name"),)

    name: Mapped[str] = mapped_column(String(255))
    filters: Mapped[list] = mapped_column(server_default="[]")

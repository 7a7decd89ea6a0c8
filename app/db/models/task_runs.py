"""Task runs, and the history of their states."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base
from app.db.models.runs import STATE_TYPES, Run, RunState


class TaskRun(Run, Base):
    """A run of a task inside a flow run."""

    __tablename__ = "task_run"

    flow_run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("flow_run.id", ondelete="CASCADE"))
    task_key: Mapped[str]
    dynamic_key: Mapped[str]
    cache_key: Mapped[str | None]
    cache_expiration: Mapped[datetime | None]
    task_version: Mapped[str | None]
    empirical_policy: Mapped[dict] = mapped_column(server_default="{}")
    task_inputs: Mapped[dict] = mapped_column(server_default="{}")

    @classmethod
    def table_arguments(cls):
        """Constraints and indexes."""
        return (*cls.shared_arguments(), UniqueConstraint("flow_run_id", "task_key", "dynamic_key"))


class TaskRunState(RunState, Base):
    """The history of task runs."""

    __tablename__ = "task_run_state"
    __table_args__ = (CheckConstraint(f"type IN ({STATE_TYPES})", name="ck_task_run_state_type"), Index(None, "task_run_id", "timestamp"))

    task_run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("task_run.id", ondelete="CASCADE"))

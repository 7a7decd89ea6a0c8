"""Runs, the history of their states, and what a state brings about: cached results, leases."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base, Tagged, Updated
from app.domain.states import StateType

STATE_TYPES = ", ".join(f"'{kind}'" for kind in StateType)


class Run(Tagged, Updated):
    """What flow runs and task runs share. `state_id` names the newest row of the history; the other columns follow from the states."""

    name: Mapped[str]
    state_id: Mapped[uuid.UUID | None]
    state_type: Mapped[str | None] = mapped_column(String(16))
    state_name: Mapped[str | None]
    run_count: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    total_run_time: Mapped[float] = mapped_column(server_default=text("0"))
    expected_start_time: Mapped[datetime | None]
    next_scheduled_start_time: Mapped[datetime | None]
    start_time: Mapped[datetime | None]
    end_time: Mapped[datetime | None]

    @classmethod
    def shared_arguments(cls):
        """Constraints and indexes of both kinds of run."""
        table = cls.__tablename__
        started = text("start_time IS NOT NULL")
        scheduled = text("state_type = 'SCHEDULED'")
        return (
            CheckConstraint(f"state_type IN ({STATE_TYPES})", name=f"ck_{table}_state_type"),
            Index(None, "name"),
            Index(None, "state_type", "state_name"),
            Index(None, "state_name"),
            Index(None, "expected_start_time", "id"),
            Index(f"ix_{table}_start_time", "start_time", postgresql_where=started, sqlite_where=started),
            Index(None, "end_time"),
            Index(f"ix_{table}_due", "next_scheduled_start_time", "id", postgresql_where=scheduled, sqlite_where=scheduled),
        )


class FlowRun(Run, Base):
    """A run of a flow. An auto-scheduled one is identified by its idempotency key, which names deployment and instant."""

    __tablename__ = "flow_run"

    flow_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("flow.id", ondelete="CASCADE"))
    deployment_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("deployment.id", ondelete="SET NULL"))
    flow_version: Mapped[str | None]
    parameters: Mapped[dict] = mapped_column(server_default="{}")
    idempotency_key: Mapped[str | None]
    context: Mapped[dict] = mapped_column(server_default="{}")
    empirical_policy: Mapped[dict] = mapped_column(server_default="{}")
    empirical_config: Mapped[dict] = mapped_column(server_default="{}")
    parent_task_run_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("task_run.id", ondelete="SET NULL", use_alter=True))
    auto_scheduled: Mapped[bool] = mapped_column(server_default=false())
    flow_runner_type: Mapped[str | None]
    flow_runner_config: Mapped[dict | None]

    @classmethod
    def table_arguments(cls):
        """Constraints and indexes."""
        parent = text("parent_task_run_id IS NOT NULL")
        version = text("flow_version IS NOT NULL")
        return (
            *cls.shared_arguments(),
            UniqueConstraint("flow_id", "idempotency_key"),
            Index(None, "deployment_id", "expected_start_time", "id"),
            Index("ix_flow_run_parent_task_run_id", "parent_task_run_id", postgresql_where=parent, sqlite_where=parent),
            Index("ix_flow_run_flow_version", "flow_version", postgresql_where=version, sqlite_where=version),
            Index(None, "flow_runner_type"),
        )


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


class RunState:
    """One entry of a run's history. `created` is when the row was written, `timestamp` when the state was entered."""

    type: Mapped[str] = mapped_column(String(16))
    name: Mapped[str]
    timestamp: Mapped[datetime]
    message: Mapped[str | None]
    state_details: Mapped[dict] = mapped_column(server_default="{}")
    data: Mapped[dict | None]


class FlowRunState(RunState, Base):
    """The history of flow runs."""

    __tablename__ = "flow_run_state"
    __table_args__ = (CheckConstraint(f"type IN ({STATE_TYPES})", name="ck_flow_run_state_type"), Index(None, "flow_run_id", "timestamp"))

    flow_run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("flow_run.id", ondelete="CASCADE"))


class TaskRunState(RunState, Base):
    """The history of task runs."""

    __tablename__ = "task_run_state"
    __table_args__ = (CheckConstraint(f"type IN ({STATE_TYPES})", name="ck_task_run_state_type"), Index(None, "task_run_id", "timestamp"))

    task_run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("task_run.id", ondelete="CASCADE"))


class CachedResult(Base):
    """A completed state that stands for the result of a cache key, up to `cache_expiration` (null: for ever).

    The key itself may be longer than an index takes, so its SHA-256 is kept, in hexadecimal.
    """

    __tablename__ = "cached_result"
    __table_args__ = (Index(None, "key_digest", "created"), Index(None, "task_run_state_id"))

    key_digest: Mapped[str] = mapped_column(String(64))
    cache_expiration: Mapped[datetime | None]
    task_run_state_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("task_run_state.id", ondelete="CASCADE"))


class Lease(Base):
    """A worker's claim on a flow run. Its id is what the worker shows; past `expires_at` the run goes back to be claimed again."""

    __tablename__ = "lease"
    __table_args__ = (UniqueConstraint("flow_run_id"), Index(None, "expires_at"), Index(None, "work_queue_id"))

    flow_run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("flow_run.id", ondelete="CASCADE"))
    work_queue_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("work_queue.id", ondelete="SET NULL"))
    worker: Mapped[str | None] = mapped_column(String(255))
    expires_at: Mapped[datetime]

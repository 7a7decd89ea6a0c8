"""Flow runs, and the history of their states."""

import uuid

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base
from app.db.models.runs import STATE_TYPES, Run, RunState


class FlowRun(Run, Base):
    """A run of a flow. An auto-scheduled one is identified by its idempotency key, which names deployment, schedule and occurrence.

    `schedule_id` is that of the schedule that made it, which may be gone by now, `backfill_id` that of the backfill that did.
    """

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
    schedule_id: Mapped[uuid.UUID | None]
    schedule_slug: Mapped[str | None] = mapped_column(String(63))
    backfill_id: Mapped[uuid.UUID | None]
    flow_runner_type: Mapped[str | None]
    flow_runner_config: Mapped[dict | None]

    @classmethod
    def table_arguments(cls):
        """Constraints and indexes."""
        parent = text("parent_task_run_id IS NOT NULL")
        version = text("flow_version IS NOT NULL")
        unstarted = text("end_time IS NULL AND state_type IN ('CANCELLED', 'COMPLETED', 'FAILED')")
        held = text("state_type IN ('PENDING', 'RUNNING')")
        backfill = text("backfill_id IS NOT NULL")
        return (
            *cls.shared_arguments(),
            UniqueConstraint("flow_id", "idempotency_key"),
            Index(None, "deployment_id", "expected_start_time", "id"),
            Index("ix_flow_run_parent_task_run_id", "parent_task_run_id", postgresql_where=parent, sqlite_where=parent),
            Index("ix_flow_run_flow_version", "flow_version", postgresql_where=version, sqlite_where=version),
            Index(None, "flow_runner_type"),
            # those that ended before they started, which have no end time, for retention
            Index("ix_flow_run_ended_unstarted", "updated", "id", postgresql_where=unstarted, sqlite_where=unstarted),
            # those that take up room under the concurrency limits of deployments
            Index("ix_flow_run_held", "deployment_id", postgresql_where=held, sqlite_where=held),
            Index("ix_flow_run_backfill_id", "backfill_id", "state_type", postgresql_where=backfill, sqlite_where=backfill),
        )


class FlowRunState(RunState, Base):
    """The history of flow runs."""

    __tablename__ = "flow_run_state"
    __table_args__ = (CheckConstraint(f"type IN ({STATE_TYPES})", name="ck_flow_run_state_type"), Index(None, "flow_run_id", "timestamp"))

    flow_run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("flow_run.id", ondelete="CASCADE"))

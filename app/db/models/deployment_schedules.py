"""The schedules of deployments."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, UniqueConstraint, text, true
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base, Updated

_DUE = text("top_up_due IS NOT NULL")


class DeploymentSchedule(Updated, Base):
    """When a deployment runs. `top_up_due` says when the scheduler has to look at it next; null means never.

    `rules_version` says by which rules of its time zone its runs were made.
    """

    __tablename__ = "deployment_schedule"
    __table_args__ = (
        UniqueConstraint("deployment_id", "slug"),
        Index("ix_deployment_schedule_top_up_due", "top_up_due", "id", postgresql_where=_DUE, sqlite_where=_DUE),
    )

    deployment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("deployment.id", ondelete="CASCADE"))
    slug: Mapped[str] = mapped_column(String(63))
    schedule: Mapped[dict]
    is_active: Mapped[bool] = mapped_column(server_default=true())
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    exclude: Mapped[list] = mapped_column(server_default="[]")
    jitter_seconds: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    gap: Mapped[str] = mapped_column(String(8), server_default="later")
    fold: Mapped[str] = mapped_column(String(8), server_default="first")
    parameters: Mapped[dict] = mapped_column(server_default="{}")
    max_scheduled_runs: Mapped[int | None] = mapped_column(Integer)
    top_up_due: Mapped[datetime | None]
    schedule_error: Mapped[str | None]
    schedule_failures: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    rules_version: Mapped[str | None]

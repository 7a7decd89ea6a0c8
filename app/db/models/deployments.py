"""Deployments."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, UniqueConstraint, text, true
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base, Tagged, Updated


class Deployment(Tagged, Updated, Base):
    """A flow with parameters, whose schedules are rows of their own. `is_schedule_active` is the switch over all of them.

    While it is off, `paused_since` says since when, `pause_note` why, and `paused_until` when the scheduler switches it on again.
    The columns from `concurrency_limit` on say whether a due run starts; `failures_in_a_row` counts what `pause_after_failures` goes by.
    """

    __tablename__ = "deployment"

    name: Mapped[str] = mapped_column(String(255))
    flow_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("flow.id", ondelete="CASCADE"))
    flow_data: Mapped[dict]
    is_schedule_active: Mapped[bool] = mapped_column(server_default=true())
    parameters: Mapped[dict] = mapped_column(server_default="{}")
    flow_runner_type: Mapped[str | None]
    flow_runner_config: Mapped[dict | None]
    pause_note: Mapped[str | None]
    paused_until: Mapped[datetime | None]
    paused_since: Mapped[datetime | None]
    concurrency_limit: Mapped[int | None] = mapped_column(Integer)
    overlap: Mapped[str] = mapped_column(String(16), server_default="buffer_all")
    catchup_window_seconds: Mapped[int | None] = mapped_column(Integer)
    pause_after_failures: Mapped[int | None] = mapped_column(Integer)
    failures_in_a_row: Mapped[int] = mapped_column(Integer, server_default=text("0"))

    @classmethod
    def table_arguments(cls):
        """Constraints and indexes."""
        until = text("paused_until IS NOT NULL")
        policy = text("concurrency_limit IS NOT NULL OR catchup_window_seconds IS NOT NULL")
        return (
            UniqueConstraint("flow_id", "name"),
            Index("ix_deployment_name_id", "name", "id"),
            Index("ix_deployment_paused_until", "paused_until", "id", postgresql_where=until, sqlite_where=until),
            # those whose runs do not all start when they are due: few, and asked for by every claim
            Index("ix_deployment_policy", "id", postgresql_where=policy, sqlite_where=policy),
        )

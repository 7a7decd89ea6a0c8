"""Deployments."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text, true
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base, Tagged, Updated


class Deployment(Tagged, Updated, Base):
    """A flow with parameters, whose schedules are rows of their own. `is_schedule_active` is the switch over all of them.

    While it is off, `paused_since` says since when, `pause_note` why, and `paused_until` when the scheduler switches it on again.
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

    @classmethod
    def table_arguments(cls):
        """Constraints and indexes."""
        until = text("paused_until IS NOT NULL")
        return (
            UniqueConstraint("flow_id", "name"),
            Index("ix_deployment_name_id", "name", "id"),
            Index("ix_deployment_paused_until", "paused_until", "id", postgresql_where=until, sqlite_where=until),
        )

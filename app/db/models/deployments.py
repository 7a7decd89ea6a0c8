"""Deployments."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, UniqueConstraint, text, true
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base, Tagged, Updated


class Deployment(Tagged, Updated, Base):
    """A flow with parameters and a schedule. `top_up_due` says when the scheduler has to look at it next; null means never."""

    __tablename__ = "deployment"

    name: Mapped[str] = mapped_column(String(255))
    flow_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("flow.id", ondelete="CASCADE"))
    flow_data: Mapped[dict]
    schedule: Mapped[dict | None]
    is_schedule_active: Mapped[bool] = mapped_column(server_default=true())
    parameters: Mapped[dict] = mapped_column(server_default="{}")
    flow_runner_type: Mapped[str | None]
    flow_runner_config: Mapped[dict | None]
    top_up_due: Mapped[datetime | None]
    schedule_error: Mapped[str | None]
    schedule_failures: Mapped[int] = mapped_column(Integer, server_default=text("0"))

    @classmethod
    def table_arguments(cls):
        """Constraints and indexes."""
        due = text("top_up_due IS NOT NULL")
        return (
            UniqueConstraint("flow_id", "name"),
            Index("ix_deployment_name_id", "name", "id"),
            Index("ix_deployment_top_up_due", "top_up_due", "id", postgresql_where=due, sqlite_where=due),
        )

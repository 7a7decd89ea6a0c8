"""What flow runs and task runs share."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Tagged, Updated
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


class RunState:
    """One entry of a run's history. `created` is when the row was written, `timestamp` when the state was entered."""

    type: Mapped[str] = mapped_column(String(16))
    name: Mapped[str]
    timestamp: Mapped[datetime]
    message: Mapped[str | None]
    state_details: Mapped[dict] = mapped_column(server_default="{}")
    data: Mapped[dict | None]

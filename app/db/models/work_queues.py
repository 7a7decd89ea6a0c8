"""Work queues, and the agents that poll them."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base, Updated


class WorkQueue(Updated, Base):
    """A view of the runs that are due, which agents poll. `filter` has members `tags`, `deployment_ids` and `flow_runner_types`.

    `last_polled` is when somebody asked it for runs last, to some seconds.
    """

    __tablename__ = "work_queue"
    __table_args__ = (UniqueConstraint("name"),)

    name: Mapped[str] = mapped_column(String(255))
    filter: Mapped[dict] = mapped_column(server_default="{}")
    description: Mapped[str]
    is_paused: Mapped[bool] = mapped_column(server_default=false())
    concurrency_limit: Mapped[int | None] = mapped_column(Integer)
    last_polled: Mapped[datetime | None]


class Agent(Updated, Base):
    """An agent, and when it polled a work queue last."""

    __tablename__ = "agent"
    __table_args__ = (Index(None, "work_queue_id"),)

    name: Mapped[str] = mapped_column(String(255))
    work_queue_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("work_queue.id", ondelete="CASCADE"))
    last_activity_time: Mapped[datetime]

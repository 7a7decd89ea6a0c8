"""Heartbeats of what runs beside the web server."""

from datetime import datetime

from sqlalchemy import Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base


class Heartbeat(Base):
    """A service of a scheduler process, such as the scheduler itself. It was `created` when it began, and had its `last_pass` later.

    `loop_seconds` is how often it makes a pass, so that others know when it is silent.
    """

    __tablename__ = "heartbeat"
    __table_args__ = (Index(None, "service", "last_pass"),)

    service: Mapped[str] = mapped_column(String(63))
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int] = mapped_column(Integer)
    loop_seconds: Mapped[float]
    last_pass: Mapped[datetime]

"""Cached results of task runs."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base


class CachedResult(Base):
    """A completed state that stands for the result of a cache key, up to `cache_expiration` (null: for ever).

    The key itself may be longer than an index takes, so its SHA-256 is kept, in hexadecimal.
    """

    __tablename__ = "cached_result"
    __table_args__ = (Index(None, "key_digest", "created"), Index(None, "task_run_state_id"))

    key_digest: Mapped[str] = mapped_column(String(64))
    cache_expiration: Mapped[datetime | None]
    task_run_state_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("task_run_state.id", ondelete="CASCADE"))

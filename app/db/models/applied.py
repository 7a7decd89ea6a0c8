"""What was made by applying files."""

import uuid

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base, Updated


class Applied(Updated, Base):
    """A thing that applying a set of files made, so that the set may delete it again. It may be gone: nothing refers to it."""

    __tablename__ = "applied"
    __table_args__ = (UniqueConstraint("kind", "object_id"),)

    set_name: Mapped[str] = mapped_column(String(255), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    object_id: Mapped[uuid.UUID]

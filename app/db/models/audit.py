"""The audit trail."""

import uuid

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base


class AuditEntry(Base):
    """Who changed what, and when. Entries are never changed, and nothing but retention deletes them; what they are of may be gone."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index(None, "created", "id"), Index(None, "object_id"))

    via: Mapped[str] = mapped_column(String(8))
    actor: Mapped[str | None]
    key_id: Mapped[uuid.UUID | None]
    address: Mapped[str | None]
    request_id: Mapped[str | None] = mapped_column(String(128))
    action: Mapped[str] = mapped_column(String(32))
    object_kind: Mapped[str] = mapped_column(String(32))
    object_id: Mapped[uuid.UUID | None]
    object_name: Mapped[str | None]
    changes: Mapped[dict]
    details: Mapped[dict]

"""Saved searches."""

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base, Updated


class SavedSearch(Updated, Base):
    """A named set of filters that a dashboard keeps."""

    __tablename__ = "saved_search"
    __table_args__ = (UniqueConstraint("name"),)

    name: Mapped[str] = mapped_column(String(255))
    filters: Mapped[list] = mapped_column(server_default="[]")

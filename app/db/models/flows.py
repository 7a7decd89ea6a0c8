"""Flows."""

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base, Tagged, Updated


class Flow(Tagged, Updated, Base):
    """A flow: the name under which deployments and runs come together."""

    __tablename__ = "flow"

    name: Mapped[str] = mapped_column(String(255))

    @classmethod
    def table_arguments(cls):
        """Constraints and indexes."""
        return (UniqueConstraint("name"), Index(None, "created"), Index(None, "updated"))

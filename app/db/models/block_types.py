"""Block types."""

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base, Updated


class BlockType(Updated, Base):
    """A kind of block."""

    __tablename__ = "block_type"
    __table_args__ = (UniqueConstraint("name"),)

    name: Mapped[str] = mapped_column(String(255))
    logo_url: Mapped[str | None]
    documentation_url: Mapped[str | None]
    description: Mapped[str | None]
    code_example: Mapped[str | None]

"""API keys."""

from datetime import datetime

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base, Updated


class ApiKey(Updated, Base):
    """A key, without its text. `previous_digest` is that of the secret before a rotation, which is good until `previous_expires`.

    `tags` are those that fence it in, None where nothing does.
    """

    __tablename__ = "api_key"
    __table_args__ = (UniqueConstraint("name"),)

    name: Mapped[str] = mapped_column(String(255))
    digest: Mapped[str] = mapped_column(String(64))
    previous_digest: Mapped[str | None] = mapped_column(String(64))
    previous_expires: Mapped[datetime | None]
    scopes: Mapped[list]
    tags: Mapped[list | None]
    expires: Mapped[datetime | None]
    revoked: Mapped[datetime | None]
    last_used: Mapped[datetime | None]
    created_by: Mapped[str]

"""Block schemas, and their references to each other."""

import uuid

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base, Updated


class BlockSchema(Updated, Base):
    """The fields that one version of a block type has. `checksum` is what a client knows it by."""

    __tablename__ = "block_schema"
    __table_args__ = (UniqueConstraint("checksum"), Index(None, "block_type_id"))

    checksum: Mapped[str] = mapped_column(String(255))
    fields: Mapped[dict] = mapped_column(server_default="{}")
    capabilities: Mapped[list] = mapped_column(server_default="[]")
    block_type_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("block_type.id", ondelete="CASCADE"))


class BlockSchemaReference(Base):
    """A field `name` of one schema that holds a block of another."""

    __tablename__ = "block_schema_reference"
    __table_args__ = (Index(None, "parent_block_schema_id"), Index(None, "reference_block_schema_id"))

    name: Mapped[str]
    parent_block_schema_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("block_schema.id", ondelete="CASCADE"))
    reference_block_schema_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("block_schema.id", ondelete="CASCADE"))

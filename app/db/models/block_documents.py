"""Block documents, and their references to each other."""

import uuid

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models.base import Base, Updated


class BlockDocument(Updated, Base):
    """A block. `data` is encrypted: free-form fields may hold secrets that no schema marks as such."""

    __tablename__ = "block_document"
    __table_args__ = (
        UniqueConstraint("block_type_id", "name"),
        Index(None, "name"),
        Index(None, "block_schema_id"),
        # at most one block is the default storage
        Index(
            "uq_block_document_default_storage",
            "is_default_storage_block_document",
            unique=True,
            postgresql_where=text("is_default_storage_block_document"),
            sqlite_where=text("is_default_storage_block_document"),
        ),
    )

    name: Mapped[str] = mapped_column(String(255))
    data: Mapped[str]
    is_anonymous: Mapped[bool] = mapped_column(server_default=false())
    is_default_storage_block_document: Mapped[bool] = mapped_column(server_default=false())
    block_type_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("block_type.id", ondelete="CASCADE"))
    block_schema_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("block_schema.id", ondelete="CASCADE"))


class BlockDocumentReference(Base):
    """A field `name` of one block that holds another."""

    __tablename__ = "block_document_reference"
    __table_args__ = (Index(None, "parent_block_document_id"), Index(None, "reference_block_document_id"))

    name: Mapped[str]
    parent_block_document_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("block_document.id", ondelete="CASCADE"))
    reference_block_document_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("block_document.id", ondelete="CASCADE"))

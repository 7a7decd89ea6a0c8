"""What every table is made of. Constraints are named, so that migrations can name them on either database."""

import uuid
from datetime import datetime
from typing import ClassVar

from sqlalchemy import Float, Index, MetaData, Table, Text, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from app.db.types import Json, UtcDateTime


class Base(DeclarativeBase):
    """What every table has: a time-ordered id, and when its row was made and last changed."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {str: Text, datetime: UtcDateTime, dict: Json, list: Json, uuid.UUID: Uuid, float: Float(53)}

    __table__: ClassVar[Table]

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, sort_order=-3)
    created: Mapped[datetime] = mapped_column(sort_order=-2)


class Updated:
    """A row that changes after it was made."""

    updated: Mapped[datetime] = mapped_column(sort_order=-1)


class Tagged:
    """A row with tags. Only PostgreSQL has an index that a superset filter can use."""

    __tablename__: ClassVar[str]

    tags: Mapped[list] = mapped_column(server_default="[]")

    @classmethod
    def table_arguments(cls) -> tuple:
        """Return the constraints and indexes of its own."""
        raise NotImplementedError

    @declared_attr.directive
    def __table_args__(cls):
        gin = Index(f"ix_{cls.__tablename__}_tags", "tags", postgresql_using="gin", postgresql_ops={"tags": "jsonb_path_ops"})
        return (gin.ddl_if(dialect="postgresql"), *cls.table_arguments())

"""Block types."""

import html
from functools import cache

from sqlalchemy import select, update

from app.db.dialects import insert
from app.db.models import BlockType
from app.domain.ids import new_id
from app.errors import Conflict, NotFound
from app.repositories.base import Repository

BLOCK_TYPE = BlockType.__table__

# Texts for people, which the reference escapes when a type is made
SHOWN = ("description", "code_example")


class BlockTypes(Repository):
    """The kinds of blocks, unique by name."""

    table = BLOCK_TYPE
    kind = "Block type"

    @classmethod
    @cache
    def selection(cls):
        """The columns of an answer."""
        return select(BLOCK_TYPE)

    def document(self, row, now):
        """A block type as clients see it."""
        return row._asdict()

    def create(self, values):
        """The document of a new block type, its texts safe to show in HTML. Raises Conflict when its name is taken."""
        now = self.clock()
        values = values | {name: html.escape(values[name], quote=False) for name in SHOWN if values.get(name) is not None}
        statement = insert(self.session, BLOCK_TYPE).values({"id": new_id(), "created": now, "updated": now} | values)
        row = self.session.execute(statement.on_conflict_do_nothing(index_elements=[BLOCK_TYPE.c.name]).returning(BLOCK_TYPE)).one_or_none()
        if row is None:
            raise Conflict("A block type with this name exists already.")
        return self.document(row, now)

    def list(self, limit, offset):
        """Documents by name."""
        return self._documents(self.selection().order_by(BLOCK_TYPE.c.name, BLOCK_TYPE.c.id).limit(limit).offset(offset))

    def by_ids(self, ids):
        """Documents of those among `ids` that exist, as {id: document}."""
        return {found["id"]: found for found in self._documents(self.selection().where(BLOCK_TYPE.c.id.in_(ids)))} if ids else {}

    def read_by_name(self, name):
        """The block type called `name`. Raises NotFound."""
        return self.require_where(BLOCK_TYPE.c.name == name)

    def update(self, id, changes):
        """Set the columns in `changes`. Raises NotFound."""
        changes = changes | {"updated": self.clock()}
        if not self.session.execute(update(BLOCK_TYPE).where(BLOCK_TYPE.c.id == id).values(changes)).rowcount:
            raise NotFound(self.kind)

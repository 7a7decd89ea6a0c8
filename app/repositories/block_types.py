"""Block types."""

import html

from sqlalchemy import Uuid, bindparam, select, update

from app.db.models import BlockType
from app.db.sql import insert
from app.domain.ids import new_id
from app.errors import Conflict, NotFound
from app.repositories.base import ListedRepository

BLOCK_TYPE = BlockType.__table__

# Texts for people, which the reference escapes when a type is made
ESCAPED = ("description", "code_example")

MEMBERS = ("id", "created", "updated", "name", "logo_url", "documentation_url", "description", "code_example")
COLUMNS = tuple(BLOCK_TYPE.c[name] for name in MEMBERS)
SELECTION = select(*COLUMNS)
BY_NAME = SELECTION.where(BLOCK_TYPE.c.name == bindparam("name"))
BY_IDS = SELECTION.where(BLOCK_TYPE.c.id.in_(bindparam("ids", type_=Uuid, expanding=True)))
INSERT = insert(BLOCK_TYPE).on_conflict_do_nothing(index_elements=[BLOCK_TYPE.c.name]).returning(*COLUMNS)
UPDATE = update(BLOCK_TYPE).where(BLOCK_TYPE.c.id == bindparam("wanted"))


class BlockTypes(ListedRepository):
    """The kinds of blocks, unique by name."""

    table = BLOCK_TYPE
    kind = "Block type"
    selection = SELECTION
    order = (BLOCK_TYPE.c.name, BLOCK_TYPE.c.id)

    def create(self, values):
        """Create a block type, its texts safe to show in HTML. Return its answer. Raise Conflict when its name is taken."""
        now = self.clock()
        values = values | {name: html.escape(values[name], quote=False) for name in ESCAPED if values.get(name) is not None}
        row = self.session.execute(INSERT, {"id": new_id(), "created": now, "updated": now} | values).one_or_none()
        if row is None:
            raise Conflict("A block type with this name exists already.")
        return self.document(row, now)

    def by_ids(self, ids):
        """Return those among `ids` that exist, as {id: answer}."""
        return {found["id"]: found for found in self._documents(BY_IDS, {"ids": list(ids)})} if ids else {}

    def read_by_name(self, name):
        """Return the block type called `name`. Raise NotFound."""
        return self._require(BY_NAME, {"name": name})

    def update(self, id, changes):
        """Set the columns in `changes`. Raise NotFound."""
        if not self.session.execute(UPDATE, changes | {"updated": self.clock(), "wanted": id}).rowcount:
            raise NotFound(self.kind)

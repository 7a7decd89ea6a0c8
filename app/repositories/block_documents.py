"""Block documents. Their data leaves this module decrypted and enters the database encrypted."""

from sqlalchemy import Integer, Text, Uuid, bindparam, delete, false, func, select, true, update
from sqlalchemy import insert as plain_insert

from app.db.engine import advisory_lock
from app.db.models import BlockDocument, BlockDocumentReference
from app.db.sql import insert
from app.db.types import as_stored
from app.domain.blocks import check_nesting, document_references
from app.domain.ids import new_id
from app.errors import Conflict, InvalidField, NoKey, NotFound
from app.repositories.base import Repository
from app.repositories.block_schemas import BlockSchemas
from app.repositories.block_types import BLOCK_TYPE, BlockTypes
from app.repositories.references import references_from

BLOCK_DOCUMENT = BlockDocument.__table__
REFERENCE = BlockDocumentReference.__table__
PARENT, OTHER = REFERENCE.c.parent_block_document_id, REFERENCE.c.reference_block_document_id
IS_DEFAULT = BLOCK_DOCUMENT.c.is_default_storage_block_document

# The number of the lock on what only a look at many blocks can check: which holds which, and which is the default storage
LOCK = 0x626C6F636B73

MEMBERS = ("id", "created", "updated", "name", "block_schema_id", "block_type_id", "is_anonymous")
SELECTION = select(*(BLOCK_DOCUMENT.c[name] for name in (*MEMBERS, "data")))
BY_ID = SELECTION.where(BLOCK_DOCUMENT.c.id == bindparam("wanted"))
BY_IDS = SELECTION.where(BLOCK_DOCUMENT.c.id.in_(bindparam("ids", type_=Uuid, expanding=True)))
BY_NAMES = SELECTION.where(
    BLOCK_DOCUMENT.c.block_type_id.in_(select(BLOCK_TYPE.c.id).where(BLOCK_TYPE.c.name == bindparam("block_type_name"))),
    BLOCK_DOCUMENT.c.name == bindparam("name"),
)
BY_NAME = SELECTION.order_by(BLOCK_DOCUMENT.c.name, BLOCK_DOCUMENT.c.id)
DEFAULT_STORAGE = SELECTION.where(IS_DEFAULT)
LOCK_ROW = BY_ID.with_for_update()
LOCK_SCHEMA_ID = select(BLOCK_DOCUMENT.c.block_schema_id).where(BLOCK_DOCUMENT.c.id == bindparam("wanted")).with_for_update()
FIRST_ID = (
    select(BLOCK_DOCUMENT.c.id)
    .where(
        BLOCK_DOCUMENT.c.block_type_id == bindparam("block_type_id"),
        BLOCK_DOCUMENT.c.name.in_(bindparam("names", type_=Text, expanding=True)),
    )
    .limit(1)
)
SEALED = (
    select(BLOCK_DOCUMENT.c.id, BLOCK_DOCUMENT.c.data)
    .order_by(BLOCK_DOCUMENT.c.id)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update()
)
SEALED_AFTER = SEALED.where(BLOCK_DOCUMENT.c.id > bindparam("after"))
INSERT = insert(BLOCK_DOCUMENT).on_conflict_do_nothing(index_elements=[BLOCK_DOCUMENT.c.block_type_id, BLOCK_DOCUMENT.c.name])
UPDATE = update(BLOCK_DOCUMENT).where(BLOCK_DOCUMENT.c.id == bindparam("wanted"))
SET_DEFAULT = UPDATE.values({IS_DEFAULT.name: true()})
CLEAR_DEFAULT = update(BLOCK_DOCUMENT).where(IS_DEFAULT).values({IS_DEFAULT.name: false()})
INSERT_REFERENCES = plain_insert(REFERENCE)
DELETE_REFERENCES = delete(REFERENCE).where(bindparam("wanted", type_=Uuid) == PARENT)
HELD_BELOW, HOLDING = references_from(REFERENCE, PARENT, OTHER), references_from(REFERENCE, OTHER, PARENT)


class BlockDocuments(Repository):
    """Blocks, unique by type and name. `vault` seals and opens their data."""

    table = BLOCK_DOCUMENT
    kind = "Block document"
    selection = SELECTION

    def __init__(self, session, clock, vault):
        super().__init__(session, clock)
        self.vault = vault
        self.schemas, self.types = BlockSchemas(session, clock), BlockTypes(session, clock)

    def list(self, is_anonymous, limit=None, offset=0, block_type_id=None):
        """Return documents by name; with `is_anonymous`, those that are or are not; with `block_type_id`, of that type."""
        statement = BY_NAME.limit(limit).offset(offset)
        if is_anonymous is not None:
            statement = statement.where(BLOCK_DOCUMENT.c.is_anonymous.is_(is_anonymous))
        if block_type_id is not None:
            statement = statement.where(BLOCK_DOCUMENT.c.block_type_id == block_type_id)
        return self._documents(statement)

    def read_by_names(self, block_type_name, name):
        """Return the document called `name` of the type called `block_type_name`. Raise NotFound."""
        return self._require(BY_NAMES, {"block_type_name": block_type_name, "name": name})

    def create(self, values):
        """Create a block, or find the anonymous one that is the same. Return its answer, and whether it is new.

        Raise Conflict when the name is taken, InvalidField for references that cannot be.
        """
        data, now = values["data"], self.clock()
        plain, references = self._separated(data)
        names = self._anonymous_names(values, data) if values["is_anonymous"] else [values["name"]]
        if values["is_anonymous"] and (existing := self._id_of(values["block_type_id"], names)):
            return self.require(existing), False
        row = {"id": new_id(), "created": now, "updated": now} | values | {"name": names[0], "data": self.vault.seal(plain)}
        while not self.session.execute(INSERT, row).rowcount:
            if not values["is_anonymous"]:
                raise Conflict("A block of this type with this name exists already.")
            if existing := self._id_of(values["block_type_id"], names):
                return self.require(existing), False
            # it was deleted since the insert
        self._refer(row["id"], references)
        return self.require(row["id"]), True

    def update(self, id, changes):
        """Set `name` and `data`, where `changes` has them; null data stays as it is. Raise NotFound, Conflict, InvalidField."""
        data = changes.get("data")
        plain, references = (None, {}) if data is None else self._separated(data)
        row = self.session.execute(LOCK_ROW, {"wanted": id}).one_or_none()
        if row is None:
            raise NotFound(self.kind)
        if "name" in changes and row.is_anonymous:
            raise InvalidField("name", "An anonymous block has no name that could be changed.")
        columns = {"updated": self.clock()} | ({"name": changes["name"]} if "name" in changes else {})
        if data is not None:
            columns["data"] = self.vault.seal(plain)
            if row.is_anonymous:
                columns["name"] = self._anonymous_names(row._mapping, data)[0]
        self.session.execute(UPDATE, columns | {"wanted": id})
        if data is not None:
            self.session.execute(DELETE_REFERENCES, {"wanted": id})
            self._refer(id, references)

    def default_storage(self):
        """Return the block that is the default storage, or None."""
        return next(iter(self._documents(DEFAULT_STORAGE)), None)

    def clear_default_storage(self):
        """Let no block be the default storage."""
        advisory_lock(self.session.connection(), LOCK)
        self.session.execute(CLEAR_DEFAULT)

    def set_default_storage(self, id):
        """Make the block the default storage, in place of any other. Raise NotFound, InvalidField for one that stores nothing."""
        self.clear_default_storage()
        row = self.session.execute(LOCK_SCHEMA_ID, {"wanted": id}).one_or_none()
        if row is None:
            raise NotFound(self.kind)
        schema = self.schemas.require(row.block_schema_id)
        if "storage" not in schema["capabilities"]:
            raise InvalidField("", "The block is no storage: its schema lacks the capability 'storage'.")
        self.session.execute(SET_DEFAULT, {"wanted": id})

    def reseal(self, after, limit):
        """Encrypt the next `limit` documents after the id `after` (None: from the first) with the first key.

        Return the last of their ids (None when there was none), how many were encrypted, and the ids of those that no key decrypts.
        """
        rows = (
            self.session.execute(SEALED_AFTER, {"limit": limit, "after": after})
            if after
            else self.session.execute(SEALED, {"limit": limit})
        )
        rows = rows.all()
        sealed, failed = {}, []
        for row in rows:
            try:
                sealed[row.id] = self.vault.reseal(row.data)
            except NoKey:
                failed.append(row.id)
        for id, data in sealed.items():
            self.session.execute(UPDATE, {"wanted": id, "data": data})
        return rows[-1].id if rows else None, len(sealed), failed

    def overview(self, is_anonymous, limit, offset):
        """Return rows of (type's name, name, id, is the default storage, when it was changed) by type and name, and how many follow.

        None of them is decrypted.
        """
        columns = (BLOCK_TYPE.c.name.label("block_type"), BLOCK_DOCUMENT.c.name, BLOCK_DOCUMENT.c.id, IS_DEFAULT, BLOCK_DOCUMENT.c.updated)
        statement = select(*columns).join(BLOCK_TYPE, BLOCK_TYPE.c.id == BLOCK_DOCUMENT.c.block_type_id)
        if is_anonymous is not None:
            statement = statement.where(BLOCK_DOCUMENT.c.is_anonymous.is_(is_anonymous))
        ordered = statement.order_by(BLOCK_TYPE.c.name, BLOCK_DOCUMENT.c.name, BLOCK_DOCUMENT.c.id)
        total = self.session.scalar(select(func.count()).select_from(statement.subquery()))
        found = [row._asdict() for row in self.session.execute(ordered.limit(limit).offset(offset))]
        return found, max(total - offset - len(found), 0)

    def _separated(self, data):
        plain, references = document_references(data)
        if references:
            # before any row is locked, so that all take the two in this order
            advisory_lock(self.session.connection(), LOCK)
        return plain, references

    def _anonymous_names(self, values, data):
        same = {"data": data, "type": str(values["block_type_id"]), "schema": str(values["block_schema_id"])}
        return [f"anonymous:{digest}" for digest in self.vault.digests(same)]

    def _id_of(self, block_type_id, names):
        return self.session.scalar(FIRST_ID, {"block_type_id": block_type_id, "names": names})

    def _refer(self, id, references):
        if not references:
            return
        now = self.clock()
        own = {PARENT.name: id, "created": now}
        values = [own | {"id": new_id(), "name": name, OTHER.name: other} for name, other in references.items()]
        self.session.execute(INSERT_REFERENCES, values)
        above = [one.parent_block_document_id for one in self.session.execute(HOLDING, {"starts": [id]})]
        held = {}
        for one in self.session.execute(HELD_BELOW, {"starts": [id, *above]}):
            held.setdefault(one.parent_block_document_id, []).append(one.reference_block_document_id)
        check_nesting(held, dict.fromkeys([id, *above]))

    def _documents(self, statement, parameters=None):
        rows = self.session.execute(statement, parameters).all()
        if not rows:
            return []
        references = self.session.execute(HELD_BELOW, {"starts": [row.id for row in rows]}).all()
        known = {row.id: row for row in rows}
        missing = {one.reference_block_document_id for one in references} - known.keys()
        if missing:
            known |= {row.id: row for row in self.session.execute(BY_IDS, {"ids": list(missing)})}
        schemas = self.schemas.by_ids({row.block_schema_id for row in rows})
        types = self.types.by_ids({row.block_type_id for row in known.values()})
        known = {id: row for id, row in known.items() if row.block_type_id in types}
        below = {}
        for one in references:
            if one.reference_block_document_id in known:
                below.setdefault(one.parent_block_document_id, []).append((one.name, known[one.reference_block_document_id]))
        opened = {row.id: self.vault.open(row.data) for row in known.values()}
        # a row whose schema or type is gone was deleted with it between two of these statements
        complete = (row for row in rows if row.block_schema_id in schemas and row.block_type_id in types)
        return [self._whole(row, below, opened, schemas, types) for row in complete]

    def _whole(self, row, below, opened, schemas, types):
        data, references = _with_others(row, below, opened, types)
        own = {name: getattr(row, name) for name in MEMBERS}
        related = {"block_schema": schemas[row.block_schema_id], "block_type": types[row.block_type_id]}
        return own | related | {"data": as_stored(data), "block_document_references": references}


def _with_others(row, below, opened, types):
    """Return the data of a document with that of those it holds, and the description of those."""
    data, references = dict(opened[row.id]), {}
    for name, other in below.get(row.id, ()):
        data[name], further = _with_others(other, below, opened, types)
        about = {"id": other.id, "name": other.name, "block_type": types[other.block_type_id], "block_document_references": further}
        references[name] = {"block_document": about}
    return data, references

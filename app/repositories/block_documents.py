"""Block documents. Their data leaves this module decrypted and enters the database encrypted."""

from functools import cache

from sqlalchemy import delete, func, select, update
from sqlalchemy import insert as plain_insert

from app.db.dialects import advisory_lock, as_stored, insert
from app.db.models import BlockDocument, BlockDocumentReference
from app.domain.blocks import check_nesting, document_references
from app.domain.ids import new_id
from app.errors import Conflict, InvalidField, NoKey, NotFound
from app.repositories.base import Repository
from app.repositories.block_schemas import BlockSchemas
from app.repositories.block_types import BLOCK_TYPE, BlockTypes
from app.repositories.reaching import references_from

BLOCK_DOCUMENT = BlockDocument.__table__
REFERENCE = BlockDocumentReference.__table__
PARENT, OTHER = REFERENCE.c.parent_block_document_id, REFERENCE.c.reference_block_document_id
ANSWERED = ("id", "created", "updated", "name", "block_schema_id", "block_type_id", "is_anonymous")
IS_DEFAULT = BLOCK_DOCUMENT.c.is_default_storage_block_document

# One number for whoever changes what only a look at many blocks can check: which holds which, and which is the default storage
LOCK = 0x626C6F636B73


class BlockDocuments(Repository):
    """Blocks, unique by type and name. `vault` seals and opens their data."""

    table = BLOCK_DOCUMENT
    kind = "Block document"

    def __init__(self, session, clock, vault):
        super().__init__(session, clock)
        self.vault = vault

    @classmethod
    @cache
    def selection(cls):
        """The document's columns; what else belongs to an answer is fetched for all rows at once."""
        return select(BLOCK_DOCUMENT)

    def list(self, is_anonymous, limit=None, offset=0, block_type_id=None):
        """Documents by name; with `is_anonymous`, those that are or are not; with `block_type_id`, of that type."""
        statement = self.selection().order_by(BLOCK_DOCUMENT.c.name, BLOCK_DOCUMENT.c.id).limit(limit).offset(offset)
        if is_anonymous is not None:
            statement = statement.where(BLOCK_DOCUMENT.c.is_anonymous.is_(is_anonymous))
        if block_type_id is not None:
            statement = statement.where(BLOCK_DOCUMENT.c.block_type_id == block_type_id)
        return self._documents(statement)

    def read_by_names(self, block_type_name, name):
        """The document called `name` of the type called `block_type_name`. Raises NotFound."""
        of_type = BLOCK_DOCUMENT.c.block_type_id.in_(select(BLOCK_TYPE.c.id).where(BLOCK_TYPE.c.name == block_type_name))
        return self.require_where(of_type, BLOCK_DOCUMENT.c.name == name)

    def create(self, values):
        """The document of a new block, and whether it is new: an anonymous one that is the same as another is answered as that.

        Raises Conflict when the name is taken, InvalidField for references that cannot be.
        """
        data, now = values["data"], self.clock()
        plain, references = self._separated(data)
        names = self._anonymous_names(values, data) if values["is_anonymous"] else [values["name"]]
        if values["is_anonymous"] and (existing := self._id_of(values["block_type_id"], names)):
            return self.require(existing), False
        row = {"id": new_id(), "created": now, "updated": now} | values | {"name": names[0], "data": self.vault.seal(plain)}
        key = [BLOCK_DOCUMENT.c.block_type_id, BLOCK_DOCUMENT.c.name]
        statement = insert(self.session, BLOCK_DOCUMENT).values(row).on_conflict_do_nothing(index_elements=key)
        while not self.session.execute(statement).rowcount:
            if not values["is_anonymous"]:
                raise Conflict("A block of this type with this name exists already.")
            if existing := self._id_of(values["block_type_id"], names):
                return self.require(existing), False
            # it was deleted since the insert
        self._refer(row["id"], references)
        return self.require(row["id"]), True

    def update(self, id, changes):
        """Set `name` and `data`, where `changes` has them; null data stays as it is. Raises NotFound, Conflict, InvalidField."""
        data = changes.get("data")
        plain, references = (None, {}) if data is None else self._separated(data)
        row = self.session.execute(self.selection().where(BLOCK_DOCUMENT.c.id == id).with_for_update()).one_or_none()
        if row is None:
            raise NotFound(self.kind)
        if "name" in changes and row.is_anonymous:
            raise InvalidField("name", "An anonymous block has no name that could be changed.")
        columns = {"updated": self.clock()} | ({"name": changes["name"]} if "name" in changes else {})
        if data is not None:
            columns["data"] = self.vault.seal(plain)
            if row.is_anonymous:
                columns["name"] = self._anonymous_names(row._mapping, data)[0]
        self.session.execute(update(BLOCK_DOCUMENT).where(BLOCK_DOCUMENT.c.id == id).values(columns))
        if data is not None:
            self.session.execute(delete(REFERENCE).where(id == PARENT))
            self._refer(id, references)

    def default_storage(self):
        """The document of the block that is the default storage, or None."""
        return next(iter(self._documents(self.selection().where(IS_DEFAULT))), None)

    def clear_default_storage(self):
        """Let no block be the default storage."""
        advisory_lock(self.session.connection(), LOCK)
        self.session.execute(update(BLOCK_DOCUMENT).where(IS_DEFAULT).values({IS_DEFAULT.name: False}))

    def set_default_storage(self, id):
        """Make the block the default storage, in place of any other. Raises NotFound, InvalidField for one that stores nothing."""
        self.clear_default_storage()
        row = self.session.execute(
            select(BLOCK_DOCUMENT.c.block_schema_id).where(BLOCK_DOCUMENT.c.id == id).with_for_update()
        ).one_or_none()
        if row is None:
            raise NotFound(self.kind)
        schema = BlockSchemas(self.session, self.clock).require(row.block_schema_id)
        if "storage" not in schema["capabilities"]:
            raise InvalidField("", "The block is no storage: its schema lacks the capability 'storage'.")
        self.session.execute(update(BLOCK_DOCUMENT).where(BLOCK_DOCUMENT.c.id == id).values({IS_DEFAULT.name: True}))

    def reseal(self, after, limit):
        """Encrypt the next `limit` documents behind the id `after` (None: from the first) anew, with the first key.

        Returns the last of their ids (None when there was none), how many were done, and the ids of those that no key opens.
        """
        statement = select(BLOCK_DOCUMENT.c.id, BLOCK_DOCUMENT.c.data).order_by(BLOCK_DOCUMENT.c.id).limit(limit).with_for_update()
        rows = self.session.execute(statement.where(BLOCK_DOCUMENT.c.id > after) if after else statement).all()
        sealed, failed = {}, []
        for row in rows:
            try:
                sealed[row.id] = self.vault.reseal(row.data)
            except NoKey:
                failed.append(row.id)
        for id, data in sealed.items():
            self.session.execute(update(BLOCK_DOCUMENT).where(BLOCK_DOCUMENT.c.id == id).values(data=data))
        return rows[-1].id if rows else None, len(sealed), failed

    def overview(self, is_anonymous, limit, offset):
        """Rows of (type's name, name, id, is the default storage, when it was changed) by type and name, none of them decrypted."""
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
        conditions = (BLOCK_DOCUMENT.c.block_type_id == block_type_id, BLOCK_DOCUMENT.c.name.in_(names))
        return self.session.scalar(select(BLOCK_DOCUMENT.c.id).where(*conditions).limit(1))

    def _refer(self, id, references):
        if not references:
            return
        now = self.clock()
        own = {PARENT.name: id, "created": now}
        values = [own | {"id": new_id(), "name": name, OTHER.name: other} for name, other in references.items()]
        self.session.execute(plain_insert(REFERENCE), values)
        above = [one.parent_block_document_id for one in references_from(self.session, REFERENCE, OTHER, PARENT, [id])]
        held = {}
        for one in references_from(self.session, REFERENCE, PARENT, OTHER, [id, *above]):
            held.setdefault(one.parent_block_document_id, []).append(one.reference_block_document_id)
        check_nesting(held, dict.fromkeys([id, *above]))

    def _documents(self, statement, values=None):
        rows = self.session.execute(statement, values).all()
        references = references_from(self.session, REFERENCE, PARENT, OTHER, [row.id for row in rows])
        known = {row.id: row for row in rows}
        missing = {one.reference_block_document_id for one in references} - known.keys()
        if missing:
            known |= {row.id: row for row in self.session.execute(self.selection().where(BLOCK_DOCUMENT.c.id.in_(missing)))}
        schemas = BlockSchemas(self.session, self.clock).by_ids({row.block_schema_id for row in rows})
        types = BlockTypes(self.session, self.clock).by_ids({row.block_type_id for row in known.values()})
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
        own = {name: getattr(row, name) for name in ANSWERED}
        related = {"block_schema": schemas[row.block_schema_id], "block_type": types[row.block_type_id]}
        return own | related | {"data": as_stored(data), "block_document_references": references}


def _with_others(row, below, opened, types):
    """The data of a document with that of those it holds, and what there is to say about them."""
    data, references = dict(opened[row.id]), {}
    for name, other in below.get(row.id, ()):
        data[name], further = _with_others(other, below, opened, types)
        about = {"id": other.id, "name": other.name, "block_type": types[other.block_type_id], "block_document_references": further}
        references[name] = {"block_document": about}
    return data, references

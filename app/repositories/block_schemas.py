"""Block schemas, each with those it refers to."""

from sqlalchemy import Uuid, bindparam, select, update
from sqlalchemy import insert as plain_insert

from app.db.models import BlockSchema, BlockSchemaReference
from app.db.sql import insert
from app.db.types import as_stored
from app.domain.blocks import MAX_HELD, checksum, definition, schema_references
from app.domain.ids import new_id
from app.errors import Conflict, InvalidField, NotFound, NotRegistered
from app.repositories.base import Repository, part_of
from app.repositories.block_types import BLOCK_TYPE, BlockTypes
from app.repositories.references import references_from

BLOCK_SCHEMA = BlockSchema.__table__
REFERENCE = BlockSchemaReference.__table__

# Members of fields that are stored as rows, and as schemas of their own
NOT_STORED = ("definitions", "block_schema_references")

MEMBERS = ("id", "created", "updated", "checksum", "fields", "capabilities", "block_type_id")
SELECTION = select(*(BLOCK_SCHEMA.c[name] for name in MEMBERS))
BY_IDS = SELECTION.where(BLOCK_SCHEMA.c.id.in_(bindparam("ids", type_=Uuid, expanding=True)))
BY_CHECKSUM = SELECTION.where(BLOCK_SCHEMA.c.checksum == bindparam("checksum"))
PAGE = part_of(SELECTION.order_by(BLOCK_SCHEMA.c.created.desc(), BLOCK_SCHEMA.c.id.desc()))
PAGE_OF_TYPES = PAGE.where(BLOCK_SCHEMA.c.block_type_id.in_(bindparam("block_type_ids", type_=Uuid, expanding=True)))
ID_BY_CHECKSUM = select(BLOCK_SCHEMA.c.id).where(BLOCK_SCHEMA.c.checksum == bindparam("checksum"))
TYPE_ID_BY_NAME = select(BLOCK_TYPE.c.id).where(BLOCK_TYPE.c.name == bindparam("name"))
LOCK = select(BLOCK_SCHEMA.c.block_type_id, BLOCK_SCHEMA.c.capabilities).where(BLOCK_SCHEMA.c.id == bindparam("wanted")).with_for_update()
INSERT = insert(BLOCK_SCHEMA).on_conflict_do_nothing(index_elements=[BLOCK_SCHEMA.c.checksum]).returning(BLOCK_SCHEMA.c.id)
UPDATE = update(BLOCK_SCHEMA).where(BLOCK_SCHEMA.c.id == bindparam("wanted"))
INSERT_REFERENCE = plain_insert(REFERENCE)
REFERENCES = references_from(REFERENCE, REFERENCE.c.parent_block_schema_id, REFERENCE.c.reference_block_schema_id)


class BlockSchemas(Repository):
    """The versions of block types, unique by checksum."""

    table = BLOCK_SCHEMA
    kind = "Block schema"
    selection = SELECTION

    def __init__(self, session, clock):
        super().__init__(session, clock)
        self.types = BlockTypes(session, clock)

    def list(self, block_type_ids, limit, offset):
        """Return schemas, the newest first; with `block_type_ids`, of these types."""
        part = {"limit": limit, "offset": offset}
        if block_type_ids is None:
            return self._documents(PAGE, part)
        return self._documents(PAGE_OF_TYPES, part | {"block_type_ids": block_type_ids})

    def by_ids(self, ids):
        """Return those among `ids` that exist, as {id: answer}."""
        return {found["id"]: found for found in self._documents(BY_IDS, {"ids": list(ids)})} if ids else {}

    def read_by_checksum(self, checksum):
        """Return the schema with this checksum. Raise NotRegistered."""
        try:
            return self._require(BY_CHECKSUM, {"checksum": checksum})
        except NotFound:
            raise NotRegistered(self.kind) from None

    def create(self, fields, block_type_id, capabilities):
        """Create a schema, and those it refers to from its definitions where they are missing. Return its answer, and whether it is new.

        One that exists gets the `capabilities` that it lacks. Raise Conflict where it lacks none, or for a block type that does not exist,
        and InvalidField.
        """
        id, created = self._insert(fields, block_type_id, capabilities)
        if not created:
            self._add_capabilities(id, block_type_id, capabilities)
            return self.require(id), False
        definitions = fields.get("definitions")
        waiting, made = [(id, fields)], 0
        while waiting:
            parent, its_fields = waiting.pop()
            for name, type_name, wanted in schema_references(its_fields):
                made += 1
                if made > MAX_HELD:
                    raise InvalidField("fields.definitions", f"At most {MAX_HELD} references are allowed in all.")
                other, new_fields = self._referred(its_fields, definitions, name, type_name, wanted)
                self._refer(parent, other, name)
                if new_fields is not None:
                    waiting.append((other, new_fields))
        return self.require(id), True

    def _insert(self, fields, block_type_id, capabilities):
        now, known_as = self.clock(), checksum(fields)
        values = {"id": new_id(), "created": now, "updated": now, "checksum": known_as, "block_type_id": block_type_id}
        values |= {"fields": {name: value for name, value in fields.items() if name not in NOT_STORED}, "capabilities": capabilities}
        while True:
            id = self.session.scalar(INSERT, values)
            if id is not None:
                return id, True
            id = self._id_of(known_as)
            if id is not None:
                return id, False
            # it was deleted since the insert

    def _id_of(self, known_as):
        return self.session.scalar(ID_BY_CHECKSUM, {"checksum": known_as})

    def _add_capabilities(self, id, block_type_id, capabilities):
        stored = self.session.execute(LOCK, {"wanted": id}).one_or_none()
        if stored is None:
            raise Conflict("The block schema was deleted at this moment; try again.")
        added = [one for one in capabilities if one not in stored.capabilities]
        if not added or stored.block_type_id != block_type_id:
            raise Conflict("An identical block schema exists already.")
        changes = {"capabilities": [*stored.capabilities, *dict.fromkeys(added)], "updated": self.clock()}
        self.session.execute(UPDATE, changes | {"wanted": id})

    def _referred(self, fields, definitions, name, type_name, wanted):
        """Return the id of a schema that is referred to and, where it was made now, its fields."""
        block_type_id = self.session.scalar(TYPE_ID_BY_NAME, {"name": type_name})
        if block_type_id is None:
            raise Conflict("The block schema refers to a block type that does not exist; register that first.")
        id = self._id_of(wanted)
        if id is not None:
            return id, None
        child = definition(fields, definitions, name, type_name)
        if child is None:
            raise InvalidField("fields.definitions", "A block schema is referred to that neither exists nor is defined here.")
        id, created = self._insert(child, block_type_id, [])
        return id, child if created else None

    def _refer(self, parent, other, name):
        values = {"id": new_id(), "created": self.clock(), "name": name}
        values |= {"parent_block_schema_id": parent, "reference_block_schema_id": other}
        self.session.execute(INSERT_REFERENCE, values)

    def _documents(self, statement, parameters=None):
        rows = self.session.execute(statement, parameters).all()
        if not rows:
            return []
        references = self.session.execute(REFERENCES, {"starts": [row.id for row in rows]}).all()
        schemas = {row.id: row for row in rows}
        missing = {one.reference_block_schema_id for one in references} - schemas.keys()
        if missing:
            schemas |= {row.id: row for row in self.session.execute(BY_IDS, {"ids": list(missing)})}
        types = self.types.by_ids({row.block_type_id for row in schemas.values()})
        # one whose type is gone was deleted with it between two of these statements
        schemas = {id: row for id, row in schemas.items() if row.block_type_id in types}
        below = {}
        for one in references:
            if one.reference_block_schema_id in schemas:
                below.setdefault(one.parent_block_schema_id, []).append((one.name, schemas[one.reference_block_schema_id]))
        found = (row for row in rows if row.id in schemas)
        return [row._asdict() | {"fields": as_stored(_whole(row, below, types)), "block_type": types[row.block_type_id]} for row in found]


def _whole(row, below, types):
    """Return the fields of a schema as they were sent: with its references, and all schemas that these lead to as definitions."""
    definitions, seen, waiting = {}, {row.id}, [row]
    while waiting:
        for _name, other in below.get(waiting.pop(0).id, ()):
            if other.id not in seen:
                seen.add(other.id)
                waiting.append(other)
                if other.fields.get("title") is not None:
                    definitions[str(other.fields["title"])] = _with_references(other, below, types)
    return _with_references(row, below, types) | ({"definitions": definitions} if definitions else {})


def _with_references(row, below, types):
    references = {}
    for name, other in below.get(row.id, ()):
        reference = {"block_schema_checksum": other.checksum, "block_type_name": types[other.block_type_id]["name"]}
        others = references.setdefault(name, [])
        if reference not in others:
            others.append(reference)
    single = {name: others[0] if len(others) == 1 else others for name, others in references.items()}
    return {**row.fields, "block_schema_references": single}

"""Block documents, the blocks themselves: what comes in, what is answered, and examples."""

from marshmallow import ValidationError, post_load, validates_schema

from app.schemas import fields
from app.schemas.base import ANY_ID, BLOCK_SCHEMA_ID, BLOCK_TYPE_ID, STORED, Body, Part, Stored
from app.schemas.block_schemas import BlockSchema
from app.schemas.block_types import BlockType
from app.schemas.fields import MISSING

RESERVED = "anonymous"

NAME = "Unique in its type. An anonymous block has none of its own."
TYPE, SCHEMA = "The block's type.", "The version of the type that the block is of."
ANONYMOUS = "Without a name of its own; two with the same data are one."
DATA = {"path": "/mnt/flows", "password": "hunter2"}


def _check_name(name):
    if name.startswith(RESERVED):
        raise ValidationError(f"Names that start with {RESERVED!r} are reserved.", "name")


class BlockDocumentCreate(Body):
    """A block to create."""

    name = fields.Name(NAME, allow_none=True, load_default=None, example="flows")
    data = fields.Object(
        'The block itself, encrypted where it is stored. A member {"$ref": {"block_document_id": id}} stands for '
        "another block, whose data is answered in its place.",
        load_default=dict,
        example=DATA,
    )
    block_type_id = fields.UUID(TYPE, required=True)
    block_schema_id = fields.UUID(SCHEMA, required=True)
    is_anonymous = fields.Boolean(ANONYMOUS, load_default=False, example=False)

    example = {"name": "flows", "data": DATA, "block_type_id": ANY_ID, "block_schema_id": ANY_ID}

    @validates_schema(skip_on_field_errors=True)
    def _check_name(self, body, **kwargs):
        name = body["name"]
        if body["is_anonymous"] and name is not None:
            raise ValidationError("An anonymous block has no name.", "name")
        if not body["is_anonymous"] and name is None:
            raise ValidationError(MISSING, "name")
        if name is not None:
            _check_name(name)


class BlockDocumentUpdate(Body):
    """What to change of a block."""

    name = fields.Name(NAME, example="flows-2")
    data = fields.Object("All of it; null leaves it as it is.", allow_none=True, example=DATA)

    example = {"data": {"path": "/mnt/flows-2", "password": "hunter2"}}

    @validates_schema(skip_on_field_errors=True)
    def _check_name(self, body, **kwargs):
        if "name" in body:
            _check_name(body["name"])


class BlockDocumentFilterIsAnonymous(Body):
    """Criteria on anonymity."""

    eq_ = fields.Boolean("Whether they are anonymous; null: all.", allow_none=True)


class BlockDocumentFilter(Body):
    """Which blocks."""

    is_anonymous = fields.Nested(BlockDocumentFilterIsAnonymous, "Those with a name if not given; null: all.", allow_none=True)


class BlockDocumentPage(Part):
    """Criteria on blocks, and which part of what meets them."""

    block_document_filter = fields.Nested(BlockDocumentFilter, allow_none=True)
    block_schema_type = fields.String("Sent by clients; nothing follows from it.", allow_none=True)

    example = {"block_document_filter": {"is_anonymous": {"eq_": False}}, "limit": 20}

    @post_load
    def _is_anonymous(self, body, **kwargs):
        asked = body.pop("block_document_filter", None) or {}
        return body | {"is_anonymous": (asked.get("is_anonymous", {"eq_": False}) or {}).get("eq_")}


class BlockDocument(Stored):
    """A block, its data decrypted and with the data of the blocks it holds."""

    name = fields.String(NAME, required=True)
    data = fields.Object("The block itself.", required=True)
    block_schema_id = fields.UUID(SCHEMA, required=True)
    block_schema = fields.Nested(BlockSchema, SCHEMA, required=True)
    block_type_id = fields.UUID(TYPE, required=True)
    block_type = fields.Nested(BlockType, TYPE, required=True)
    block_document_references = fields.Object("The blocks it holds, by the member that holds them.", required=True)
    is_anonymous = fields.Boolean(ANONYMOUS, required=True)

    example = STORED | {
        "name": "flows",
        "data": DATA,
        "block_schema_id": BLOCK_SCHEMA_ID,
        "block_schema": BlockSchema.example | {"id": BLOCK_SCHEMA_ID},
        "block_type_id": BLOCK_TYPE_ID,
        "block_type": BlockType.example | {"id": BLOCK_TYPE_ID},
        "block_document_references": {},
        "is_anonymous": False,
    }

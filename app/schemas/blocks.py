"""Blocks: bodies of requests, what is answered, and examples."""

import re

from marshmallow import ValidationError, fields, validates_schema

from app.schemas.answers import Answer
from app.schemas.base import MISSING, Body, Boolean, BoundedList, Id, Name, Object, Text
from app.schemas.examples import ANY_ID
from app.schemas.filters import Part

RESERVED = "anonymous"

# A host without a dot, which clients of the reference refuse to read, is refused
WEB_URL = r"^https?://(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}(?::[1-5]?[0-9]{1,4})?(?:[/?#][!-~]*)?$"

TYPE_NAME = "Shared Folder"
FIELDS = {
    "title": "SharedFolder",
    "description": "A folder that all workers see.",
    "type": "object",
    "properties": {"path": {"title": "Path", "type": "string"}, "password": {"title": "Password", "type": "string"}},
    "required": ["path"],
    "block_type_name": TYPE_NAME,
    "block_schema_references": {},
}
DATA = {"path": "/mnt/flows", "password": "hunter2"}
BLOCK_TYPE = {"name": TYPE_NAME, "documentation_url": "https://example.com/folders", "description": "Keeps flows in a shared folder."}
BLOCK_TYPE_UPDATE = {"logo_url": "https://example.com/folder.png"}
LIST = {"limit": 20}
BLOCK_SCHEMA = {"block_type_id": ANY_ID, "fields": FIELDS, "capabilities": ["readable", "writeable", "storage"]}
BLOCK_SCHEMA_FILTER = {"block_schema_filter": {"block_type_id": {"any_": [ANY_ID]}}, "limit": 20}
BLOCK_DOCUMENT = {"name": "flows", "data": DATA, "block_type_id": ANY_ID, "block_schema_id": ANY_ID}
BLOCK_DOCUMENT_UPDATE = {"data": {"path": "/mnt/flows-2", "password": "hunter2"}}
BLOCK_DOCUMENT_FILTER = {"block_document_filter": {"is_anonymous": {"eq_": False}}, "limit": 20}


class WebUrl(Text):
    """The address of something on the web."""

    def __init__(self, **kwargs):
        super().__init__(longest=2083, metadata={"pattern": WEB_URL, "example": "https://example.com/folders"}, **kwargs)

    def _deserialize(self, value, attr, data, **kwargs):
        text = super()._deserialize(value, attr, data, **kwargs)
        if not re.fullmatch(WEB_URL, text):
            raise ValidationError("Not a URL such as https://example.com/logo.png.")
        return text


class BlockTypeUpdate(Body):
    """What to change of a block type."""

    logo_url = WebUrl(allow_none=True)
    documentation_url = WebUrl(allow_none=True)
    description = Text(longest=None, allow_none=True, metadata={"description": "What blocks of the type are for."})
    code_example = Text(longest=None, allow_none=True, metadata={"description": "How such a block is used in code."})


class BlockTypeCreate(BlockTypeUpdate):
    """A kind of block to create."""

    name = Name(required=True, metadata={"description": "Unique among block types.", "example": TYPE_NAME})


class BlockSchemaCreate(Body):
    """One version of a block type. Its checksum is computed from `fields`."""

    fields_ = Object(
        data_key="fields",
        attribute="fields",
        load_default=dict,
        metadata={
            "description": "JSON Schema of the block's data. `block_schema_references` names the schemas of blocks that it holds, by "
            "property, each with block_type_name and block_schema_checksum; those that the server lacks are made of `definitions`.",
            "example": FIELDS,
        },
    )
    block_type_id = Id(required=True)
    capabilities = BoundedList(
        Text(),
        "tags",
        load_default=list,
        metadata={"description": "What such blocks can do; `storage`: keep flows.", "example": ["storage"]},
    )


class BlockSchemaFilterBlockTypeId(Body):
    """Criteria on the block type."""

    any_ = BoundedList(Id(), "filter_values", allow_none=True, metadata={"description": "One of these. An empty list matches nothing."})


class BlockSchemaFilter(Body):
    """Which block schemas."""

    block_type_id = fields.Nested(BlockSchemaFilterBlockTypeId, allow_none=True)


class BlockSchemaPage(Part):
    """Criteria on block schemas, and which part of what meets them."""

    block_schema_filter = fields.Nested(BlockSchemaFilter, allow_none=True)


def _check_name(name):
    if name.startswith(RESERVED):
        raise ValidationError(f"Names that start with {RESERVED!r} are reserved.", "name")


class BlockDocumentCreate(Body):
    """A block to create."""

    name = Name(allow_none=True, metadata={"description": "Unique in its type. An anonymous block has none.", "example": "flows"})
    data = Object(
        load_default=dict,
        metadata={
            "description": 'The block itself, encrypted where it is stored. A member {"$ref": {"block_document_id": id}} stands for '
            "another block, whose data is answered in its place.",
            "example": DATA,
        },
    )
    block_type_id = Id(required=True)
    block_schema_id = Id(required=True)
    is_anonymous = Boolean(
        load_default=False, metadata={"description": "Without a name of its own; two with the same data are one.", "example": False}
    )

    @validates_schema(skip_on_field_errors=True)
    def _check_name(self, body, **kwargs):
        name = body.get("name")
        if body["is_anonymous"] and name is not None:
            raise ValidationError("An anonymous block has no name.", "name")
        if not body["is_anonymous"] and name is None:
            raise ValidationError(MISSING, "name")
        if name is not None:
            _check_name(name)


class BlockDocumentUpdate(Body):
    """What to change of a block."""

    name = Name(metadata={"example": "flows-2"})
    data = Object(allow_none=True, metadata={"description": "All of it; null leaves it as it is.", "example": DATA})

    @validates_schema(skip_on_field_errors=True)
    def _check_name(self, body, **kwargs):
        if "name" in body:
            _check_name(body["name"])


class BlockDocumentFilterIsAnonymous(Body):
    """Criteria on anonymity."""

    eq_ = Boolean(allow_none=True, metadata={"description": "Whether they are anonymous; null: all."})


class BlockDocumentFilter(Body):
    """Which blocks."""

    is_anonymous = fields.Nested(
        BlockDocumentFilterIsAnonymous, allow_none=True, metadata={"description": "Those with a name if not given; null: all."}
    )


class BlockDocumentPage(Part):
    """Criteria on blocks, and which part of what meets them."""

    block_document_filter = fields.Nested(BlockDocumentFilter, allow_none=True)
    block_schema_type = Text(longest=None, allow_none=True, metadata={"description": "Sent by clients; nothing follows from it."})


class BlockType(Answer):
    """A kind of block."""

    name = fields.String(required=True, metadata={"example": TYPE_NAME})
    logo_url = fields.String(required=True, allow_none=True)
    documentation_url = fields.String(required=True, allow_none=True)
    description = fields.String(required=True, allow_none=True)
    code_example = fields.String(required=True, allow_none=True)


class BlockSchema(Answer):
    """One version of a block type."""

    checksum = fields.String(required=True, metadata={"description": "SHA-256 of the fields without descriptions and definitions."})
    fields_ = Object(data_key="fields", required=True)
    block_type_id = fields.UUID(required=True)
    block_type = fields.Nested(BlockType, required=True)
    capabilities = fields.List(fields.String(), required=True)


class BlockDocument(Answer):
    """A block, its data decrypted and with the data of the blocks it holds."""

    name = fields.String(required=True, metadata={"example": "flows"})
    data = Object(required=True)
    block_schema_id = fields.UUID(required=True)
    block_schema = fields.Nested(BlockSchema, required=True)
    block_type_id = fields.UUID(required=True)
    block_type = fields.Nested(BlockType, required=True)
    block_document_references = Object(required=True, metadata={"description": "The blocks it holds, by the member that holds them."})
    is_anonymous = fields.Boolean(required=True)

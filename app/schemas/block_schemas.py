"""Block schemas: what comes in, what is answered, and examples."""

from marshmallow import post_load

from app.schemas import fields
from app.schemas.base import ANY_ID, BLOCK_TYPE_ID, STORED, Body, Part, Stored
from app.schemas.block_types import BlockType
from app.schemas.context import Bound

FIELDS = {
    "title": "SharedFolder",
    "description": "A folder that all workers see.",
    "type": "object",
    "properties": {"path": {"title": "Path", "type": "string"}, "password": {"title": "Password", "type": "string"}},
    "required": ["path"],
    "block_type_name": "Shared Folder",
    "block_schema_references": {},
}
CHECKSUM = "sha256:f75167b1d81f5795942f438fe42965b3527a187c21cf149b71ef3a450e8a1aa8"
CAPABILITIES = ["readable", "writeable", "storage"]

TYPE = "The block type."
CAN = "What such blocks can do; `storage`: keep flows."


class BlockSchemaCreate(Body):
    """One version of a block type. Its checksum is computed from `fields`."""

    fields_ = fields.Object(
        "JSON Schema of the block's data. `block_schema_references` names the schemas of blocks that it holds, by "
        "property, each with block_type_name and block_schema_checksum; those that the server lacks are made of `definitions`.",
        data_key="fields",
        attribute="fields",
        load_default=dict,
        example=FIELDS,
    )
    block_type_id = fields.UUID(TYPE, required=True)
    capabilities = fields.List(fields.String(max=fields.MAX_TEXT), CAN, max=Bound("tags"), load_default=list, example=["storage"])

    example = {"block_type_id": ANY_ID, "fields": FIELDS, "capabilities": CAPABILITIES}


class BlockSchemaFilterBlockTypeId(Body):
    """Criteria on the block type."""

    any_ = fields.List(fields.UUID(), "One of these. An empty list matches nothing.", max=Bound("filter_values"), allow_none=True)


class BlockSchemaFilter(Body):
    """Which block schemas."""

    block_type_id = fields.Nested(BlockSchemaFilterBlockTypeId, allow_none=True)


class BlockSchemaPage(Part):
    """Criteria on block schemas, and which part of what meets them."""

    block_schema_filter = fields.Nested(BlockSchemaFilter, allow_none=True)

    example = {"block_schema_filter": {"block_type_id": {"any_": [ANY_ID]}}, "limit": 20}

    @post_load
    def _block_type_ids(self, body, **kwargs):
        asked = (body.pop("block_schema_filter", None) or {}).get("block_type_id") or {}
        return body | {"block_type_ids": asked.get("any_")}


class BlockSchema(Stored):
    """One version of a block type."""

    checksum = fields.String("SHA-256 of the fields without descriptions and definitions.", required=True)
    fields_ = fields.Object("JSON Schema of the block's data.", data_key="fields", required=True)
    block_type_id = fields.UUID(TYPE, required=True)
    block_type = fields.Nested(BlockType, TYPE, required=True)
    capabilities = fields.List(fields.String(), CAN, required=True)

    example = STORED | {
        "checksum": CHECKSUM,
        "fields": FIELDS,
        "block_type_id": BLOCK_TYPE_ID,
        "block_type": BlockType.example | {"id": BLOCK_TYPE_ID},
        "capabilities": CAPABILITIES,
    }

"""Block schemas."""

from app.api.blueprint import Blueprint, page, services
from app.db.session import get_session
from app.repositories.block_schemas import BlockSchemas
from app.schemas import blocks

blueprint = Blueprint("Block Schemas", __name__, url_prefix="/api/block_schemas", description="What blocks of a type are made of.")


def block_schemas():
    """The stored block schemas."""
    return BlockSchemas(get_session(), services().clock)


@blueprint.post("/")
@blueprint.arguments(blocks.BlockSchemaCreate, example=blocks.BLOCK_SCHEMA)
@blueprint.answers(
    201, blocks.BlockSchema, also={200: "The schema that was there, with capabilities that it lacked"}, errors=(409,), description="Created"
)
def create_block_schema(body):
    """Create a block schema.

    One with the same checksum is refused, unless it lacks some of the capabilities, which it then gets.
    """
    document, created = block_schemas().create(body["fields"], body["block_type_id"], body["capabilities"])
    return document, 201 if created else 200


@blueprint.get("/<id:id>")
@blueprint.answers(200, blocks.BlockSchema, errors=(404, 422), read_only=True)
def read_block_schema(id):
    """Read a block schema.

    With the schemas it refers to, as definitions.
    """
    return block_schemas().require(id)


@blueprint.get("/checksum/<checksum>")
@blueprint.answers(200, blocks.BlockSchema, errors=(404,), read_only=True)
def read_block_schema_by_checksum(checksum):
    """Read a block schema by checksum.

    The checksum is what a client knows a schema by.
    """
    return block_schemas().read_by_checksum(checksum)


@blueprint.post("/filter")
@blueprint.arguments(blocks.BlockSchemaPage, required=False, example=blocks.BLOCK_SCHEMA_FILTER)
@blueprint.answers(200, blocks.BlockSchema(many=True), read_only=True)
def read_block_schemas(body):
    """List block schemas.

    The newest first.
    """
    wanted = (body.get("block_schema_filter") or {}).get("block_type_id") or {}
    return block_schemas().list(wanted.get("any_"), *page(body))


@blueprint.delete("/<id:id>")
@blueprint.answers(204, errors=(404, 422))
def delete_block_schema(id):
    """Delete a block schema.

    Its blocks go with it.
    """
    block_schemas().delete(id)
    return None, 204

"""Block schemas."""

from app.api.http import Blueprint, needs, transaction, unit_of_work
from app.schemas.block_schemas import BlockSchema, BlockSchemaCreate, BlockSchemaPage

blueprint = Blueprint("Block Schemas", __name__, url_prefix="/api/block_schemas", description="What blocks of a type are made of.")


@blueprint.post("/")
@needs("blocks")
@blueprint.arguments(BlockSchemaCreate)
@blueprint.response(201, BlockSchema)
@blueprint.alt_response(200, schema=BlockSchema, description="The schema that was there, with capabilities that it lacked", success=True)
@blueprint.alt_response(409, "Conflict")
@transaction()
def create_block_schema(body):
    """Create a block schema.

    One with the same checksum is refused, unless it lacks some of the capabilities, which it then gets.
    """
    schema, created = unit_of_work().block_schemas.create(body["fields"], body["block_type_id"], body["capabilities"])
    return schema, 201 if created else 200


@blueprint.get("/<id:id>")
@needs("blocks", "worker")
@blueprint.response(200, BlockSchema)
@transaction(read_only=True)
def read_block_schema(id):
    """Read a block schema.

    With the schemas it refers to, as definitions.
    """
    return unit_of_work().block_schemas.require(id)


@blueprint.get("/checksum/<checksum>")
@needs("blocks", "worker")
@blueprint.response(200, BlockSchema)
@transaction(read_only=True)
def read_block_schema_by_checksum(checksum):
    """Read a block schema by checksum.

    The checksum is what a client knows a schema by.
    """
    return unit_of_work().block_schemas.read_by_checksum(checksum)


@blueprint.post("/filter")
@needs("blocks")
@blueprint.arguments(BlockSchemaPage, required=False)
@blueprint.response(200, BlockSchema(many=True))
@transaction(read_only=True)
def read_block_schemas(body):
    """List block schemas.

    The newest first.
    """
    return unit_of_work().block_schemas.list(body["block_type_ids"], body["limit"], body["offset"])


@blueprint.delete("/<id:id>")
@needs("blocks")
@blueprint.response(204)
@transaction()
def delete_block_schema(id):
    """Delete a block schema.

    Its blocks go with it.
    """
    unit_of_work().block_schemas.delete(id)
    return None, 204

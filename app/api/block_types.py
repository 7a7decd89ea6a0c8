"""Block types, and blocks by the names of their types."""

from app.api.http import Blueprint, needs, transaction, unit_of_work
from app.schemas.base import Part
from app.schemas.block_documents import BlockDocument
from app.schemas.block_types import BlockType, BlockTypeCreate, BlockTypeUpdate

blueprint = Blueprint("Block Types", __name__, url_prefix="/api/block_types", description="Kinds of blocks, which clients register.")


@blueprint.post("/")
@needs("blocks")
@blueprint.arguments(BlockTypeCreate)
@blueprint.response(201, BlockType)
@blueprint.alt_response(409, "Conflict")
@transaction()
def create_block_type(body):
    """Create a block type.

    One whose name is taken is refused. In its description and code example the characters & < > are answered as HTML writes them.
    """
    return unit_of_work().block_types.create(body), 201


@blueprint.get("/<id:id>")
@needs("blocks", "worker")
@blueprint.response(200, BlockType)
@transaction(read_only=True)
def read_block_type(id):
    """Read a block type.

    By its id.
    """
    return unit_of_work().block_types.require(id)


@blueprint.get("/name/<block_type_name>")
@needs("blocks", "worker")
@blueprint.response(200, BlockType)
@transaction(read_only=True)
def read_block_type_by_name(block_type_name):
    """Read a block type by name.

    All of the name, in upper and lower case as it is.
    """
    return unit_of_work().block_types.read_by_name(block_type_name)


@blueprint.post("/filter")
@needs("blocks")
@blueprint.arguments(Part, required=False)
@blueprint.response(200, BlockType(many=True))
@transaction(read_only=True)
def read_block_types(body):
    """List block types.

    By name.
    """
    return unit_of_work().block_types.list(body["limit"], body["offset"])


@blueprint.patch("/<id:id>")
@needs("blocks")
@blueprint.arguments(BlockTypeUpdate, required=False)
@blueprint.response(204)
@transaction()
def update_block_type(body, id):
    """Change a block type.

    An absent field keeps its value, null clears it.
    """
    unit_of_work().block_types.update(id, body)
    return None, 204


@blueprint.delete("/<id:id>")
@needs("blocks")
@blueprint.response(204)
@transaction()
def delete_block_type(id):
    """Delete a block type.

    Its schemas and its blocks go with it.
    """
    unit_of_work().block_types.delete(id)
    return None, 204


@blueprint.get("/name/<block_type_name>/block_documents")
@needs("blocks")
@blueprint.response(200, BlockDocument(many=True))
@transaction(read_only=True)
def read_block_documents_of_type(block_type_name):
    """List the blocks of a type.

    Those with a name, by name.
    """
    block_type = unit_of_work().block_types.read_by_name(block_type_name)
    return unit_of_work().block_documents.list(False, block_type_id=block_type["id"])


@blueprint.get("/name/<block_type_name>/block_documents/name/<block_document_name>")
@needs("blocks", "worker")
@blueprint.response(200, BlockDocument)
@transaction(read_only=True)
def read_block_document_by_names(block_type_name, block_document_name):
    """Read a block by name.

    By the name of its type and its own.
    """
    return unit_of_work().block_documents.read_by_names(block_type_name, block_document_name)

"""Block types, and blocks by the names of their types."""

from app.api.block_documents import block_documents
from app.api.blueprint import Blueprint, page, services
from app.db.session import get_session
from app.repositories.block_types import BlockTypes
from app.schemas import blocks
from app.schemas.filters import Part

blueprint = Blueprint("Block Types", __name__, url_prefix="/api/block_types", description="Kinds of blocks, which clients register.")


def block_types():
    """The stored block types."""
    return BlockTypes(get_session(), services().clock)


@blueprint.post("/")
@blueprint.arguments(blocks.BlockTypeCreate, example=blocks.BLOCK_TYPE)
@blueprint.answers(201, blocks.BlockType, errors=(409,), description="Created")
def create_block_type(body):
    """Create a block type.

    One whose name is taken is refused. In its description and code example the characters & < > are answered as HTML writes them.
    """
    return block_types().create(body)


@blueprint.get("/<id:id>")
@blueprint.answers(200, blocks.BlockType, errors=(404, 422), read_only=True)
def read_block_type(id):
    """Read a block type.

    By its id.
    """
    return block_types().require(id)


@blueprint.get("/name/<block_type_name>")
@blueprint.answers(200, blocks.BlockType, errors=(404,), read_only=True)
def read_block_type_by_name(block_type_name):
    """Read a block type by name.

    All of the name, in upper and lower case as it is.
    """
    return block_types().read_by_name(block_type_name)


@blueprint.post("/filter")
@blueprint.arguments(Part, required=False, example=blocks.LIST)
@blueprint.answers(200, blocks.BlockType(many=True), read_only=True)
def read_block_types(body):
    """List block types.

    By name.
    """
    return block_types().list(*page(body))


@blueprint.patch("/<id:id>")
@blueprint.arguments(blocks.BlockTypeUpdate, required=False, example=blocks.BLOCK_TYPE_UPDATE)
@blueprint.answers(204, errors=(404,))
def update_block_type(body, id):
    """Change a block type.

    An absent field keeps its value, null clears it.
    """
    block_types().update(id, body)
    return None, 204


@blueprint.delete("/<id:id>")
@blueprint.answers(204, errors=(404, 422))
def delete_block_type(id):
    """Delete a block type.

    Its schemas and its blocks go with it.
    """
    block_types().delete(id)
    return None, 204


@blueprint.get("/name/<block_type_name>/block_documents")
@blueprint.answers(200, blocks.BlockDocument(many=True), errors=(404,), read_only=True)
def read_block_documents_of_type(block_type_name):
    """List the blocks of a type.

    Those with a name, by name.
    """
    return block_documents().list(False, block_type_id=block_types().read_by_name(block_type_name)["id"])


@blueprint.get("/name/<block_type_name>/block_documents/name/<block_document_name>")
@blueprint.answers(200, blocks.BlockDocument, errors=(404,), read_only=True)
def read_block_document_by_names(block_type_name, block_document_name):
    """Read a block by name.

    By the name of its type and its own.
    """
    return block_documents().read_by_names(block_type_name, block_document_name)

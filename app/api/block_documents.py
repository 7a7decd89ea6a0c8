"""Block documents: the blocks themselves."""

from app.api.http import Blueprint, needs, transaction, unit_of_work
from app.schemas.block_documents import BlockDocument, BlockDocumentCreate, BlockDocumentPage, BlockDocumentUpdate

blueprint = Blueprint(
    "Block Documents", __name__, url_prefix="/api/block_documents", description="Configuration and secrets of clients, encrypted."
)


@blueprint.post("/")
@needs("blocks")
@blueprint.arguments(BlockDocumentCreate)
@blueprint.response(201, BlockDocument)
@blueprint.alt_response(200, schema=BlockDocument, description="The anonymous block that was the same", success=True)
@blueprint.alt_response(409, "Conflict")
@transaction()
def create_block_document(body):
    """Create a block.

    One with the name of another of its type is refused; an anonymous one that is the same as another is answered as that.
    """
    block, created = unit_of_work().block_documents.create(body)
    return block, 201 if created else 200


@blueprint.get("/<id:id>")
@needs("blocks", "worker")
@blueprint.response(200, BlockDocument)
@transaction(read_only=True)
def read_block_document(id):
    """Read a block.

    With its data, and that of the blocks it holds.
    """
    return unit_of_work().block_documents.require(id)


@blueprint.post("/filter")
@needs("blocks")
@blueprint.arguments(BlockDocumentPage, required=False)
@blueprint.response(200, BlockDocument(many=True))
@transaction(read_only=True)
def read_block_documents(body):
    """List blocks.

    By name; without anonymous ones, unless the filter asks for them.
    """
    return unit_of_work().block_documents.list(body["is_anonymous"], body["limit"], body["offset"])


@blueprint.patch("/<id:id>")
@needs("blocks")
@blueprint.arguments(BlockDocumentUpdate, required=False)
@blueprint.response(204)
@blueprint.alt_response(409, "Conflict")
@transaction()
def update_block_document(body, id):
    """Change a block.

    An absent field keeps its value; data is replaced as a whole.
    """
    unit_of_work().block_documents.update(id, body)
    return None, 204


@blueprint.delete("/<id:id>")
@needs("blocks")
@blueprint.response(204)
@transaction()
def delete_block_document(id):
    """Delete a block.

    Blocks that hold it are left without it.
    """
    unit_of_work().block_documents.delete(id)
    return None, 204


@blueprint.post("/<id:id>/set_default_storage_block_document")
@needs("blocks")
@blueprint.response(204)
@transaction()
def set_default_storage_block_document(id):
    """Choose the default storage.

    The block takes the place of any other; its schema must have the capability `storage`.
    """
    unit_of_work().block_documents.set_default_storage(id)
    return None, 204


@blueprint.post("/get_default_storage_block_document")
@needs("blocks", "worker")
@blueprint.alt_response(204, description="There is none")
@blueprint.response(200, BlockDocument)
@transaction(read_only=True)
def get_default_storage_block_document():
    """Read the default storage.

    Where clients keep flows and results unless they are told otherwise.
    """
    block = unit_of_work().block_documents.default_storage()
    return (None, 204) if block is None else block


@blueprint.post("/clear_default_storage_block_document")
@needs("blocks")
@blueprint.response(204)
@transaction()
def clear_default_storage_block_document():
    """Choose no default storage.

    The block itself stays.
    """
    unit_of_work().block_documents.clear_default_storage()
    return None, 204

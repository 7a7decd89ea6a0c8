"""Block documents: the blocks themselves."""

from app.api.blueprint import Blueprint, page, services
from app.db.session import get_session
from app.repositories.block_documents import BlockDocuments
from app.schemas import blocks

blueprint = Blueprint(
    "Block Documents", __name__, url_prefix="/api/block_documents", description="Configuration and secrets of clients, encrypted."
)


def block_documents():
    """The stored blocks."""
    return BlockDocuments(get_session(), services().clock, services().vault)


@blueprint.post("/")
@blueprint.arguments(blocks.BlockDocumentCreate, example=blocks.BLOCK_DOCUMENT)
@blueprint.answers(201, blocks.BlockDocument, also={200: "The anonymous block that was the same"}, errors=(409,), description="Created")
def create_block_document(body):
    """Create a block.

    One with the name of another of its type is refused; an anonymous one that is the same as another is answered as that.
    """
    document, created = block_documents().create({"name": None} | body)
    return document, 201 if created else 200


@blueprint.get("/<id:id>")
@blueprint.answers(200, blocks.BlockDocument, errors=(404, 422), read_only=True)
def read_block_document(id):
    """Read a block.

    With its data, and that of the blocks it holds.
    """
    return block_documents().require(id)


@blueprint.post("/filter")
@blueprint.arguments(blocks.BlockDocumentPage, required=False, example=blocks.BLOCK_DOCUMENT_FILTER)
@blueprint.answers(200, blocks.BlockDocument(many=True), read_only=True)
def read_block_documents(body):
    """List blocks.

    By name; without anonymous ones, unless the filter asks for them.
    """
    wanted = body.get("block_document_filter") or {}
    is_anonymous = (wanted.get("is_anonymous", {"eq_": False}) or {}).get("eq_")
    return block_documents().list(is_anonymous, *page(body))


@blueprint.patch("/<id:id>")
@blueprint.arguments(blocks.BlockDocumentUpdate, required=False, example=blocks.BLOCK_DOCUMENT_UPDATE)
@blueprint.answers(204, errors=(404, 409))
def update_block_document(body, id):
    """Change a block.

    An absent field keeps its value; data is replaced as a whole.
    """
    block_documents().update(id, body)
    return None, 204


@blueprint.delete("/<id:id>")
@blueprint.answers(204, errors=(404, 422))
def delete_block_document(id):
    """Delete a block.

    Blocks that hold it are left without it.
    """
    block_documents().delete(id)
    return None, 204


@blueprint.post("/<id:id>/set_default_storage_block_document")
@blueprint.answers(204, errors=(404, 422))
def set_default_storage_block_document(id):
    """Choose the default storage.

    The block takes the place of any other; its schema must have the capability `storage`.
    """
    block_documents().set_default_storage(id)
    return None, 204


@blueprint.post("/get_default_storage_block_document")
@blueprint.alt_response(204, description="There is none")
@blueprint.answers(200, blocks.BlockDocument, read_only=True)
def get_default_storage_block_document():
    """Read the default storage.

    Where clients keep flows and results unless they are told otherwise.
    """
    document = block_documents().default_storage()
    return (None, 204) if document is None else document


@blueprint.post("/clear_default_storage_block_document")
@blueprint.answers(204)
def clear_default_storage_block_document():
    """Choose no default storage.

    The block itself stays.
    """
    block_documents().clear_default_storage()
    return None, 204

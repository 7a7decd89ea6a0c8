"""Block types: what comes in, what is answered, and examples."""

from app.schemas import fields
from app.schemas.base import STORED, Body, Stored
from app.schemas.validators import Pattern

# A host without a dot, which clients of the reference refuse to read, is refused
WEB_URL = r"^https?://(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}(?::[1-5]?[0-9]{1,4})?(?:[/?#][!-~]*)?$"
MAX_URL = 2083

NAME = "Unique among block types."
LOGO, DOCUMENTATION = "Where its logo is.", "Where it is documented."
DESCRIPTION, CODE = "What blocks of the type are for.", "How such a block is used in code."
EXAMPLE = {
    "name": "Shared Folder",
    "documentation_url": "https://example.com/folders",
    "description": "Keeps flows in a shared folder.",
}


class WebUrl(fields.String):
    """The address of something on the web."""

    def __init__(self, description, **options):
        url = Pattern(WEB_URL, error="Not a URL such as https://example.com/logo.png.")
        super().__init__(description, max=MAX_URL, validate=[url], example="https://example.com/folders", **options)


class BlockTypeUpdate(Body):
    """What to change of a block type."""

    logo_url = WebUrl(LOGO, allow_none=True)
    documentation_url = WebUrl(DOCUMENTATION, allow_none=True)
    description = fields.String(DESCRIPTION, allow_none=True)
    code_example = fields.String(CODE, allow_none=True)

    example = {"logo_url": "https://example.com/folder.png"}


class BlockTypeCreate(BlockTypeUpdate):
    """A kind of block to create."""

    name = fields.Name(NAME, required=True, example="Shared Folder")

    example = EXAMPLE


class BlockType(Stored):
    """A kind of block."""

    name = fields.String(NAME, required=True)
    logo_url = fields.String(LOGO, required=True, allow_none=True)
    documentation_url = fields.String(DOCUMENTATION, required=True, allow_none=True)
    description = fields.String(DESCRIPTION, required=True, allow_none=True)
    code_example = fields.String(CODE, required=True, allow_none=True)

    example = STORED | EXAMPLE | {"logo_url": "https://example.com/folder.png", "code_example": None}

"""What administrators send, and are answered."""

from app.schemas import fields
from app.schemas.base import Body


class Confirmation(Body):
    """Whether it is meant."""

    confirm = fields.Boolean("Nothing is done without true.", load_default=False, example=True)

    example = {"confirm": True}


SETTINGS = {
    "type": "object",
    "description": "The settings in force, by the names of their variables.",
    "additionalProperties": {},
    "examples": [{"MINTAKA_PAGE_SIZE": 200, "MINTAKA_LOG_FORMAT": "text", "MINTAKA_ENCRYPTION_KEYS": ["***"]}],
}
VERSION = {"type": "string", "description": "A version of the reference.", "examples": ["2.0b7"]}

"""What the server says of itself."""

from marshmallow.validate import OneOf

from app.schemas import fields
from app.schemas.base import Body

TRUE = {"type": "boolean", "enum": [True], "description": "Always true.", "examples": [True]}
GREETING = {"type": "string", "description": "A waving hand.", "examples": ["\N{WAVING HAND SIGN}"]}
SERVICES = ("web", "scheduler")


class ReadyQuery(Body):
    """Whose readiness is asked for."""

    service = fields.String(
        "Whose: that of this server, or that of it and a scheduler.",
        validate=[OneOf(SERVICES, error="Must be one of web, scheduler.")],
        load_default="web",
        data_key="for",
    )

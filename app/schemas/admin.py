"""What administrators send, and are answered."""

from app.schemas.base import Body, Boolean


class Confirmation(Body):
    """Whether it is meant."""

    confirm = Boolean(load_default=False, metadata={"description": "Nothing is done without true.", "example": True})


CONFIRMATION = {"confirm": True}
SETTINGS = {"type": "object", "description": "The settings in force, by the names of their variables."}

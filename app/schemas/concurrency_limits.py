"""Concurrency limits: what comes in, what is answered, and examples."""

from app.schemas import fields
from app.schemas.base import STORED, TASK_RUN_ID, Body, Stored
from app.schemas.fields import MAX_INT32

TAG, LIMIT = "Task runs with this tag are limited.", "At most so many run at a time."


class ConcurrencyLimitCreate(Body):
    """A limit to set. One on the same tag is replaced."""

    tag = fields.Tag(TAG, required=True, example="warehouse")
    concurrency_limit = fields.Integer(LIMIT, max=MAX_INT32, required=True, example=2)

    example = {"tag": "warehouse", "concurrency_limit": 2}


class ConcurrencyLimit(Stored):
    """A limit on the task runs with a tag."""

    tag = fields.String(TAG, required=True)
    concurrency_limit = fields.Integer(LIMIT, max=MAX_INT32, required=True)
    active_slots = fields.List(fields.UUID(), "The task runs that are running under the limit.", required=True)

    example = STORED | {"tag": "warehouse", "concurrency_limit": 2, "active_slots": [TASK_RUN_ID]}

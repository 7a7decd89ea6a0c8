"""Policies on the start of runs: what comes in, what is answered, and examples."""

from marshmallow import post_load

from app.domain.start_policy import MAX_CONCURRENCY, MAX_FAILURES, Overlap, StartPolicyChanges
from app.schemas import fields
from app.schemas.base import Answer, Body
from app.schemas.fields import MAX_INT32

LIMIT = "How many runs of the deployment may be PENDING or RUNNING at once; null: any number."
OVERLAP = (
    "What becomes of a due run that finds no room: buffer_all, it waits; buffer_one, the longest due waits and the others are skipped; "
    "skip, it is skipped; cancel_other, the runs that hold the room are cancelled, the oldest first, and it starts."
)
CATCHUP = "A run that has been due for more seconds than this without having started ends as Missed; null: it waits for ever."
FAILURES = "The deployment is paused after so many runs in a row that ended FAILED; null: never."

EXAMPLE = {"concurrency_limit": 1, "overlap": "skip", "catchup_window_seconds": 3600, "pause_after_failures": 5}


class StartPolicyUpdate(Body):
    """What to change of a policy. An absent field keeps its value, null gives it its default."""

    concurrency_limit = fields.Integer(LIMIT, min=1, max=MAX_CONCURRENCY, allow_none=True, example=1)
    overlap = fields.Enum(Overlap, f"{OVERLAP} null: buffer_all.", allow_none=True, example="skip")
    catchup_window_seconds = fields.Integer(CATCHUP, min=1, max=MAX_INT32, allow_none=True, example=3600)
    pause_after_failures = fields.Integer(FAILURES, min=1, max=MAX_FAILURES, allow_none=True, example=5)

    example = EXAMPLE

    @post_load
    def _changes(self, body, **kwargs):
        return StartPolicyChanges(**body)


class StartPolicy(Answer):
    """Whether the due runs of a deployment start."""

    concurrency_limit = fields.Integer(LIMIT, min=1, max=MAX_CONCURRENCY, required=True, allow_none=True)
    overlap = fields.Enum(Overlap, OVERLAP, required=True)
    catchup_window_seconds = fields.Integer(CATCHUP, min=1, max=MAX_INT32, required=True, allow_none=True)
    pause_after_failures = fields.Integer(FAILURES, min=1, max=MAX_FAILURES, required=True, allow_none=True)

    example = EXAMPLE

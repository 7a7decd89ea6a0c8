"""Setting states, reading them, and concurrency limits: what comes in, what goes out, examples."""

from marshmallow import Schema, fields

from app.schemas import answers
from app.schemas.base import MISSING, NULL, Body, Boolean, BoundedText, Choice, Id, Object, StateCreate, Whole
from app.schemas.filters import page_size


class SetTaskRunState(Body):
    """A state to propose for a task run."""

    state = fields.Nested(
        StateCreate,
        required=True,
        error_messages={"required": MISSING, "null": NULL},
        metadata={"description": "The state to enter."},
    )
    force = Boolean(allow_none=True, metadata={"description": "true: ask no rule, just enter it.", "example": False})


class SetFlowRunState(SetTaskRunState):
    """A state to propose for a flow run."""

    lease_id = Id(
        allow_none=True,
        metadata={"description": "Who claimed the run shows its lease; 409 if that is over. The reference does not know this member."},
    )


class StateAnswer(Schema):
    """What became of a proposed state."""

    state = fields.Nested(
        answers.State, required=True, allow_none=True, metadata={"description": "The state that was entered; null for WAIT and ABORT."}
    )
    status = Choice(
        ["ACCEPT", "REJECT", "WAIT", "ABORT"],
        required=True,
        metadata={
            "description": "ACCEPT: the state was entered. REJECT: another one was, which is in `state`. WAIT: nothing changed; propose it "
            "again after `details.delay_seconds`. ABORT: nothing changed; give up."
        },
    )
    details = Object(
        required=True,
        metadata={
            "description": "`type` and, but for ACCEPT, the `reason`; for WAIT `delay_seconds`.",
            "example": {"type": "wait_details", "delay_seconds": 30, "reason": "The scheduled time has not come yet."},
        },
    )


class LimitedTag(BoundedText):
    """The tag that a limit is on. Tags are no longer than this in any case."""

    bound = "tag_length"


class ConcurrencyLimitCreate(Body):
    """A limit to set. One on the same tag is replaced."""

    tag = LimitedTag(required=True, metadata={"description": "Task runs with this tag are limited.", "example": "warehouse"})
    concurrency_limit = Whole(0, 2**31 - 1, required=True, metadata={"description": "At most so many run at a time.", "example": 2})


class ConcurrencyLimitPage(Body):
    """Which part of the limits."""

    limit = Whole(0, page_size, allow_none=True, metadata={"description": "At most so many; the maximum if not given.", "example": 20})
    offset = Whole(allow_none=True, metadata={"description": "Pass over so many first.", "example": 0})


class ConcurrencyLimit(answers.Answer):
    """A limit on the task runs with a tag."""

    tag = fields.String(required=True, metadata={"example": "warehouse"})
    concurrency_limit = fields.Integer(required=True)
    active_slots = fields.List(fields.UUID(), required=True, metadata={"description": "The task runs that are running under the limit."})


SET_STATE = {"state": {"type": "RUNNING"}, "force": False}
CONCURRENCY_LIMIT = {"tag": "warehouse", "concurrency_limit": 2}
CONCURRENCY_LIMITS = {"limit": 20, "offset": 0}

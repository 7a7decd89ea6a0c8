"""Explanations: what is answered, and an example."""

from app.domain.explanations import Code
from app.schemas import fields
from app.schemas.base import Answer

QUEUE_ID = "0197a9f2-6b1c-7d5e-9c3a-0000000000ac"


class Reason(Answer):
    """Why a deployment does not run."""

    code = fields.Enum(Code, "The reason, for programs. docs/concepts explains each.", required=True)
    message = fields.String("The reason, for people.", required=True)
    since = fields.Instant("Since when; null where that is not known.", required=True, allow_none=True)
    about = fields.Object("The ids of what it is about.", required=True, example={"work_queue_id": QUEUE_ID})


class Explanation(Answer):
    """Whether a deployment's next run starts when its time comes, and why not."""

    will_run = fields.Boolean("Whether a run is there that will start, as things are now.", required=True)
    next_run = fields.Instant("When the next run is to start; null: no run waits.", required=True, allow_none=True)
    reasons = fields.List(fields.Nested(Reason), "What there is to know, the most decisive first.", required=True)

    example = {
        "will_run": False,
        "next_run": "2022-06-01T07:00:00+00:00",
        "reasons": [
            {
                "code": "queue_unpolled",
                "message": "Nobody has asked the work queue etl for runs since 2022-06-01T05:00:00+00:00: no worker or agent serves it.",
                "since": "2022-06-01T05:00:00+00:00",
                "about": {"work_queue_id": QUEUE_ID},
            }
        ],
    }

"""The audit trail: what is asked, what is answered, and examples."""

from app.schemas import fields
from app.schemas.base import DEPLOYMENT_ID, STORED, Answer, CursorPart
from app.schemas.filters import ENTITY_FILTERS

CHANGES = (
    "The fields that were changed: each with its value `before` and `after`, without the one that there is not. Of parameters, and of what "
    "else may hold secrets, there are the names alone that were `added`, `changed` and `removed`."
)
DETAILS = "What else is to be said: of a change of many objects the `filter` and how many were `changed`, of a claim the runs."


class AuditPage(CursorPart):
    """Criteria on entries of the audit trail, and which part of what meets them."""

    audit_entries = fields.Nested(ENTITY_FILTERS["audit_entries"], allow_none=True)

    example = {"audit_entries": {"action": {"any_": ["pause", "resume"]}, "object_kind": {"any_": ["deployment"]}}, "limit": 20}


class AuditEntry(Answer):
    """Who changed what, and when. It never changes, and what it is of may be gone."""

    id = fields.UUID("The entry's own id.", required=True)
    created = fields.Instant("When the change was made.", required=True)
    via = fields.String("`api`, or `cli` for a command that works on the database.", required=True)
    actor = fields.String(
        "The name of the API key, or of the user of the command line. Null without a key.", required=True, allow_none=True
    )
    key_id = fields.UUID("The id of the API key.", required=True, allow_none=True)
    address = fields.String("Where the request came from.", required=True, allow_none=True)
    request_id = fields.String("The request's `X-Request-ID`.", required=True, allow_none=True)
    action = fields.String("What was done, such as `create`, `update`, `delete`, `pause`, `claim` or `set_state`.", required=True)
    object_kind = fields.String("The kind of object it was done to, such as `deployment` or `flow_run`.", required=True)
    object_id = fields.UUID("Its id; null for many objects at once.", required=True, allow_none=True)
    object_name = fields.String("The name it has, or had when it was deleted.", required=True, allow_none=True)
    changes = fields.Object(CHANGES, required=True)
    details = fields.Object(DETAILS, required=True)

    example = {
        "id": STORED["id"],
        "created": STORED["created"],
        "via": "api",
        "actor": "ci",
        "key_id": "0197a9f2-6b1c-7d5e-9c3a-00000000000a",
        "address": "192.0.2.7",
        "request_id": "0197a9f2-6b1c-7d5e-9c3a-00000000000b",
        "action": "pause",
        "object_kind": "deployment",
        "object_id": DEPLOYMENT_ID,
        "object_name": "nightly",
        "changes": {
            "is_schedule_active": {"before": True, "after": False},
            "pause_note": {"before": None, "after": "the source is down"},
        },
        "details": {},
    }

"""Logs: what comes in, what is answered, and examples."""

import uuid
from enum import StrEnum

from marshmallow import ValidationError, post_load
from marshmallow.exceptions import SCHEMA

from app.domain import instants
from app.schemas import fields
from app.schemas.base import ANY_ID, FLOW_RUN_ID, STORED, Body, CursorPart, Stored
from app.schemas.fields import MAX_INT32, MIN_INT32
from app.schemas.filters import ENTITY_FILTERS

# What is wrong with more logs than this is not said
MAX_WRONG = 100

NAME, LEVEL = "The logger's name.", "One of Python's logging levels, or one between."
MESSAGE, TIMESTAMP = "What was logged.", "When it was logged."
FLOW_RUN, TASK_RUN = "The flow run that logged it. It need not be known here.", "The task run that logged it, if one did."


class LogSort(StrEnum):
    """The orders of a list of logs. The oldest first if none is asked for."""

    TIMESTAMP_ASC = "TIMESTAMP_ASC"
    TIMESTAMP_DESC = "TIMESTAMP_DESC"
    LEVEL_ASC = "LEVEL_ASC"
    LEVEL_DESC = "LEVEL_DESC"
    FLOW_RUN_ID_ASC = "FLOW_RUN_ID_ASC"
    FLOW_RUN_ID_DESC = "FLOW_RUN_ID_DESC"
    TASK_RUN_ID_ASC = "TASK_RUN_ID_ASC"
    TASK_RUN_ID_DESC = "TASK_RUN_ID_DESC"


class LogCreate(Body):
    """A line that a run logged."""

    # a client sends the lines of many tasks at once, and drops them all when one is refused
    replaces_unfit_text = True

    name = fields.String(NAME, required=True, example="etl.extract")
    level = fields.Integer(LEVEL, min=MIN_INT32, max=MAX_INT32, required=True, example=20)
    message = fields.String(MESSAGE, required=True, example="1,024 rows read")
    timestamp = fields.Instant(TIMESTAMP, required=True)
    flow_run_id = fields.UUID(FLOW_RUN, required=True)
    task_run_id = fields.UUID(TASK_RUN, allow_none=True)

    example = {
        "name": "etl.extract",
        "level": 20,
        "message": "1,024 rows read",
        "timestamp": "2022-06-01T09:00:00+00:00",
        "flow_run_id": ANY_ID,
    }

    def load(self, data, *, many=None, **options):
        """Return the logs in `data`. Raise ValidationError, which says what is wrong with the first MAX_WRONG bad ones, by their place.

        A walk through the fields is several times slower than the checks of `_Plain`, which every log of a well-behaved client passes;
        only the others take it, and are told what it finds.
        """
        if not (self.many if many is None else many):
            return super().load(data, many=False, **options)
        if not isinstance(data, list):
            raise ValidationError({SCHEMA: ["Not a list."]})
        plain, logs, wrong = _Plain(), [], {}
        for index, given in enumerate(data):
            try:
                logs.append(plain(given) or super().load(given, many=False, **options))
            except ValidationError as error:
                wrong[index] = error.messages
                if len(wrong) == MAX_WRONG:
                    break
        if wrong:
            raise ValidationError(wrong)
        return logs


class _Plain:
    """Reads logs whose members are just what they should be. One is made for each batch: its logs name the same few runs."""

    required = {"name", "level", "message", "timestamp", "flow_run_id"}
    all = required | {"task_run_id"}

    def __init__(self):
        self.ids: dict[str | None, uuid.UUID | None] = {None: None}

    def __call__(self, given):
        """Return the columns of a log, or None if the schema has to look at it."""
        if type(given) is not dict or not self.required <= given.keys() <= self.all:
            return None
        name, level, message, flow_run_id = given["name"], given["level"], given["message"], given["flow_run_id"]
        if not (type(name) is type(message) is str and type(level) is int and MIN_INT32 <= level <= MAX_INT32) or flow_run_id is None:
            return None
        try:
            return {
                "name": name,
                "level": level,
                "message": message,
                "timestamp": instants.parse(given["timestamp"]),
                "flow_run_id": self._id(flow_run_id),
                "task_run_id": self._id(given.get("task_run_id")),
            }
        except (AttributeError, TypeError, ValueError):
            return None

    def _id(self, text):
        if text not in self.ids:
            self.ids[text] = uuid.UUID(text)
        return self.ids[text]


class LogPage(CursorPart):
    """Criteria on logs, which part of what meets them, and its order."""

    logs = fields.Nested(ENTITY_FILTERS["logs"], allow_none=True)
    filter = fields.Nested(ENTITY_FILTERS["logs"], "What clients of the reference send in place of `logs`.", allow_none=True)
    sort = fields.Enum(LogSort, "The order; TIMESTAMP_ASC if not given.", allow_none=True, load_default=None)

    example = {"logs": {"flow_run_id": {"any_": [ANY_ID]}, "level": {"ge_": 30}}, "sort": "TIMESTAMP_ASC", "limit": 100}

    @post_load
    def _one_name(self, body, **kwargs):
        given = body.pop("filter", None)
        return body | ({"logs": given} if body.get("logs") is None and given is not None else {})


class Log(Stored):
    """A line that a run logged. It never changes."""

    name = fields.String(NAME, required=True)
    level = fields.Integer(LEVEL, min=MIN_INT32, max=MAX_INT32, required=True)
    message = fields.String(MESSAGE, required=True)
    timestamp = fields.Instant(TIMESTAMP, required=True)
    flow_run_id = fields.UUID(FLOW_RUN, required=True)
    task_run_id = fields.UUID(TASK_RUN, required=True, allow_none=True)

    example = STORED | LogCreate.example | {"flow_run_id": FLOW_RUN_ID, "task_run_id": None}


LOGS = [
    LogCreate.example,
    LogCreate.example | {"name": "etl.load", "level": 40, "message": "3 rows were refused", "timestamp": "2022-06-01T09:00:01.500+00:00"},
]

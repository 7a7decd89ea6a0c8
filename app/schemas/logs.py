"""Logs: what comes in, what is answered, and the example."""

import uuid

from marshmallow import ValidationError, fields
from marshmallow.exceptions import SCHEMA

from app.domain import instants
from app.schemas.base import INT32, Body, Id, Instant, Text, Whole
from app.schemas.examples import ANY_ID

# What is wrong with more logs than this is not said
MOST_WRONG = 100


class LogCreate(Body):
    """A line that a run logged."""

    # a client sends the lines of many tasks at once, and drops them all when one is refused
    mends_text = True

    name = Text(longest=None, required=True, metadata={"description": "The logger's name.", "example": "etl.extract"})
    level = Whole(*INT32, required=True, metadata={"description": "One of Python's logging levels, or one between.", "example": 20})
    message = Text(longest=None, required=True, metadata={"example": "1,024 rows read"})
    timestamp = Instant(required=True, metadata={"description": "When it was logged."})
    flow_run_id = Id(required=True, metadata={"description": "The flow run that logged it. It need not be known here."})
    task_run_id = Id(allow_none=True, metadata={"description": "The task run that logged it, if one did."})

    def load(self, data, *, many=None, **options):
        """The logs in `data`. Raises ValidationError, which says for the first MOST_WRONG bad ones what is wrong, by place in the list.

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
                if len(wrong) == MOST_WRONG:
                    break
        if wrong:
            raise ValidationError(wrong)
        return logs


class _Plain:
    """Reads logs whose members are just what they should be. One is made for each batch: its logs name the same few runs."""

    required = {"name", "level", "message", "timestamp", "flow_run_id"}
    all = required | {"task_run_id"}

    def __init__(self):
        self.ids = {None: None}

    def __call__(self, given):
        """The columns of a log, or None if the schema has to look at it."""
        if type(given) is not dict or not self.required <= given.keys() <= self.all:
            return None
        name, level, message, flow_run_id = given["name"], given["level"], given["message"], given["flow_run_id"]
        if not (type(name) is type(message) is str and type(level) is int and INT32[0] <= level <= INT32[1]) or flow_run_id is None:
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


class Log(LogCreate):
    """A line that a run logged."""

    id = fields.UUID(required=True)
    created = fields.AwareDateTime(required=True)
    updated = fields.AwareDateTime(required=True, metadata={"description": "When it was made: a log never changes."})
    task_run_id = Id(required=True, allow_none=True)


LOGS = [
    {
        "name": "etl.extract",
        "level": 20,
        "message": "1,024 rows read",
        "timestamp": "2022-06-01T09:00:00+00:00",
        "flow_run_id": ANY_ID,
    },
    {
        "name": "etl.load",
        "level": 40,
        "message": "3 rows were refused",
        "timestamp": "2022-06-01T09:00:01.500+00:00",
        "flow_run_id": ANY_ID,
    },
]
LOG_FILTER = {"logs": {"flow_run_id": {"any_": [ANY_ID]}, "level": {"ge_": 30}}, "sort": "TIMESTAMP_ASC", "limit": 100}

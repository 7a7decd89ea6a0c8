"""Fields and the schema base that every request body is validated with. What they refuse, and why, is what the client is told."""

import uuid

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from app.domain import bounds, instants, schedules
from app.domain.clock import utcnow
from app.domain.states import StateType
from app.errors import InvalidSchedule

MISSING = "This field is required."
UNKNOWN = "This field is not known."
NULL = "This field may not be null."

FORBIDDEN_IN_NAMES = "/%&><"

# The whole numbers that a column of type integer holds
INT32 = (-(2**31), 2**31 - 1)


class Body(Schema):
    """A JSON object in which no field is unknown."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": UNKNOWN, "type": "Not a JSON object."}


class _Field(fields.Field):
    default_error_messages = {"required": MISSING, "null": NULL}


class Text(_Field, fields.String):
    """A string of at most `longest` characters (no limit when None)."""

    def __init__(self, longest=255, shortest=0, **kwargs):
        super().__init__(validate=validate.Length(min=shortest or None, max=longest) if longest or shortest else None, **kwargs)


class Name(Text):
    """The name of a flow or a deployment."""

    def __init__(self, **kwargs):
        super().__init__(shortest=1, **kwargs)

    def _deserialize(self, value, attr, data, **kwargs):
        name = super()._deserialize(value, attr, data, **kwargs)
        found = [character for character in FORBIDDEN_IN_NAMES if character in name]
        if found:
            raise ValidationError(f"A name may not contain {' '.join(found)} (nor any of {' '.join(FORBIDDEN_IN_NAMES)}).")
        return name


class Mapping(_Field, fields.Dict):
    """A JSON object whose members are all of one kind. What is wrong with one is said under its name, and nothing else."""

    default_error_messages = {"invalid": "Not a JSON object."}

    def _deserialize(self, value, attr, data, **kwargs):
        try:
            return super()._deserialize(value, attr, data, **kwargs)
        except ValidationError as error:
            if not isinstance(error.messages, dict):
                raise
            raise ValidationError({name: wrong.get("value", wrong) for name, wrong in error.messages.items()}) from None


class Boolean(_Field):
    """`true` or `false`, and nothing that resembles them."""

    def _deserialize(self, value, attr, data, **kwargs):
        if not isinstance(value, bool):
            raise ValidationError("Not true or false.")
        return value


class Whole(_Field):
    """A whole number from `lowest` to `highest`; `highest` may be a function, for a bound that settings give."""

    def __init__(self, lowest=0, highest=2**63 - 1, **kwargs):
        super().__init__(**kwargs)
        self.lowest, self.highest = lowest, highest

    def _deserialize(self, value, attr, data, **kwargs):
        if type(value) is not int:
            raise ValidationError("Not a whole number.")
        highest = self.highest() if callable(self.highest) else self.highest
        if not self.lowest <= value <= highest:
            raise ValidationError(f"Must be from {self.lowest} to {highest}.")
        return value


class Number(_Field):
    """A number from `lowest` to `highest`."""

    def __init__(self, lowest=0, highest=10**15, **kwargs):
        super().__init__(**kwargs)
        self.lowest, self.highest = lowest, highest

    def _deserialize(self, value, attr, data, **kwargs):
        if type(value) not in (int, float) or not self.lowest <= value <= self.highest:
            raise ValidationError(f"Not a number from {self.lowest} to {self.highest}.")
        return float(value)


class Id(_Field):
    """A UUID as text."""

    def _deserialize(self, value, attr, data, **kwargs):
        try:
            return uuid.UUID(value)
        except (ValueError, AttributeError, TypeError):
            raise ValidationError("Not a UUID.") from None


class IdText(Id):
    """A UUID that is kept inside a JSON document, so that it stays text."""

    def _deserialize(self, value, attr, data, **kwargs):
        return str(super()._deserialize(value, attr, data, **kwargs))


class Instant(_Field):
    """An ISO 8601 instant; one without an offset is in UTC."""

    def _deserialize(self, value, attr, data, **kwargs):
        if not isinstance(value, str):
            raise ValidationError("Not an ISO 8601 instant, such as 2022-06-01T09:00:00+02:00.")
        try:
            return instants.parse(value)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class Object(_Field):
    """A JSON object with members of any kind."""

    def _deserialize(self, value, attr, data, **kwargs):
        if not isinstance(value, dict):
            raise ValidationError("Not a JSON object.")
        return value


class Choice(_Field):
    """One of a few words."""

    def __init__(self, choices, **kwargs):
        super().__init__(**kwargs)
        self.choices = list(choices)

    def _deserialize(self, value, attr, data, **kwargs):
        if not isinstance(value, str) or value not in self.choices:
            raise ValidationError(f"Must be one of {', '.join(self.choices)}.")
        return value


class BoundedList(_Field, fields.List):
    """A list of at most as many values as the bound called `bound` allows."""

    default_error_messages = {"invalid": "Not a list."}

    def __init__(self, inner, bound, **kwargs):
        super().__init__(inner, **kwargs)
        self.bound = bound

    def _deserialize(self, value, attr, data, **kwargs):
        most = getattr(bounds.in_force(), self.bound)
        if isinstance(value, list) and len(value) > most:
            raise ValidationError(f"At most {most} values are allowed; these are {len(value)}.")
        return super()._deserialize(value, attr, data, **kwargs)


class BoundedText(Text):
    """A string of at most as many characters as the bound called `bound` allows."""

    bound = None

    def __init__(self, **kwargs):
        super().__init__(longest=None, **kwargs)

    def _deserialize(self, value, attr, data, **kwargs):
        text = super()._deserialize(value, attr, data, **kwargs)
        longest = getattr(bounds.in_force(), self.bound)
        if len(text) > longest:
            raise ValidationError(f"Longer than {longest} characters.")
        return text


class Tag(BoundedText):
    """One tag."""

    bound = "tag_length"


class Tags(BoundedList):
    """The tags of an object."""

    def __init__(self, **kwargs):
        super().__init__(Tag(), "tags", **kwargs)


class IdempotencyKey(BoundedText):
    """What makes a second request for the same run answer with the first's."""

    bound = "idempotency_key_length"


class Schedule(_Field):
    """A schedule; what comes out is the document to store, with its defaults filled in."""

    def _deserialize(self, value, attr, data, **kwargs):
        if not isinstance(value, dict):
            raise ValidationError("Not a JSON object.")
        try:
            return schedules.validate(value, after=utcnow()).to_document()
        except InvalidSchedule as error:
            raise ValidationError({error.field: [error.reason]} if error.field else error.reason) from None


class DataDocument(Body):
    """Encoded data that the server keeps and never reads."""

    encoding = Text(required=True, metadata={"description": "How the blob is encoded.", "example": "json"})
    blob = Text(longest=None, required=True, metadata={"description": "The encoded data.", "example": '"s3://bucket/flow.py"'})


class FlowRunner(Body):
    """What runs a flow, and its configuration. The server passes both on to agents."""

    type = Text(allow_none=True, metadata={"description": "The kind of runner.", "example": "subprocess"})
    config = Object(allow_none=True, metadata={"description": "The runner's settings.", "example": {"env": {"STAGE": "test"}}})


class StateDetails(Body):
    """What a state says besides its type, name and message."""

    flow_run_id = IdText(allow_none=True)
    task_run_id = IdText(allow_none=True)
    child_flow_run_id = IdText(allow_none=True)
    scheduled_time = Instant(allow_none=True, metadata={"description": "When a SCHEDULED run is to start; now if not given."})
    cache_key = Text(longest=None, allow_none=True)
    cache_expiration = Instant(allow_none=True)


class StateCreate(Body):
    """A state to enter."""

    type = Choice(list(StateType), required=True, metadata={"description": "One of the six state types.", "example": "SCHEDULED"})
    name = Text(allow_none=True, metadata={"description": "The state's name; its type's if not given.", "example": "Scheduled"})
    message = Text(longest=None, allow_none=True, metadata={"description": "What there is to say about it."})
    data = fields.Nested(DataDocument, allow_none=True)
    state_details = fields.Nested(StateDetails)

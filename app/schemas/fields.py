"""Fields of request bodies and answers: marshmallow's, strict, with our messages, and with a description each.

apispec reads types, ranges and enums from them. What a field refuses, and why, is what the client is told.
"""

import uuid
from collections.abc import Callable
from typing import Any

from marshmallow import ValidationError, fields, missing, validate

from app.domain import instants, schedules
from app.errors import InvalidSchedule
from app.schemas.context import Bound, current
from app.schemas.validators import Length, Range, Size, Without

MISSING = "This field is required."
UNKNOWN = "This field is not known."
NULL = "This field may not be null."
NOT_AN_OBJECT = "Not a JSON object."

FORBIDDEN_IN_NAMES = "/%&><"

# Characters of a name, a key, a kind: what an index of the database holds
MAX_TEXT = 255
# Clients name a run after its task or subflow, whose own names are shorter
MAX_RUN_NAME = 512

# Characters of a cursor, which may hold a name
MAX_CURSOR = 4096

PAGE_SIZE = Bound("page_size")

# A text, or a function that makes one of the settings when the API document is written
Description = str | Callable[[], str]

# The whole numbers that a column of type integer holds, and those of type bigint
MIN_INT32, MAX_INT32 = -(2**31), 2**31 - 1
MAX_INT64 = 2**63 - 1


class Field(fields.Field):
    """What all fields share: messages, and a `description` and an `example` for the API document.

    A `description` may be a function, for a text that names a setting: it is called when the document is written.
    """

    default_error_messages = {"required": MISSING, "null": NULL}

    def __init__(self, description=None, *, example=missing, metadata=None, **options):
        said = {"description": description, "example": example}
        known = {name: value for name, value in said.items() if value is not None and value is not missing}
        super().__init__(metadata={**known, **(metadata or {})}, **options)

    def _validate(self, value):
        # marshmallow makes an object for every value of every field, to collect what several validators find
        if len(self.validators) > 1:
            super()._validate(value)
        elif self.validators:
            self.validators[0](value)


class NullMeansDefault(Field):
    """A field for which null is what absence is: its default."""

    def __init__(self, description=None, **options):
        super().__init__(description, allow_none=True, **options)

    def deserialize(self, value, attr=None, data=None, **kwargs):
        """Return the value, or the default."""
        return super().deserialize(missing if value is None else value, attr, data, **kwargs)


class Raw(Field, fields.Raw):
    """Any JSON value."""


class Boolean(Field, fields.Boolean):
    """`true` or `false`, and nothing that resembles them."""

    default_error_messages = {"invalid": "Not true or false."}

    def _deserialize(self, value, attr, data, **kwargs):
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class String(Field, fields.String):
    """A string of `min` to `max` characters; `max` may be a Bound."""

    def __init__(self, description=None, *, min=None, max=None, error=None, validate=(), **options):
        length = () if min is None and max is None else (Length(min, max, error=error),)
        super().__init__(description, validate=[*length, *validate], **options)


class Name(String):
    """The name of a flow, a deployment or another thing that a path may name."""

    def __init__(self, description=None, **options):
        super().__init__(description, min=1, max=Bound("name_length"), validate=[Without(FORBIDDEN_IN_NAMES)], **options)


class Constant(String):
    """A string that is always `value`."""

    def __init__(self, value, description=None, **options):
        only = validate.OneOf([value], error=f"Must be one of {value}.")
        super().__init__(description, validate=[only], error_messages={"invalid": only.error}, **options)


class Integer(Field, fields.Integer):
    """A whole number from `min` to `max`; `max` may be a Bound. In a body it must have one, which a database can hold."""

    default_error_messages = {"invalid": "Not a whole number.", "too_large": "Not a whole number."}

    def __init__(self, description=None, *, min=0, max=None, range=None, **options):
        range = range or Range(min, max, error="Must be from {min} to {max}.")
        super().__init__(description, strict=True, validate=range, **options)


class Limit(NullMeansDefault, Integer):
    """How many items of a list to answer."""

    def __init__(self, description: Description = "At most so many; the maximum if not given.", *, max=PAGE_SIZE):
        super().__init__(description, max=max, load_default=PAGE_SIZE, example=20)


class Cursor(String):
    """Where a page of a list begins."""

    def __init__(self, description, *, max: int | None = MAX_CURSOR):
        super().__init__(description, max=max, allow_none=True, load_default=None)


class Offset(NullMeansDefault, Integer):
    """How many items of a list to pass over."""

    def __init__(self):
        most = Range(0, Bound("offset"), error="Must be from {min} to {max}. A cursor goes further.")
        super().__init__("Pass over so many first.", range=most, load_default=0, example=0)


class Float(Field, fields.Float):
    """A number from `min` to `max`."""

    def __init__(self, description=None, *, min: Any = 0, max=None, **options):
        message = f"Not a number from {min} to {max}."
        messages = dict.fromkeys(("invalid", "too_large", "special"), message)
        super().__init__(description, validate=Range(min, max, error=message), error_messages=messages, **options)

    def _deserialize(self, value, attr, data, **kwargs):
        # a number that is written as text is none
        if type(value) not in (int, float):
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **kwargs)


class UUID(Field, fields.UUID):
    """A UUID as text."""

    default_error_messages = {"invalid_uuid": "Not a UUID."}

    def _deserialize(self, value, attr, data, **kwargs):
        # marshmallow takes bytes too, which JSON has none of, and asks for them first
        try:
            return uuid.UUID(value)
        except (ValueError, AttributeError, TypeError):
            raise self.make_error("invalid_uuid") from None


class UUIDText(UUID):
    """A UUID that is kept inside a JSON value, so that it stays text."""

    def _deserialize(self, value, attr, data, **kwargs):
        return str(super()._deserialize(value, attr, data, **kwargs))


class Instant(Field, fields.AwareDateTime):
    """An ISO 8601 instant; one without an offset is in UTC."""

    default_error_messages = {"invalid": "Not an ISO 8601 instant, such as 2022-06-01T09:00:00+02:00."}

    def _deserialize(self, value, attr, data, **kwargs):
        if not isinstance(value, str):
            raise self.make_error("invalid")
        try:
            return instants.parse(value)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class Object(Field, fields.Dict):
    """A JSON object with members of any kind."""

    default_error_messages = {"invalid": NOT_AN_OBJECT}


class Mapping(Object):
    """A JSON object whose members are all of one kind. What is wrong with one is said under its name, and nothing else."""

    def __init__(self, values, description=None, **options):
        super().__init__(description, keys=fields.String(), values=values, **options)

    def _deserialize(self, value, attr, data, **kwargs):
        try:
            return super()._deserialize(value, attr, data, **kwargs)
        except ValidationError as error:
            if not isinstance(error.messages, dict):
                raise
            raise ValidationError({name: wrong.get("value", wrong) for name, wrong in error.messages.items()}) from None


class Enum(Field, fields.Enum):
    """One of the values of a StrEnum, which the API document has under its name."""

    def __init__(self, enum, description=None, **options):
        message = f"Must be one of {', '.join(enum)}."
        text = fields.String(error_messages={"invalid": message})
        super().__init__(description, enum=enum, by_value=text, error_messages={"unknown": message}, **options)


class Nested(Field, fields.Nested):
    """An object of its own schema; described by it, unless it has a `description`."""

    def __init__(self, nested, description=None, **options):
        super().__init__(description or nested.__doc__, nested=nested, **options)


class List(Field, fields.List):
    """A list of at most `max` values; `max` may be a Bound."""

    default_error_messages = {"invalid": "Not a list."}

    def __init__(self, inner, description=None, *, max=None, **options):
        self.size = Size(max=max)
        super().__init__(description, cls_or_instance=inner, validate=self.size if max is not None else None, **options)

    def _deserialize(self, value, attr, data, **kwargs):
        if self.validators and isinstance(value, list):
            # before each of them is looked at, which takes long
            self.size(value)
        return super()._deserialize(value, attr, data, **kwargs)

    def _validate(self, value):
        """Nothing is left to do: the only validator has been asked."""


class Tags(List):
    """The tags of an object."""

    def __init__(self, description=None, **options):
        super().__init__(Tag(), description, max=Bound("tags"), **options)


class Tag(String):
    """One tag."""

    def __init__(self, description=None, **options):
        super().__init__(description, max=Bound("tag_length"), error="Longer than {max} characters.", **options)


class Schedule(Object):
    """A schedule, which is loaded as the value that has its dates."""

    def _deserialize(self, value, attr, data, **kwargs):
        given = super()._deserialize(value, attr, data, **kwargs)
        try:
            return schedules.validate(given, current().clock(), current().bounds.min_interval_seconds)
        except InvalidSchedule as error:
            raise ValidationError({error.field: [error.reason]} if error.field else error.reason) from None

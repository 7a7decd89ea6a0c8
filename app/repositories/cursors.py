"""Positions in a sorted list: which rows come after one, in SQL that an index answers, and how a client is told of it."""

import base64
import binascii
import uuid
from typing import NamedTuple

import orjson
from sqlalchemy import DateTime, Integer, Uuid, bindparam, tuple_
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import desc_op

from app.db.types import UtcDateTime
from app.domain.instants import parse
from app.errors import InvalidField

# A cursor that stands before the first row
START = ""

WRONG = "Not a cursor of this list in this order; take it from the Link of the answer before, or begin with an empty one."


class Part(NamedTuple):
    """A part of a list: the rows with a value in the first column (`nulls` False), those without (True), or all of them (None).

    `after` is whether it begins after a position.
    """

    nulls: bool | None
    after: bool


class Order:
    """A total order: columns that all rise or all fall, of which only the first may be null. Rows without a value come last."""

    def __init__(self, name, expressions):
        self.name = name
        self.columns, directions = zip(*(_column(expression) for expression in expressions), strict=True)
        [self.falls] = set(directions)
        assert not any(column.nullable for column in self.columns[1:])

    def parts(self, position):
        """Return the `Part`s of the list after `position`, the values of a row, or None for the start of the list.

        Rows with a value and rows without are asked for apart: a condition on both at once has no index.
        """
        if not self.columns[0].nullable:
            return (Part(None, position is not None),)
        if position is not None and position[0] is None:
            return (Part(True, True),)
        return Part(False, position is not None), Part(True, False)

    def narrowed(self, statement, part):
        """Return the SELECT `statement` of one part, in order. Its parameters are those of `parameters`."""
        first, columns = self.columns[0], self.columns
        if part.nulls is not None:
            statement = statement.where(first.is_(None) if part.nulls else first.is_not(None))
        if part.nulls:
            columns = columns[1:]
        if part.after:
            bounds = [bindparam(f"after_{column.name}", type_=column.type) for column in columns]
            left, right = (columns[0], bounds[0]) if len(columns) == 1 else (tuple_(*columns), tuple_(*bounds))
            statement = statement.where(left < right if self.falls else left > right)
        # without NULLS LAST, of which an index that is read backwards knows nothing, and there are none here
        return statement.order_by(*(column.desc() if self.falls else column for column in columns))

    def parameters(self, position, part):
        """Return the parameters of the statement for a part."""
        if not part.after:
            return {}
        skipped = 1 if part.nulls else 0
        return {f"after_{column.name}": value for column, value in list(zip(self.columns, position, strict=True))[skipped:]}

    def write(self, entity, values):
        """Return the cursor that stands after a row of the list of `entity`, which has `values` in the columns."""
        return base64.urlsafe_b64encode(orjson.dumps([entity, self.name, *values])).rstrip(b"=").decode()

    def read(self, entity, cursor):
        """Return the position of a cursor, None at the start. Raise InvalidField for one of another list or order, or for none at all."""
        if cursor == START:
            return None
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            of, order, *values = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            if (of, order) != (entity, self.name):
                raise ValueError
            return [_value(column, value) for column, value in zip(self.columns, values, strict=True)]
        except (ValueError, TypeError, binascii.Error):
            raise InvalidField("cursor", WRONG) from None


def _column(expression):
    """Return the column of an ORDER BY expression, and whether it falls."""
    falls = False
    while isinstance(expression, UnaryExpression):
        falls |= expression.modifier is desc_op
        expression = expression.element
    return expression, falls


def _value(column, value):
    """Return what a member of a cursor stands for. Raise ValueError or TypeError where the column cannot hold it."""
    if value is None and column.nullable:
        return None
    if isinstance(column.type, Integer):
        if type(value) is not int or not -(2**31) <= value < 2**31:
            raise ValueError
        return value
    if not isinstance(value, str) or "\0" in value:
        raise ValueError
    if isinstance(column.type, Uuid):
        return uuid.UUID(value)
    return parse(value) if isinstance(column.type, (UtcDateTime, DateTime)) else value

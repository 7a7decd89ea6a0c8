"""Answers as JSON text, written from rows that PostgreSQL hands over as text: the fast path of lists and single reads.

A UUID, an instant or a JSON value that is only passed on needs no object of Python's. The slow twin is `Repository.document`;
tests/integration/test_json_text.py holds that both write the same bytes.
"""

from collections.abc import Callable
from datetime import datetime

import orjson
from sqlalchemy import Boolean, Float, Integer, Text, Uuid, cast, func, literal_column

from app.db.types import Json, UtcDateTime
from app.domain.instants import isoformat

NULL = "null"

# What is no column of the row: its text is given to `write`
COMPUTED = object()

# Length of an instant in PostgreSQL's words with no fraction of a second, and with all six digits of one
_WHOLE, _MICROSECONDS = len("2022-06-01 09:00:00+00"), len("2022-06-01 09:00:00.123456+00")


class _Texts(dict):
    """JSON for values of columns. It is kept for as long as a page is written: the rows of a list have much in common."""

    # makes the JSON of the text of a value
    write: Callable[[str], str]

    def __missing__(self, value):
        text = self[value] = NULL if value is None else self.write(value)
        return text


class _Quoted(_Texts):
    @staticmethod
    def write(text):
        return f'"{text}"'


class _Strings(_Texts):
    @staticmethod
    def write(text):
        return orjson.dumps(text).decode()


class _Numbers(_Texts):
    @staticmethod
    def write(text):
        return number_text(float(text))


class _Instants(_Texts):
    @staticmethod
    def write(text):
        # a connection that has lost its time zone on the way (PgBouncer) says another offset
        if text.endswith("+00") and len(text) in (_WHOLE, _MICROSECONDS):
            return f'"{text[:10]}T{text[11:]}:00"'
        return f'"{isoformat(datetime.fromisoformat(text))}"'


# The first that a column's type is an instance of says how its text becomes JSON. None: it is JSON already
_KINDS = ((Json, None), (Integer, None), (Boolean, None), (Uuid, _Quoted), (UtcDateTime, _Instants), (Float, _Numbers), (Text, _Strings))


def number_text(number):
    """Return a float as JSON."""
    return orjson.dumps(number).decode()


def _kind(column):
    return next((kind for of, kind in _KINDS if isinstance(column.type, of)), _Strings)


def _as_text(column):
    text = cast(column, Text)
    if isinstance(column.type, Json):
        text = func.coalesce(text, literal_column(f"'{NULL}'"))
    return text.label(None)


def _leaves(shape):
    for part in shape.values():
        yield from _leaves(part) if isinstance(part, dict) else (part,)


def members_text(shape):
    """Return the text of a JSON object whose members are those of `shape`, with %s for the JSON of each that is no object itself."""
    members = (f'"{name}":{members_text(part) if isinstance(part, dict) else "%s"}' for name, part in shape.items())
    return "{" + ",".join(members) + "}"


class RowWriter:
    """Writes rows of a SELECT as JSON objects.

    `shape` maps the members of the answer, in order, to names of the SELECT's columns, to COMPUTED or to the shape of an object. `beside`
    are names of further columns, which come after those and are not written.
    """

    def __init__(self, selection, shape, beside=()):
        columns = {column.name: column for column in selection.selected_columns}
        wanted = [columns[name] for name in (*(leaf for leaf in _leaves(shape) if leaf is not COMPUTED), *beside)]
        self.names = [column.name for column in wanted]
        self._columns = [_as_text(column) for column in wanted]
        self._kinds = [_kind(column) for column in wanted]
        self._template = members_text(shape)

    def selecting(self, statement):
        """Return the SELECT `statement` with the columns that `write` needs in place of its own."""
        return statement.with_only_columns(*self._columns, maintain_column_froms=True)

    def converters(self):
        """Return what makes JSON of each of a row's columns, for one page; None for a column that is JSON already."""
        page = {kind: kind and kind().__getitem__ for kind in self._kinds}
        return [page[kind] for kind in self._kinds]

    def write(self, rows, now):
        """Return the JSON text of each row, with what is computed as of `now`."""
        converters, template = self.converters(), self._template
        return [template % tuple(converted(row, converters)) for row in rows]

    def values(self, row, names):
        """Return the values of a row's columns `names` as JSON has them: a UUID and an instant are text."""
        converters, places = self.converters(), [self.names.index(name) for name in names]
        return [orjson.loads(convert(row[place]) if (convert := converters[place]) else row[place]) for place in places]


def converted(row, converters):
    """Return the JSON of each column of `row`."""
    return [convert(value) if convert else value for convert, value in zip(converters, row, strict=True)]


def with_flow_runner(selection, **members):
    """Return the shape of answers that have the columns of `selection`, then `members`, and then the flow runner's two in an object."""
    names = [name for name in selection.selected_columns.keys() if not name.startswith("flow_runner_")]  # noqa: SIM118
    return {name: name for name in names} | members | {"flow_runner": {"type": "flow_runner_type", "config": "flow_runner_config"}}

"""Column and parameter types whose form differs between PostgreSQL and SQLite."""

import json
import uuid

import orjson
from sqlalchemy import JSON, DateTime, Text, type_coerce
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator

from app.domain import json_values
from app.domain.instants import UTC


class UtcDateTime(TypeDecorator):
    """An instant: `timestamptz` on PostgreSQL, text in UTC on SQLite, an aware datetime in UTC in Python."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value, dialect):
        if value is None or value.tzinfo is UTC:
            return value
        # a server whose time zone is another, where a pooler has dropped what a connection asked for
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Json(TypeDecorator):
    """A JSON value: `jsonb` on PostgreSQL, text on SQLite."""

    impl = JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
    cache_ok = True

    def process_result_value(self, value, dialect):
        return None if value is None else json.loads(value)

    def coerce_compared_value(self, op, value):
        return self.impl_instance.coerce_compared_value(op, value)


class RawJson(Json):
    """A JSON value for a client: its stored text becomes part of the answer without being parsed."""

    cache_ok = True

    def process_result_value(self, value, dialect):
        return None if value is None else orjson.Fragment(value)


class JsonRows(TypeDecorator):
    """A parameter that holds a list of mappings as JSON, for `app.db.sql.rows` to read. UUIDs and instants have the database's form."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value, dialect):
        # orjson's own form of an instant is PostgreSQL's too, and made many times faster than one of ours
        form, options = (_sqlite_form, orjson.OPT_PASSTHROUGH_DATETIME) if dialect.name == "sqlite" else (str, None)
        try:
            return orjson.dumps(value, form, options).decode()
        except orjson.JSONEncodeError:  # a whole number over 64 bits
            return json.dumps(value, ensure_ascii=False, allow_nan=False, default=form)


class Substring(TypeDecorator):
    """A parameter that holds the text `app.db.sql.ContainsText` looks for: a LIKE pattern on PostgreSQL, the text itself on SQLite."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value, dialect):
        if value is None or dialect.name == "sqlite":
            return value
        for character in "/%_":
            value = value.replace(character, f"/{character}")
        return f"%{value}%"


def raw(json_column):
    """Return `json_column` to be selected as `RawJson`, under its own name."""
    return type_coerce(json_column, RawJson).label(json_column.name)


def dump_json(value):
    """Return `value` as JSON text for the database."""
    return json_values.dumps(value).decode()


def as_stored(value):
    """Return a JSON value for a client in the form a `RawJson` column has: whole numbers of any size are kept."""
    return orjson.Fragment(dump_json(value))


def _sqlite_form(value):
    return str(value) if isinstance(value, uuid.UUID) else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")

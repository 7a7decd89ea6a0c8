"""flask-smorest's Blueprint, with schemas that are made once and bring their examples along."""

from flask_smorest import Blueprint as SmorestBlueprint
from marshmallow import Schema

from app.api.http.lists import check_part
from app.api.http.parsing import Parser
from app.schemas.base import CursorQuery


class Blueprint(SmorestBlueprint):
    """The routes of a resource.

    A schema's `example` (or `examples`) is shown wherever the schema is, unless the decorator is given others.
    """

    ARGUMENTS_PARSER = Parser()

    def arguments(self, schema, *, location="json", **options):
        """Decorate a view that takes what a schema makes of a body or, with another `location`, of the query string."""
        # webargs would make an instance of a class, with all the fields in it, for every request
        schema = schema() if isinstance(schema, type) else schema
        decorate = super().arguments(schema, location=location, **_examples(schema, options))

        def decorated(view):
            view = decorate(view)
            view.reads_query = location == "query" or getattr(view, "reads_query", False)
            return view

        return decorated

    def list_arguments(self, schema, **options):
        """Decorate a view of a list: it takes a body, made by a subclass of `CursorPart`, in which the cursor is the one that counts."""
        body, query = self.arguments(schema, required=False, **options), self.arguments(CursorQuery, location="query")
        too_long = self.alt_response(414, "RequestURITooLong")
        return lambda view: too_long(query(body(check_part(view))))

    def response(self, status_code, schema=None, **options):
        """Document what the view answers, as flask-smorest does."""
        return super().response(status_code, schema, **_examples(schema, options))

    def alt_response(self, status_code, response=None, *, schema=None, **options):
        """Document what the view answers in other cases, as flask-smorest does. `response` may name one of `openapi.ERRORS`."""
        return super().alt_response(status_code, response, schema=schema, **_examples(schema, options))


def _examples(schema, options):
    """Return `options` with the example of `schema`, a Schema, its class or a JSON Schema, unless they have one."""
    if "example" in options or "examples" in options:
        return options
    if isinstance(schema, dict):
        # not `example`, which flask-smorest drops where it is null
        return options | {"examples": {"example": {"value": schema["examples"][0]}}}
    if hasattr(schema, "examples"):
        return options | {"examples": schema.examples}
    if hasattr(schema, "example"):
        example = schema.example
        return options | {"example": [example] if isinstance(schema, Schema) and schema.many else example}
    return options

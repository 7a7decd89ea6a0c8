"""How paths, query strings, headers and bodies are read."""

import re
import uuid

from flask import abort, current_app, request
from marshmallow import RAISE
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, UnicodeConverter

from app.api.http.encodings import content_coding, unpack
from app.api.http.problems import Invalid, flatten, item
from app.domain import json_values
from app.domain.deployment_schedules import MAX_SLUG_LENGTH, SLUG_PATTERN
from app.schemas.context import Context, current

INCOMPLETE = "The body is not complete, or its chunks are malformed."

# Under this name, `app.extensions` has what schemas are told of the application
LOAD_CONTEXT = "mintaka.load_context"


class IdConverter(BaseConverter):
    """A UUID in a path. One that is malformed is 422, not the 404 of a path that does not exist."""

    part_isolating = True
    # or the wrong method on a list route would look like the right one on a malformed id
    regex = r"(?!(?:filter|count|history|pause|resume|set_state|delete|(?:get|clear)_default_storage_block_document)\Z)[^/]+"

    def to_python(self, value):
        """Return the UUID. Raise Invalid."""
        try:
            return uuid.UUID(value)
        except ValueError:
            raise Invalid([item(("path", "id"), "Not a UUID.")]) from None


class SlugConverter(BaseConverter):
    """The slug of a schedule in a path; one that no schedule can have is 422."""

    part_isolating = True
    regex = r"[^/]+"

    def to_python(self, value):
        """Return the slug. Raise Invalid."""
        if len(value) > MAX_SLUG_LENGTH or not re.fullmatch(SLUG_PATTERN, value):
            raise Invalid([item(("path", "slug"), f"Must be 1 to {MAX_SLUG_LENGTH} of a to z, 0 to 9 and -.")])
        return value


class TextConverter(UnicodeConverter):
    """Text in a path. NUL, which no stored text holds and PostgreSQL refuses to look for, becomes what bytes that are no text become."""

    def to_python(self, value):
        """Return the text."""
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")


class Parser(FlaskParser):
    """Reads bodies by our rules (`app.domain.json_values`), and tells schemas of the application through marshmallow's context."""

    # a parameter that is not known is refused, as a member of a body is; schemas of bodies say so themselves
    DEFAULT_UNKNOWN_BY_LOCATION = {"json": None, "query": RAISE}

    # what a location is called in errors
    locations = {"json": "body"}

    def __init__(self):
        super().__init__()
        self._of_nothing = {}

    def parse(self, argmap, req=None, **options):
        """Return what the schema makes of the request. Raise Invalid."""
        if options.get("location") != "query" or request.query_string:
            return self._parse(argmap, req, options)
        # most requests have no query, and always the same is made of none
        if argmap not in self._of_nothing:
            self._of_nothing[argmap] = self._parse(argmap, req, options)
        return dict(self._of_nothing[argmap])

    def _parse(self, argmap, req, options):
        with Context(current_app.extensions[LOAD_CONTEXT]):
            return super().parse(argmap, req, **options)

    def load_json(self, req, schema):
        """Return the body as a value. None at all, or null, equals `{}`."""
        bounds = current().bounds
        # a body of unknown length is cut off at the limit: one byte more shows that it is too long
        req.max_content_length = bounds.body_bytes + 1
        try:
            body = req.get_data(cache=False)
        except HTTPException:
            raise
        except Exception:
            # the server's own, when chunks are malformed
            abort(400, INCOMPLETE)
        if len(body) > bounds.body_bytes:
            abort(413)
        if req.content_length not in (None, len(body)):
            # half of a body, or none of it, may be one that asks for something else
            abort(400, INCOMPLETE)
        if content_coding() == "gzip":
            try:
                body = unpack(body, bounds.body_bytes)
            except ValueError:
                abort(400, "The body is not gzip, as its Content-Encoding says, or not all of it.")
            if len(body) > bounds.body_bytes:
                abort(413)
        value = json_values.loads(body, bounds.json_depth, mend=getattr(schema, "replaces_unfit_text", False)) if body.strip() else None
        return {} if value is None else value

    def handle_error(self, error, req, schema, *, error_status_code, error_headers):
        """Raise Invalid, with what is wrong in terms of the request."""
        items = [
            found
            for location, messages in error.messages_dict.items()
            for found in flatten(messages, (self.locations.get(location, location),))
        ]
        raise Invalid(items) from None


def prefers(preference):
    """Return whether the request's Prefer header (RFC 7240) holds `preference`, such as `return=representation`."""
    asked = (one.partition(";")[0] for one in request.headers.get("Prefer", "").split(","))
    return preference in (one.replace('"', "").replace(" ", "").lower() for one in asked)

"""What is asked of every request before its view sees it, and how bodies are read."""

import re
import time
import uuid
from contextlib import suppress
from urllib.parse import urlsplit

import marshmallow
from flask import abort, current_app, g, request
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import HTTPException, UnprocessableEntity
from werkzeug.routing import BaseConverter, UnicodeConverter

from app.api.encodings import content_coding, unpack
from app.api.hosts import check_host
from app.api.problems import item
from app.domain import bounds, json_values
from app.domain.ids import new_id

API_VERSION = (0, 6, 0)
# Those of our own that scripts of a page may want to read
ANSWER_HEADERS = ("X-Request-ID", "Preference-Applied", "Retry-After")
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
REQUEST_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)


INCOMPLETE = "The body is not complete, or its chunks are malformed."

# How much of a body that nobody wants is read, and for how many seconds
MOST_UNWANTED = 64 * 1024 * 1024
UNWANTED_SECONDS = 10
PIECE = 256 * 1024


class IdConverter(BaseConverter):
    """A UUID in a path. One that is malformed is 422, not the 404 of a path that does not exist."""

    part_isolating = True
    # or the wrong method on a list route would look like the right one on a malformed id
    regex = r"(?!(?:filter|count|history|(?:get|clear)_default_storage_block_document)\Z)[^/]+"

    def to_python(self, value):
        """The UUID."""
        try:
            return uuid.UUID(value)
        except ValueError:
            error = UnprocessableEntity()
            error.items = [item(("path", "id"), "Not a UUID.", "invalid")]
            raise error from None


class TextConverter(UnicodeConverter):
    """Text in a path. NUL, which no stored text holds and PostgreSQL refuses to look for, becomes what bytes that are no text become."""

    def to_python(self, value):
        """The text."""
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")


class BodyParser(FlaskParser):
    """Reads JSON bodies by our rules (`app.domain.json_values`), and leaves errors to the error handlers."""

    def load_json(self, req, schema):
        """The body as a value. None at all, or null, equals `{}`."""
        most = bounds.in_force().body_bytes
        # a body of unknown length is cut off at the limit: one byte more shows that it is too long
        req.max_content_length = most + 1
        try:
            body = req.get_data(cache=False)
        except HTTPException:
            raise
        except Exception:
            # the server's own, when chunks are malformed
            abort(400, INCOMPLETE)
        if len(body) > most:
            abort(413)
        if req.content_length not in (None, len(body)):
            # half of a body, or none of it, may be one that asks for something else
            abort(400, INCOMPLETE)
        if content_coding() == "gzip":
            try:
                body = unpack(body, most)
            except ValueError:
                abort(400, "The body is not gzip, as its Content-Encoding says, or not all of it.")
            if len(body) > most:
                abort(413)
        value = json_values.loads(body, bounds.in_force().json_depth, mend=getattr(schema, "mends_text", False)) if body.strip() else None
        return {} if value is None else value

    def handle_error(self, error, req, schema, *, error_status_code, error_headers):
        """Raise the error as marshmallow knows it, without webargs' name for the location."""
        raise marshmallow.ValidationError(error.messages.get("json", error.messages)) from None


def query_id(name):
    """The UUID that the query string must hold under `name`."""
    text = request.args.get(name)
    error = UnprocessableEntity()
    if text is None:
        error.items = [item(("query", name), "This field is required.", "missing")]
        raise error
    try:
        return uuid.UUID(text)
    except ValueError:
        error.items = [item(("query", name), "Not a UUID.", "invalid")]
        raise error from None


def prefers(preference):
    """Whether the request's Prefer header (RFC 7240) holds `preference`, such as `return=representation`."""
    asked = (one.partition(";")[0] for one in request.headers.get("Prefer", "").split(","))
    return preference in (one.replace('"', "").replace(" ", "").lower() for one in asked)


def check():
    """Before every request: give it an id, put the bounds in force, and refuse what no route accepts."""
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if REQUEST_ID.fullmatch(given) else str(new_id())
    settings = current_app.extensions["mintaka"].settings
    bounds.enforce(settings.bounds)
    check_host(request.environ, settings.allowed_hosts)
    if request.routing_exception is not None:
        return
    if (request.content_length or 0) > settings.max_body_bytes:
        # most views would find out when they read it, but some read no body
        abort(413)
    _check_api_version()
    if request.method not in SAFE_METHODS:
        _check_origin(settings.allowed_origins)
        _check_content_type()


def read_the_rest(response):
    """After every request: read what is left of its body, within bounds, and pass `response` on.

    A client that is still sending when its connection is closed sees that it broke, and not the answer that says why.
    """
    if request.content_length or "HTTP_TRANSFER_ENCODING" in request.environ:
        left, deadline = MOST_UNWANTED, time.monotonic() + UNWANTED_SECONDS
        # whatever is wrong with the rest, the answer stands
        with suppress(Exception):
            while left > 0 and time.monotonic() < deadline and (piece := request.environ["wsgi.input"].read(PIECE)):
                left -= len(piece)
    return response


def _check_api_version():
    """Clients of the reference say which API version they speak; the rule is the reference's."""
    asked = request.headers.get("X-PREFECT-API-VERSION")
    if not asked:
        return
    served = ".".join(map(str, API_VERSION))
    parts = asked.split(".")
    if len(parts) != 3 or not all(part.isdecimal() and len(part) < 10 for part in parts):
        abort(400, f"The header X-PREFECT-API-VERSION must have the form x.y.z, such as {served}.")
    major, minor, patch = map(int, parts)
    if (major, minor) != API_VERSION[:2] or patch > API_VERSION[2]:
        abort(
            400,
            f"This server speaks API version {served} and earlier ones of {API_VERSION[0]}.{API_VERSION[1]}; the request asks for another.",
        )


def _check_origin(allowed):
    """A browser says on whose behalf it calls. Without this, any page a user visits could make changes here."""
    origin = request.headers.get("Origin")
    if origin is not None and origin not in allowed and urlsplit(origin).netloc != request.host:
        abort(403, "Requests from pages of another origin are refused; MINTAKA_ALLOWED_ORIGINS lists those that are let in.")


def _check_content_type():
    """A body that is not declared to be JSON is refused, not passed over: a form could otherwise call what takes no body."""
    has_body = bool(request.content_length) or request.headers.get("Transfer-Encoding") is not None
    if (has_body or request.content_type) and not request.is_json:
        abort(415, "Send the body as JSON, with Content-Type: application/json.")
    if has_body:
        content_coding()

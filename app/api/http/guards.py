"""What is asked of every request before its view sees it, and of its body afterwards."""

import re
import time
from contextlib import suppress
from urllib.parse import urlsplit

from flask import abort, current_app
from werkzeug.exceptions import MethodNotAllowed, NotFound

from app.api.http.authentication import check_key
from app.api.http.encodings import content_coding
from app.api.http.hosts import check_host
from app.api.http.problems import MAX_STEP, Invalid, item
from app.domain.ids import new_id
from app.schemas.fields import UNKNOWN

API_VERSION = (0, 6, 0)
# Those of our own that scripts of a page may want to read
ANSWER_HEADERS = ("X-Request-ID", "Link", "ETag", "Preference-Applied", "Retry-After")
# What browsers show: links to these may carry anything
PAGES = "/api/docs"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
REQUEST_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)

# How much of a body that nobody wants is read, and for how many seconds
MAX_UNWANTED = 64 * 1024 * 1024
UNWANTED_SECONDS = 10
PIECE = 256 * 1024


def request_id(environ):
    """Return the id that a request brings along in its WSGI environment, or a new one."""
    given = environ.get("HTTP_X_REQUEST_ID", "")
    return given if REQUEST_ID.fullmatch(given) else str(new_id())


def check(request, settings):
    """Before every request: refuse what no route accepts."""
    environ = request.environ
    check_host(environ, settings.allowed_hosts)
    unroutable = request.routing_exception
    if isinstance(unroutable, NotFound):
        _check_method(request)
    if unroutable is None or isinstance(unroutable, Invalid):
        check_key(request)
    if unroutable is not None:
        return
    if (request.content_length or 0) > settings.max_body_bytes:
        # most views would find out when they read it, but some read no body
        abort(413)
    if asked := environ.get("HTTP_X_PREFECT_API_VERSION"):
        _check_api_version(asked)
    if request.method not in SAFE_METHODS:
        _check_origin(request, settings.allowed_origins)
        _check_content_type(request)
    if environ.get("QUERY_STRING"):
        _check_query(request)


def read_the_rest(request):
    """After every request: read what is left of its body, within bounds.

    A client that is still sending when its connection is closed sees that it broke, and not the answer that says why.
    """
    if request.content_length or "HTTP_TRANSFER_ENCODING" in request.environ:
        left, deadline = MAX_UNWANTED, time.monotonic() + UNWANTED_SECONDS
        # whatever is wrong with the rest, the answer stands
        with suppress(Exception):
            while left > 0 and time.monotonic() < deadline and (piece := request.environ["wsgi.input"].read(PIECE)):
                left -= len(piece)


def _check_method(request):
    """werkzeug finds a path with a slash more or less only by the right method: the wrong one is 405 there too, not 404."""
    if "//" in request.path:
        return
    path = request.path.removesuffix("/") if request.path.endswith("/") else f"{request.path}/"
    adapter = current_app.create_url_adapter(request)
    if adapter and (methods := adapter.allowed_methods(path)):
        raise MethodNotAllowed(methods)


def _check_query(request):
    """A route that has no query parameters refuses them all; those that have some have a schema for them. Pages are not so strict."""
    assert request.endpoint is not None  # `check` lets only requests through that have a route
    if request.path.startswith(PAGES) or getattr(current_app.view_functions[request.endpoint], "reads_query", False):
        return
    unknown = [item(("query", name[:MAX_STEP]), UNKNOWN, "unknown_field") for name in request.args]
    if unknown:
        raise Invalid(unknown)


def _check_api_version(asked):
    """Clients of the reference say which API version they speak; the rule is the reference's."""
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


def _check_origin(request, allowed):
    """A browser says on whose behalf it calls. Without this, any page a user visits could make changes here."""
    origin = request.environ.get("HTTP_ORIGIN")
    if origin is not None and origin not in allowed and urlsplit(origin).netloc != request.host:
        abort(403, "Requests from pages of another origin are refused; MINTAKA_ALLOWED_ORIGINS lists those that are let in.")


def _check_content_type(request):
    """A body that is not declared to be JSON is refused, not passed over: a form could otherwise call what takes no body."""
    has_body = bool(request.content_length) or "HTTP_TRANSFER_ENCODING" in request.environ
    if (has_body or request.content_type) and not request.is_json:
        abort(415, "Send the body as JSON, with Content-Type: application/json.")
    if has_body:
        content_coding()

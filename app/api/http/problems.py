"""Errors as problems (RFC 9457): one table gives each error a status, one function writes the answer."""

import logging
from http import HTTPStatus

import orjson
from flask import Response, g
from marshmallow.exceptions import SCHEMA
from werkzeug.exceptions import HTTPException, InternalServerError, UnprocessableEntity

from app import errors
from app.api.http.pages import prefers_html, problem_page
from app.db.failures import driver_message
from app.schemas.fields import MISSING, NULL, UNKNOWN

log = logging.getLogger("mintaka.database")

STATUS = {
    errors.InvalidKey: 401,
    errors.ScopeMissing: 403,
    errors.Fenced: 403,
    errors.NotFound: 404,
    errors.NotRegistered: 404,
    errors.Conflict: 409,
    errors.InvalidField: 422,
    errors.InvalidSchedule: 422,
    errors.TooManyFailures: 429,
    errors.NoKey: 503,
    errors.NotReady: 503,
    errors.QueryTooSlow: 503,
    errors.Unavailable: 503,
}

# Where werkzeug's words are for people who typed an address
DETAILS = {
    404: "There is no such path; /api/docs lists those there are.",
    405: "This path does not take this method.",
    413: "The body is too large.",
}

# RFC 9110's names; those of the standard library depend on the version of Python
TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}

# What a client sent decides how much there is to say; this decides how much is said
MAX_ITEMS = 100
MAX_STEP = 80

PROBLEM = "application/problem+json"

KINDS = {MISSING: "missing", NULL: "null", UNKNOWN: "unknown_field"}


class Invalid(UnprocessableEntity):
    """A request whose path, query or body is not valid, as `items` say."""

    def __init__(self, items):
        super().__init__()
        self.items = items


def problem(status, detail, items=None, headers=None):
    """Return the response for an error: a page for a browser. `items` are those of `errors` in a 422."""
    members = problem_members(status, detail) | ({} if items is None else {"errors": items})
    if prefers_html():
        response = problem_page(members, headers)
    else:
        response = Response(orjson.dumps(members), status, headers, content_type=PROBLEM)
    response.vary.add("Accept")
    return response


def problem_members(status, detail):
    """Return the members of a problem."""
    title = TITLES.get(status) or HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}


def item(loc, message, kind="invalid"):
    """Return one member of `errors`: where, what is wrong, and which kind of wrong it is."""
    return {"loc": list(loc), "msg": message, "type": kind}


def invalid(items):
    """Return the 422 response for `items`, the first MAX_ITEMS of them; its `detail` says the first few."""
    said = [f"{'.'.join(str(step) for step in entry['loc'][1:]) or entry['loc'][0]}: {entry['msg']}" for entry in items[:3]]
    more = f" (and {len(items) - 3} more)" if len(items) > 3 else ""
    return problem(422, " ".join(said) + more, items[:MAX_ITEMS])


def flatten(messages, loc):
    """Yield an `item` for each message in marshmallow's nested `messages`."""
    if isinstance(messages, dict):
        for key, below in messages.items():
            # what marshmallow says of an object as a whole it says under this name
            step = key[:MAX_STEP] if isinstance(key, str) else key
            yield from flatten(below, loc if key == SCHEMA else (*loc, step))
    elif isinstance(messages, list):
        for message in messages:
            yield from flatten(message, loc)
    else:
        yield item(loc, str(messages), KINDS.get(messages, "invalid"))


def register(app):
    """Answer every error of `app` with a problem."""

    @app.errorhandler(errors.AppError)
    def handle_app_error(error):
        if isinstance(error, errors.InvalidField):
            return invalid([item(("body", *error.loc), error.reason, error.kind)])
        status = STATUS[type(error)]
        if isinstance(error, errors.Unavailable):
            # the client is not told how the database is reached
            log.warning("request %s: %s (%s)", g.get("request_id"), error, driver_message(error) or "no more is known")
        headers = {
            401: {"WWW-Authenticate": "Bearer"},
            429: {"Retry-After": str(getattr(error, "seconds", 1))},
            503: {"Retry-After": "1"},
        }
        return problem(status, str(error), headers=headers.get(status))

    @app.errorhandler(HTTPException)
    def handle_http_exception(error):
        if isinstance(error, InternalServerError):
            # Flask has logged it
            return problem(500, f"The server failed. Its log has the reason under request id {g.get('request_id')}.")
        if isinstance(error, Invalid):
            return invalid(error.items)
        if error.code is None or error.code < 400:
            return error.get_response()
        headers = [(name, value) for name, value in error.get_headers() if name not in ("Content-Type", "Content-Length")]
        return problem(error.code, DETAILS.get(error.code) or error.description or error.name, headers=headers)

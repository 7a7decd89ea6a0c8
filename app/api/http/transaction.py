"""One transaction around a view, and its result as JSON."""

import base64
import hashlib
from collections.abc import Callable
from functools import wraps

from flask import Response, current_app, g, request

from app.db import migrate
from app.domain import json_values
from app.domain.audit import API, Actor
from app.services.unit_of_work import UnitOfWork

# How the paths end of what reads many rows: a replica may answer these
MANY = ("/filter", "/count", "/history")


def parts():
    """Return what `create_app` put together: settings, clock, database, policy, vault."""
    return current_app.extensions["mintaka"]


def unit_of_work():
    """Return the UnitOfWork of the request at hand, inside its transaction."""
    return g.unit_of_work


def actor():
    """Return the `Actor` of the request at hand: its key, where it has one, and its address."""
    key = g.get("key")
    who = {} if key is None else {"name": key.name, "key_id": key.id}
    # a client of a unix socket has no address
    return Actor(API, address=request.remote_addr or None, request_id=g.get("request_id"), **who)


def in_transaction(work, read_only=False, replica=False):
    """Run `work()` in one transaction, where `unit_of_work()` is bound to it, and return what it returned. See `Database.run`."""
    ours = parts()
    asking = None if read_only else actor()

    def bound(session):
        g.unit_of_work = UnitOfWork(session, ours, asking)
        return work()

    migrate.require(ours.database)
    try:
        return ours.database.run(bound, read_only=read_only, replica=replica)
    finally:
        g.pop("unit_of_work", None)


def count(counter, number=1):
    """Add to a counter of the metrics if the transaction at hand commits."""
    unit_of_work().session.after_commit.append(lambda: counter.inc(number))


def transaction(read_only=False):
    """Decorate a view that returns a value, or (value, status), or (value, status, headers).

    The view runs in one transaction, which its return commits and an exception rolls back; then the value is answered as JSON.
    Nothing walks through the value: the schema of `Blueprint.response` documents it.
    """

    def decorate(view) -> Callable[..., Response]:
        @wraps(view)
        def answer(*args, **kwargs):
            replica = read_only and request.path.endswith(MANY)
            result = in_transaction(lambda: view(*args, **kwargs), read_only, replica)
            response = json_response(*result) if isinstance(result, tuple) else json_response(result)
            return tagged(response) if read_only and request.method in ("GET", "HEAD") else response

        # for the API document: such a route may answer 503
        answer.in_transaction = True  # pyright: ignore[reportAttributeAccessIssue] -- the stub of wraps knows no attributes of functions
        # ... and one that reads has an ETag
        answer.read_only = read_only  # pyright: ignore[reportAttributeAccessIssue]
        return answer

    return decorate


def tagged(response):
    """Return `response` with an ETag, or 304 in its place where the client has what it says already (RFC 9110)."""
    # of the answer as it is, estimates included; a weak one, which is the same in every content coding
    tag = base64.urlsafe_b64encode(hashlib.blake2b(response.get_data(), digest_size=15).digest()).decode()
    if "If-None-Match" in request.headers and request.if_none_match.contains_weak(tag):
        response = json_response(None, 304)
    response.set_etag(tag, weak=True)
    return response


def json_response(value, status=200, headers=None):
    """Return `value` as a JSON response; without a body for 204 and 304."""
    if status in (204, 304):
        response = Response(status=status, headers=headers)
        # a type without a body is Flask's default, not ours to promise
        del response.headers["Content-Type"]
        return response
    return Response(json_values.dumps(value), status, headers, content_type="application/json")

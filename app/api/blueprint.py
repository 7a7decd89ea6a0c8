"""The blueprint every resource is built on: one transaction around a view, its result as JSON, and both in the API document."""

from functools import wraps
from http import HTTPStatus

import orjson
from flask import Response, current_app
from flask_smorest import Api as SmorestApi
from flask_smorest import Blueprint as SmorestBlueprint

from app.api.requests import BodyParser
from app.db.session import in_transaction
from app.domain import bounds
from app.schemas.answers import Problem

PROBLEM = "application/problem+json"


def services():
    """What `create_app` put together: settings, clock, database, policy."""
    return current_app.extensions["mintaka"]


def json_response(value, status=200, headers=None):
    """`value` as a JSON response; no body with 204."""
    if status == 204:
        return Response(status=204, headers=headers)
    return Response(orjson.dumps(value), status, headers, content_type="application/json")


def page(body):
    """`limit` and `offset` of a list request."""
    limit = body.get("limit")
    return (bounds.in_force().page_size if limit is None else limit), body.get("offset", 0)


class Blueprint(SmorestBlueprint):
    """A resource's routes."""

    ARGUMENTS_PARSER = BodyParser()

    def answers(self, status, schema=None, *, also=(), errors=(), description=None, example=None, read_only=False, transaction=True):
        """Decorate a view that returns a value, or a value and a status, or those and headers.

        The view runs in one transaction, which its return commits. `schema` documents the value (nothing walks through it); `also` are
        further statuses with the same schema, as {status: description}; `errors` the statuses of errors besides 400 and 5xx.
        """

        def decorate(view):
            @wraps(view)
            def answer(*args, **kwargs):
                if transaction:
                    result = in_transaction(services().database, lambda: view(*args, **kwargs), read_only=read_only)
                else:
                    result = view(*args, **kwargs)
                return json_response(*result) if isinstance(result, tuple) else json_response(result, status)

            decorated = self.response(status, schema, description=description, example=example)(answer)
            documented = decorated._apidoc["response"]["responses"]
            for other, meaning in dict(also).items():
                documented[other] = [documented[status][0] | {"description": meaning}]
            for error in {400, *errors}:
                documented.setdefault(error, []).append(HTTPStatus(error).name)
            return decorated

        return decorate


class Api(SmorestApi):
    """The API document. Errors are left to `app.api.problems`."""

    ERROR_SCHEMA = Problem

    def _register_error_handlers(self):
        """None: one table has them all."""

    def _register_responses(self):
        for status in HTTPStatus:
            if status >= 400:
                content = {PROBLEM: {"schema": Problem}}
                self.spec.components.response(status.name, {"description": status.phrase, "content": content}, lazy=True)
        self.spec.components.response("DEFAULT_ERROR", {"description": "An error", "content": {PROBLEM: {"schema": Problem}}}, lazy=True)

"""The blueprint every resource is built on: one transaction around a view, its result as JSON, and both in the API document."""

import re
from functools import wraps

import orjson
from flask import Response, current_app
from flask_smorest import Blueprint as SmorestBlueprint

from app.api import document
from app.api.requests import BodyParser
from app.db.session import in_transaction
from app.domain import bounds


def services():
    """What `create_app` put together: settings, clock, database, policy."""
    return current_app.extensions["mintaka"]


def json_response(value, status=200, headers=None):
    """`value` as a JSON response; no body with 204."""
    if status == 204:
        response = Response(status=204, headers=headers)
        # a type without a body is Flask's default, not ours to promise
        del response.headers["Content-Type"]
        return response
    return Response(orjson.dumps(value), status, headers, content_type="application/json")


def page(body):
    """`limit` and `offset` of a list request."""
    limit = body.get("limit")
    return (bounds.in_force().page_size if limit is None else limit), body.get("offset") or 0


class Blueprint(SmorestBlueprint):
    """A resource's routes."""

    ARGUMENTS_PARSER = BodyParser()

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._prepare_doc_cbks.append(self._prepare_operation_doc)

    def add_url_rule(self, rule, endpoint=None, view_func=None, *, parameters=None, **options):
        """Add the route, and describe the parameters in its path."""
        described = document.path_parameters(rule, re.sub("(?<=ch)es$|s$", "", self.name).lower())
        super().add_url_rule(rule, endpoint, view_func, parameters=[*described, *(parameters or ())], **options)

    def arguments(self, schema, *, many=False, **kwargs):
        """Decorate a view with the class of its body's schema; with `many`, the body is a list of such."""
        # webargs would make an instance, and all the fields in it, for every request
        return super().arguments(schema(many=many), **kwargs)

    @staticmethod
    def _prepare_operation_doc(doc, doc_info, *, method, **kwargs):
        return document.operation(doc, doc_info["view"], method, doc_info["errors"])

    def answers(self, status, schema=None, *, also=(), errors=(), headers=None, description=None, read_only=False, transaction=True):
        """Decorate a view that returns a value, or a value and a status, or those and headers.

        The view runs in one transaction, which its return commits. `schema` documents the value (nothing walks through it); `also` are
        further statuses with the same schema, as {status: description}; `errors` the statuses of errors besides those that follow from the
        method, the body and the transaction; `headers` those of the answer in OpenAPI's terms.
        """

        def decorate(view):
            @wraps(view)
            def answer(*args, **kwargs):
                if transaction:
                    result = in_transaction(services().database, lambda: view(*args, **kwargs), read_only=read_only)
                else:
                    result = view(*args, **kwargs)
                return json_response(*result) if isinstance(result, tuple) else json_response(result, status)

            decorated = self.response(status, schema, description=description, headers=headers)(answer)
            decorated._apidoc |= {"view": view.__name__, "errors": {*errors, 503} if transaction else {*errors}}
            documented = decorated._apidoc["response"]["responses"]
            for other, meaning in dict(also).items():
                documented[other] = [documented[status][0] | {"description": meaning}]
            return decorated

        return decorate

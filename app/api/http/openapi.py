"""The API document: how fields, errors and paths are written in OpenAPI. It is made once per application, when it is first asked for:
making it takes longer than all else that a command or a worker of gunicorn does to start.

The API stands on what its libraries publish, but for these hooks, for which setup.cfg bounds their versions:

- flask-smorest, `Api._openapi_json`: the document is not written anew for each request;
- flask-smorest, `Api._openapi_swagger_ui`: the page gets its headers;
- marshmallow, `Field._validate`: a field with one validator calls it, and makes no object for that (app/schemas/fields.py).
"""

import re
from functools import cached_property
from threading import Lock

import orjson
from apispec import APISpec, BasePlugin
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_cls
from flask import Response, make_response, request
from flask_smorest import Api as SmorestApi

from app.api.http.parsing import IdConverter, SlugConverter
from app.api.http.problems import PROBLEM
from app.api.http.swagger_ui import protect
from app.domain.deployment_schedules import MAX_SLUG_LENGTH, SLUG_PATTERN
from app.domain.keys import ADMIN, SCOPES
from app.schemas import fields
from app.schemas.base import ANY_ID
from app.schemas.block_schemas import CHECKSUM
from app.schemas.context import Context
from app.schemas.problems import EXAMPLES, Problem

REQUEST_ID = "X-Request-ID"
NOT_MODIFIED = "NotModified"
SECURITY = "key"
KEY = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "mtk_...",
    "description": "An API key, made by `mintaka keys create`. A server that listens on loopback alone asks for none, unless told to.",
}

# status: name of the component, when it is answered
ERRORS = {
    400: ("BadRequest", "The request cannot be understood, or its header `X-PREFECT-API-VERSION` asks for a version that is not served."),
    401: ("Unauthorized", "There is no API key, or none that is good: unknown, malformed, expired or revoked."),
    403: (
        "Forbidden",
        "The key lacks the scope, a page of another origin sent the request, or the route is switched off on this server.",
    ),
    404: ("NotFound", "There is no such thing."),
    409: ("Conflict", "It refers to something that does not exist, or breaks a rule of uniqueness."),
    413: ("ContentTooLarge", "The body is larger than the server accepts."),
    414: ("RequestURITooLong", "The path with its query is too long."),
    415: (
        "UnsupportedMediaType",
        "The request has a body, or says that it has, which is not `application/json`, or in a content coding that is not read.",
    ),
    421: ("MisdirectedRequest", "The header `Host` names neither this server nor a host in `MINTAKA_ALLOWED_HOSTS`."),
    422: ("UnprocessableContent", "The body, an id in the path or the query string is not valid; `errors` says all that is wrong."),
    429: ("TooManyRequests", "Too many wrong keys came from this address."),
    503: ("ServiceUnavailable", "The database is too busy or cannot be reached, or no key opens a block. Trying again later is safe."),
}
HEADERS = {
    REQUEST_ID: {
        "description": "The request's own `X-Request-ID`, or one made for it. The server's log has it.",
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {"description": "Always `Bearer`.", "schema": {"type": "string"}},
    "ETag": {"description": "Which answer this is; `If-None-Match` with it asks for another.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait before trying again.", "schema": {"type": "integer", "minimum": 0}},
}
# name: (description, example) of the parameters in paths
PATH_PARAMETERS = {
    "id": ("The id of the {thing}. In Swagger UI, zeros stand for the one made last.", ANY_ID),
    "name": ("The name of the {thing}.", "etl"),
    "flow_name": ("The name of the flow.", "etl"),
    "deployment_name": ("The name of the deployment.", "nightly"),
    "tag": ("The tag that is limited.", "warehouse"),
    "block_type_name": ("The name of the block type.", "Shared Folder"),
    "block_document_name": ("The name of the block.", "flows"),
    "slug": ("The slug of the schedule.", "default"),
    "checksum": ("The checksum of the block schema.", CHECKSUM),
}


def scopes_in_words(scopes):
    """Return what a key must have for a route that takes any of `scopes`, as Markdown; nothing where none are asked for."""
    if not scopes:
        return "Needs no key."
    if len(scopes) == len(SCOPES):
        return "Scope: any."
    named = [f"`{scope}`" for scope in dict.fromkeys((*scopes, ADMIN))]
    return f"Scope: {', '.join(named[:-1])} or {named[-1]}." if len(named) > 1 else f"Scope: {named[0]}."


class Plugin(BasePlugin):
    """What all operations and schemas have: ids, errors, headers, and descriptions of what is in paths."""

    def __init__(self, app):
        super().__init__()
        self.app = app
        self.asks_for_keys = app.extensions["mintaka"].settings.asks_for_keys

    def schema_helper(self, name, definition, *, schema=None, **kwargs):
        """Describe a component by its schema's docstring."""
        return {"description": schema.__doc__} if schema is not None and schema.__doc__ else {}

    def path_helper(self, *, rule, operations, parameters, **kwargs):
        """Describe the parameters in a path, and give each a value that works in Swagger UI."""
        blueprint = rule.endpoint.split(".")[0]
        thing = re.sub("(?<=ch)es$|s$", "", blueprint).lower()
        for parameter in parameters:
            description, example = PATH_PARAMETERS[parameter["name"]]
            parameter |= {"description": description.format(thing=thing), "example": example}

    def operation_helper(self, *, rule, operations, **kwargs):
        """Give each operation its id, the errors it may answer, and the header of every answer."""
        view = self.app.view_functions[rule.endpoint]
        for method, operation in operations.items():
            responses = {int(status): answer for status, answer in operation["responses"].items()}
            statuses = {400, 421, 422} | {status for status in responses if status >= 400}
            statuses |= {403, 413, 415} if method not in ("get", "head", "options") else set()
            statuses |= {404} if rule.arguments else set()
            statuses |= {503} if getattr(view, "in_transaction", False) else set()
            if scopes := getattr(view, "scopes", ()):
                # where nobody is asked for a key, one that is sent does no harm
                operation["security"] = [{SECURITY: []}] if self.asks_for_keys else [{}, {SECURITY: []}]
                statuses |= {401, 403, 429, 503}
            body = operation.get("requestBody")
            if body and not body["required"]:
                media = body["content"]["application/json"]
                media["schema"] = {"anyOf": [media["schema"], {"type": "null"}]}
            answers = {status: answer for status, answer in responses.items() if status < 400}
            for answer in answers.values():
                answer["headers"] = {REQUEST_ID: REQUEST_ID} | answer.get("headers", {})
            if method == "get" and getattr(view, "read_only", False):
                answers[200]["headers"] = answers[200]["headers"] | {"ETag": "ETag"}
                answers[304] = NOT_MODIFIED
            operation["operationId"] = view.__name__
            operation["description"] = f"{operation['description']}\n\n{scopes_in_words(scopes)}"
            operation["responses"] = answers | {status: ERRORS[status][0] for status in sorted(statuses)}


def attributes(self, field, ret):
    """Return what apispec cannot know of a field of ours: components of enums and unions, and texts that name settings."""
    found = {}
    if callable(description := ret.get("description")):
        found["description"] = description()
    if isinstance(field, fields.Enum):
        values = {"type": "string", "enum": list(ret["enum"])}
        found |= _component(self, field, ret, field.enum, values | {"enum": [value for value in values["enum"] if value is not None]})
    elif one_of := getattr(field, "one_of", None):
        found |= _component(self, field, ret, type(field), {"oneOf": [self.resolve_nested_schema(schema) for schema in one_of.values()]})
    elif any_of := getattr(field, "any_of", None):
        options = [{"type": "string", "format": "date"}, *(self.resolve_nested_schema(schema) for schema in any_of)]
        found |= _component(self, field, ret, type(field), {"anyOf": options})
    return found


def _component(converter, field, ret, kind, definition):
    """Register `definition` once under the name of the class `kind`, and return the reference to it in place of what `ret` says."""
    components = converter.spec.components
    if kind.__name__ not in components.schemas:
        components.schema(kind.__name__, {"description": kind.__doc__} | definition)
    for name in ("type", "enum", "additionalProperties"):
        ret.pop(name, None)
    reference = components.get_ref("schema", kind.__name__)
    return {"anyOf": [reference, {"type": "null"}]} if field.allow_none else reference


def component_name(schema):
    """Return the name of the component that describes a schema: all of its class's, also where that ends in `Schema`."""
    found = resolve_schema_cls(schema)
    assert not isinstance(found, list)  # only a name can stand for several
    return found.__name__


class Api(SmorestApi):
    """flask-smorest's Api, which writes the document; errors are answered by `app.api.http.problems`."""

    DEFAULT_ERROR_RESPONSE_NAME = None
    ERROR_SCHEMA = Problem

    spec: APISpec  # flask-smorest says None, until its constructor is done

    def __init__(self, app, about):
        plugins = {"marshmallow_plugin": MarshmallowPlugin(component_name), "extra_plugins": [Plugin(app)]}
        super().__init__(app, spec_kwargs=about | plugins)
        assert self.ma_plugin.converter is not None
        self.register_converter(IdConverter, lambda converter: {"type": "string", "format": "uuid"})
        slug = {"type": "string", "pattern": f"^{SLUG_PATTERN}$", "minLength": 1, "maxLength": MAX_SLUG_LENGTH}
        self.register_converter(SlugConverter, lambda converter: slug)
        self.ma_plugin.converter.add_attribute_function(attributes)
        for name, header in HEADERS.items():
            self.spec.components.header(name, header)
        self.spec.components.security_scheme(SECURITY, KEY)
        unchanged = {"description": "The client has this answer already: it sent its `ETag` in `If-None-Match`."}
        self.spec.components.response(NOT_MODIFIED, unchanged | {"headers": {REQUEST_ID: REQUEST_ID, "ETag": "ETag"}}, lazy=True)
        for status, (name, description) in ERRORS.items():
            more = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}.get(status)
            headers = {REQUEST_ID: REQUEST_ID} | ({more: more} if more else {})
            content = {PROBLEM: {"schema": Problem, "example": EXAMPLES[status]}}
            self.spec.components.response(name, {"description": description, "headers": headers, "content": content}, lazy=True)

    def register_blueprints(self, app, blueprints, load_context):
        """Register `blueprints` with `app`. The document has their routes, with the bounds and defaults of a LoadContext."""
        for blueprint in blueprints:
            app.register_blueprint(blueprint)
        self._blueprints, self._load_context, self._lock = blueprints, load_context, Lock()

    def document(self):
        """Return the API document, as a dict which is not to be changed."""
        with self._lock:
            return self._document

    @cached_property
    def _document(self):
        with Context(self._load_context):
            for blueprint in self._blueprints:
                blueprint.register_views_in_doc(self, self._app, self.spec, name=blueprint.name, parameters=None)
                self.spec.tag({"name": blueprint.name, "description": blueprint.description})
            # what flask-smorest's own pagination would answer
            self.spec.components.schemas.pop("PaginationMetadata", None)
            return self.spec.to_dict()

    @cached_property
    def _json(self):
        return orjson.dumps(self.document())

    def _openapi_json(self):
        if prefix := request.root_path.strip("/"):
            # behind a proxy that serves other things too, the paths begin with its prefix
            document = self.document()
            servers = [server | {"url": f"/{prefix}"} for server in document["servers"]]
            return Response(orjson.dumps(document | {"servers": servers}), content_type="application/json")
        return Response(self._json, content_type="application/json")

    def _openapi_swagger_ui(self):
        return protect(make_response(super()._openapi_swagger_ui()))

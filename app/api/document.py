"""The API document: how fields, errors and paths are written in OpenAPI. It is made once per app, when the app is made."""

from contextvars import copy_context

import orjson
from flask import Response, request
from flask_smorest import Api as SmorestApi

from app.api.problems import PROBLEM
from app.domain import bounds
from app.schemas import base, examples, requests, schedules
from app.schemas.answers import Problem

REQUEST_ID = "X-Request-ID"

TYPES = {
    base.Boolean: ("boolean", None),
    base.Whole: ("integer", None),
    base.Number: ("number", None),
    base.Id: ("string", "uuid"),
    base.Instant: ("string", "date-time"),
    base.Object: ("object", None),
    base.Choice: ("string", None),
    base.Schedule: (None, None),
}

# What a field of ours says besides its type, with the bounds that the settings of the app ask for
ATTRIBUTES = {
    base.Whole: lambda field: {"minimum": field.lowest, "maximum": field.highest() if callable(field.highest) else field.highest},
    base.Number: lambda field: {"minimum": field.lowest, "maximum": field.highest},
    base.Name: lambda field: {"pattern": f"^[^{base.FORBIDDEN_IN_NAMES}]+$"},
    base.Choice: lambda field: {"enum": [*field.choices, None] if field.allow_none else field.choices},
    base.BoundedList: lambda field: {"maxItems": getattr(bounds.in_force(), field.bound)},
    base.BoundedText: lambda field: {"maxLength": getattr(bounds.in_force(), field.bound)},
}

ONE_OF = {base.Schedule: schedules.KINDS, requests.TaskInput: requests.TaskInput.kinds.values()}

# status: name of the component, when it is answered
ERRORS = {
    400: ("BadRequest", "The request cannot be understood, or its header `X-PREFECT-API-VERSION` asks for a version that is not served."),
    403: ("Forbidden", "A page of another origin sent the request, or the route is switched off on this server."),
    404: ("NotFound", "There is no such thing."),
    409: ("Conflict", "It refers to something that does not exist, or breaks a rule of uniqueness."),
    413: ("ContentTooLarge", "The body is larger than the server accepts."),
    415: (
        "UnsupportedMediaType",
        "The request has a body, or says that it has, which is not `application/json`, or in a content coding that is not read.",
    ),
    421: ("MisdirectedRequest", "The header `Host` names neither this server nor a host in `MINTAKA_ALLOWED_HOSTS`."),
    422: ("UnprocessableContent", "The body or an id in the path is not valid; `errors` says all that is wrong."),
    503: ("ServiceUnavailable", "The database is too busy or cannot be reached, or no key opens a block. Trying again later is safe."),
}
HEADERS = {
    REQUEST_ID: {
        "description": "The request's own `X-Request-ID`, or one made for it. The server's log has it.",
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "Seconds to wait before trying again.", "schema": {"type": "integer", "minimum": 0}},
}


def attributes(self, field, ret):
    """What a field of ours says besides its type (an attribute function of apispec)."""
    found = {}
    for kind, describe in ATTRIBUTES.items():
        if isinstance(field, kind):
            found |= describe(field)
    for kind, schemas in ONE_OF.items():
        if isinstance(field, kind):
            found["oneOf"] = [self.resolve_nested_schema(schema) for schema in schemas] + [{"type": "null"}] * field.allow_none
    return found


def path_parameters(rule, thing):
    """Descriptions and examples of the parameters in the URL rule of a resource called `thing`."""
    described = {
        "id": f"The id of the {thing}. In Swagger UI, zeros stand for the one made last.",
        "name": f"The name of the {thing}.",
        "flow_name": "The name of the flow.",
        "deployment_name": "The name of the deployment.",
        "tag": "The tag that is limited.",
        "block_type_name": "The name of the block type.",
        "block_document_name": "The name of the block.",
        "checksum": "The checksum of the block schema.",
    }
    return [
        {"in": "path", "name": name, "description": description, "example": examples.PATH[name]}
        for name, description in described.items()
        if f"<id:{name}>" in rule or f"<{name}>" in rule
    ]


def operation(doc, function_name, method, errors):
    """`doc`, an operation as flask-smorest makes it, with its id, the errors it may answer and the header of every answer."""
    statuses = {400, 421, *errors}
    if method not in ("get", "head", "options"):
        statuses |= {403, 413, 415}
    if "requestBody" in doc:
        statuses |= {422}
        if not doc["requestBody"]["required"]:
            media = doc["requestBody"]["content"]["application/json"]
            media["schema"] = {"anyOf": [media["schema"], {"type": "null"}]}
    answers = {status: answer for status, answer in doc["responses"].items() if status < 400}
    for answer in answers.values():
        answer["headers"] = {REQUEST_ID: REQUEST_ID} | answer.get("headers", {})
    responses = answers | {status: ERRORS[status][0] for status in sorted(statuses)}
    return doc | {"operationId": function_name, "responses": responses}


class Api(SmorestApi):
    """The document, and nothing else: errors are answered by `app.api.problems`."""

    DEFAULT_ERROR_RESPONSE_NAME = None
    ERROR_SCHEMA = Problem

    def register_blueprints(self, blueprints, limits):
        """Register `blueprints` with the app, and write down their routes with the `Bounds` in `limits`."""
        # in a context of its own: the bounds of one app must not become those of the process
        copy_context().run(self._register_all, blueprints, limits)
        self._document = self.spec.to_dict()
        self._json = orjson.dumps(self._document)

    def _register_all(self, blueprints, limits):
        bounds.enforce(limits)
        for kind, (type_, format_) in TYPES.items():
            self.register_field(kind, type_, format_)
        self.ma_plugin.converter.add_attribute_function(attributes)
        for blueprint in blueprints:
            self.register_blueprint(blueprint)

    def _openapi_json(self):
        text = self._json
        if prefix := request.root_path.strip("/"):
            # behind a proxy that serves other things too, the paths begin with its prefix
            servers = [server | {"url": f"/{prefix}"} for server in self._document["servers"]]
            text = orjson.dumps(self._document | {"servers": servers})
        return Response(text, content_type="application/json")

    def _register_error_handlers(self):
        """None: one table has them all."""

    def _register_responses(self):
        for name, header in HEADERS.items():
            self.spec.components.header(name, header)
        for status, (name, description) in ERRORS.items():
            headers = {REQUEST_ID: REQUEST_ID} | ({"Retry-After": "Retry-After"} if status == 503 else {})
            content = {PROBLEM: {"schema": Problem, "example": examples.PROBLEMS[status]}}
            self.spec.components.response(name, {"description": description, "headers": headers, "content": content}, lazy=True)

    def _register_etag_headers(self):
        """None: no route has one."""

    def _register_pagination_header(self):
        """None: no route has one."""

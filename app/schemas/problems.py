"""Problems: how errors are answered (RFC 9457), with an example for each status."""

from app.schemas import fields
from app.schemas.base import Answer


class ErrorItem(Answer):
    """One thing that is wrong with a request."""

    loc = fields.List(
        fields.Raw(metadata={"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        "The path to the field, from `body`, `path` or `query` on: names of members, places in lists.",
        required=True,
        example=["body", "name"],
    )
    msg = fields.String("What is wrong, and what is allowed.", required=True)
    type = fields.String("Which kind of wrong it is, such as `missing`, `null`, `unknown_field` or `invalid`.", required=True)


class Problem(Answer):
    """A problem (RFC 9457)."""

    type = fields.String("Always `about:blank`: the status says which problem it is.", required=True, example="about:blank")
    title = fields.String("The name of the status.", required=True, example="Not Found")
    status = fields.Integer("The status of the answer.", min=400, max=599, required=True, example=404)
    detail = fields.String("What is wrong, for people.", required=True, example="Deployment not found")
    errors = fields.List(fields.Nested(ErrorItem), "With 422: everything that is wrong.")


def _example(status, title, detail, **more):
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}


_BY_STATUS = (
    _example(400, "Bad Request", "The header X-PREFECT-API-VERSION must have the form x.y.z, such as 0.6.0."),
    _example(
        401,
        "Unauthorized",
        "An API key is needed: Authorization: Bearer KEY. Whoever runs the server makes one with `mintaka keys create`",
    ),
    _example(403, "Forbidden", "Requests from pages of another origin are refused; MINTAKA_ALLOWED_ORIGINS lists those that are let in."),
    _example(404, "Not Found", "Deployment not found"),
    _example(409, "Conflict", "The request refers to something that does not exist."),
    _example(413, "Content Too Large", "The body is too large."),
    _example(414, "Request-URI Too Long", "The path with its query is too long."),
    _example(415, "Unsupported Media Type", "Send the body as JSON, with Content-Type: application/json."),
    _example(
        421, "Misdirected Request", "This host is not the server's; MINTAKA_ALLOWED_HOSTS lists those that are, besides its addresses."
    ),
    _example(
        422,
        "Unprocessable Content",
        "name: This field is required.",
        errors=[{"loc": ["body", "name"], "msg": "This field is required.", "type": "missing"}],
    ),
    _example(429, "Too Many Requests", "Too many wrong API keys came from this address. Try again in 45 s"),
    _example(503, "Service Unavailable", "Try again later: no connection to the database can be made"),
)
EXAMPLES = {example["status"]: example for example in _BY_STATUS}

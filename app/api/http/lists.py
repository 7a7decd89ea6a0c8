"""Lists that are read page by page: what a request may ask for, and the link to the next page."""

from functools import wraps

from flask import request

from app.api.http.problems import Invalid, item
from app.api.http.transaction import parts
from app.errors import InvalidField

LINK = {
    "Link": {
        "description": 'Where there are more: `<...?cursor=...>; rel="next"` (RFC 8288). Send the same body there for the next page.',
        "schema": {"type": "string"},
    }
}


def check_part(view):
    """Decorate a view of a list: give it the body with the `cursor` that counts, which is that of the query string where it has one."""

    @wraps(view)
    def checked(query, body):
        bounds = parts().settings.bounds
        body["cursor_in"] = "body" if query["cursor"] is None else "query"
        body["cursor"] = body["cursor"] if query["cursor"] is None else query["cursor"]
        if body["cursor"] is None and body["limit"] > bounds.page_size:
            raise InvalidField("limit", f"Must be from 0 to {bounds.page_size}, or to {bounds.cursor_page_size} with a cursor.")
        if body["cursor"] is not None and body["offset"]:
            raise InvalidField("offset", "Must be 0 with a cursor.")
        return view(body)

    return checked


def list_page(repository, body, sort=None):
    """Return what a view of a list answers: the rows of a repository that `body` asks for, and a Link to the next page."""
    try:
        found, cursor = repository.page(body, body["limit"], body["offset"], sort, body["cursor"])
    except InvalidField as error:
        raise Invalid([item((body["cursor_in"], error.field), error.reason)]) from None
    # relative, so that it holds behind whatever proxy the request came through
    return found, 200, {"Link": f'<{request.root_path}{request.path}?cursor={cursor}>; rel="next"'} if cursor else {}

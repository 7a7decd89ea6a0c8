"""Pages for people with a browser: the front page, and problems that can be read. They load nothing from elsewhere, and run no script."""

from urllib.parse import quote

from flask import Blueprint, Response, current_app, g, render_template, request, url_for
from werkzeug.exceptions import HTTPException

from app.api.http import swagger_ui
from app.api.http.transaction import json_response

HTML, JSON = "text/html", ("application/json", "application/problem+json")

# They have no forms and no scripts, so that the browser may refuse all of them
POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

blueprint = Blueprint("pages", __name__, template_folder="templates")


def prefers_html():
    """Return whether the request's Accept header (RFC 9110) likes HTML better than JSON, as those of browsers do."""
    accepted = request.accept_mimetypes
    return accepted[HTML] > max(accepted[kind] for kind in JSON)


def page(template, status=200, headers=None, **facts):
    """Return the answer for a page that `template` shows."""
    response = Response(render_template(template, **facts), status, headers, content_type=f"{HTML}; charset=utf-8")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def problem_page(members, headers=None):
    """Return a page that shows the members of a problem, with links to what the path takes."""
    facts = {"problem": members, "operations": list(_operations()), "request_id": g.get("request_id")}
    return page("problem.html", members["status"], headers, **facts)


def _operations():
    """Yield where Swagger UI shows the routes of the request's path: the one that was asked for, or those of the methods it takes."""
    methods = [request.method] if request.url_rule else METHODS
    urls = current_app.url_map.bind_to_environ(request.environ)
    for method in methods:
        try:
            rule, _ = urls.match(method=method, return_rule=True)
        except HTTPException:
            continue
        view = current_app.view_functions[rule.endpoint]
        tag, _, name = rule.endpoint.rpartition(".")
        # what flask-smorest documents has the summary in its docstring
        if hasattr(view, "_apidoc"):
            link = f"{url_for('api-docs.openapi_swagger_ui')}#/{quote(tag)}/{name}"
            path = rule.rule.replace("<id:", "{").replace("<", "{").replace(">", "}")
            yield {"method": method, "path": path, "link": link, "summary": (view.__doc__ or "").partition("\n")[0].rstrip(".")}


@blueprint.get("/")
@blueprint.get("/api")
def front_page():
    """Say what this server is, to people as a page and to programs as JSON."""
    links = {
        "swagger_ui": url_for("api-docs.openapi_swagger_ui"),
        "api_document": url_for("api-docs.openapi_json"),
        "health": url_for("Root.health"),
        "ready": url_for("Root.ready"),
    }
    about = {"title": current_app.config["API_TITLE"], "version": current_app.config["API_VERSION"], "links": links}
    if prefers_html():
        response = page("front_page.html", about=about, api=f"{request.url_root}api/")
    else:
        response = json_response(about)
    response.vary.add("Accept")
    return response


@blueprint.get("/favicon.ico")
def favicon():
    """Answer the icon that browsers ask for beside any address."""
    return swagger_ui.page.send_static_file("favicon.png")


# links to these may carry anything
front_page.reads_query = favicon.reads_query = True

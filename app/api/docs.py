"""Swagger UI at /api/docs. Everything it loads comes from this server: the flask-swagger-ui package, and the page beside this module."""

from pathlib import Path

import flask_swagger_ui
from flask import Blueprint, abort, send_from_directory

PAGE = Path(__file__).with_name("swagger_ui")
PACKAGE = Path(flask_swagger_ui.__file__).with_name("dist")
FOLDERS = {
    "index.html": PAGE,
    "page.js": PAGE,
    "index.css": PACKAGE,
    "swagger-ui.css": PACKAGE,
    "swagger-ui-bundle.js": PACKAGE,
    "favicon-32x32.png": PACKAGE,
}
# The browser itself refuses whatever would leave the server; Swagger UI writes styles and data: images into its page
POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "style-src 'self' 'unsafe-inline'",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

blueprint = Blueprint("docs", __name__, url_prefix="/api/docs")


@blueprint.get("/", defaults={"name": "index.html"}, strict_slashes=True)  # what the page loads is named from there on
@blueprint.get("/<name>")
def show(name):
    """A file of the page."""
    if name not in FOLDERS:
        abort(404)
    response = send_from_directory(FOLDERS[name], name)
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response

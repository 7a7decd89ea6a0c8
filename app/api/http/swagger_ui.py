"""Swagger UI at /api/docs, by flask-smorest's own settings, with a template of ours. Everything it loads comes from this server."""

from pathlib import Path

import flask_swagger_ui
from flask import Blueprint

# flask-smorest's settings, of which each is one of the application
SETTINGS = {
    "OPENAPI_URL_PREFIX": "/api",
    "OPENAPI_JSON_PATH": "openapi.json",
    "OPENAPI_SWAGGER_UI_PATH": "/docs/",
    # relative, so that a prefix of a proxy stays
    "OPENAPI_SWAGGER_UI_URL": "assets/",
    "OPENAPI_SWAGGER_UI_CONFIG": {
        "tryItOutEnabled": True,
        "deepLinking": True,
        "displayRequestDuration": True,
        "defaultModelsExpandDepth": 0,
        # the default sends the document to a validator on the internet
        "validatorUrl": None,
    },
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

# Of two blueprints with a template of one name the one that was registered first wins: register this one before flask-smorest's
page = Blueprint(
    "swagger-ui", __name__, url_prefix="/api/docs", template_folder="templates", static_folder="static", static_url_path="/static"
)
assets = Blueprint(
    "swagger-ui-assets",
    __name__,
    url_prefix="/api/docs",
    static_folder=Path(flask_swagger_ui.__file__).with_name("dist"),
    static_url_path="/assets",
)


def protect(response):
    """Tell the browser what the page of Swagger UI may load, and pass `response` on."""
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


page.after_request(protect)
assets.after_request(protect)

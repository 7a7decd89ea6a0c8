"""The REST API: blueprints, error handling, the API document and Swagger UI."""

from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from app.api import (
    admin,
    audit,
    backfills,
    block_documents,
    block_schemas,
    block_types,
    concurrency_limits,
    deployment_schedules,
    deployments,
    explanations,
    flow_run_states,
    flow_runs,
    flows,
    hooks,
    logs,
    metrics,
    policies,
    root,
    saved_searches,
    task_run_states,
    task_runs,
    work_queues,
)
from app.api.http import guards, pages, parsing, problems, swagger_ui
from app.api.http.openapi import Api
from app.schemas.context import LoadContext

BLUEPRINTS = (
    flows.blueprint,
    deployments.blueprint,
    deployment_schedules.blueprint,
    policies.blueprint,
    explanations.blueprint,
    backfills.blueprint,
    flow_runs.blueprint,
    task_runs.blueprint,
    flow_run_states.blueprint,
    task_run_states.blueprint,
    concurrency_limits.blueprint,
    work_queues.blueprint,
    logs.blueprint,
    saved_searches.blueprint,
    block_types.blueprint,
    block_schemas.blueprint,
    block_documents.blueprint,
    root.blueprint,
    audit.blueprint,
    admin.blueprint,
)

# How long a browser may remember what another origin is allowed
PREFLIGHT_SECONDS = 600

DESCRIPTION = """
A deployments and scheduling server for data teams, speaking the API of Prefect Orion as it stood in the 2.0 betas.

**To begin:** create a flow (`POST /api/flows/`), then a deployment of it with a schedule (`POST /api/deployments/`), and look at its next
runs (`POST /api/flow_runs/filter`). In Swagger UI each example works as it is when you press *Execute*: an id of zeros stands for the flow,
deployment, flow run, task run or block that this browser tab made last, and is filled in as the request leaves; *Curl* shows what was sent.

**Values:** instants are ISO 8601 with an offset (without one, UTC is meant) in the years 1970 to 2200, and are answered in UTC. Durations
are numbers of seconds. A field or a query parameter that is not known is refused. The body of a list or count route may be left out.

**Errors** are problems (RFC 9457, `application/problem+json`). A failure of the server itself is one too, with status 500; its
log has the reason under the answer's `X-Request-ID`.
"""


def init_app(app, version):
    """Add the API to `app`. `version` is Mintaka's own."""
    ours = app.extensions["mintaka"]
    settings = ours.settings
    if proxies := settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies, x_port=proxies, x_prefix=proxies)
    # two slashes in a row are not one, and no reason to send a client elsewhere
    app.url_map.merge_slashes = False
    app.url_map.converters |= {"id": parsing.IdConverter, "slug": parsing.SlugConverter, "default": parsing.TextConverter}
    app.config |= {"API_TITLE": "Mintaka", "API_VERSION": version, "OPENAPI_VERSION": "3.1.0"} | swagger_ui.SETTINGS
    if settings.allowed_origins:
        # without these headers a browser keeps from the page what it was let in for, and asks in vain before it sends JSON
        options = {"expose_headers": guards.ANSWER_HEADERS, "max_age": PREFLIGHT_SECONDS}
        CORS(app, resources="/api/*", origins=settings.allowed_origins, **options)
    hooks.install(app)
    app.register_blueprint(swagger_ui.page)
    app.register_blueprint(swagger_ui.assets)
    api = Api(app, {"info": {"description": DESCRIPTION.strip()}, "servers": [{"url": "/", "description": "This server"}]})
    # of the handlers of one error the last one stays: flask-smorest has one too
    problems.register(app)
    # a slash more or less at the end of a path means the same, without the detour of a redirect; but what the page of Swagger UI loads is
    # named from /api/docs/ on
    app.url_map.strict_slashes = False
    app.register_blueprint(pages.blueprint)
    app.register_blueprint(metrics.blueprint)
    load_context = LoadContext.of(ours)
    app.extensions[parsing.LOAD_CONTEXT] = load_context
    api.register_blueprints(app, BLUEPRINTS, load_context)

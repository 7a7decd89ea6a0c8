"""The REST API: blueprints, error handling, the API document and Swagger UI."""

from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from app.api import (
    admin,
    block_documents,
    block_schemas,
    block_types,
    concurrency_limits,
    deployments,
    docs,
    flow_runs,
    flows,
    logs,
    problems,
    requests,
    root,
    run_states,
    saved_searches,
    task_runs,
    work_queues,
)
from app.api.document import Api
from app.api.logging import log_requests
from app.schemas.answers import ScheduleReport

BLUEPRINTS = (
    flows.blueprint,
    deployments.blueprint,
    flow_runs.blueprint,
    task_runs.blueprint,
    run_states.flow_run_states,
    run_states.task_run_states,
    concurrency_limits.blueprint,
    work_queues.blueprint,
    logs.blueprint,
    saved_searches.blueprint,
    block_types.blueprint,
    block_schemas.blueprint,
    block_documents.blueprint,
    root.blueprint,
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
are numbers of seconds. A field that is not known is refused. The body of a list or count route may be left out.

**Errors** are problem documents (RFC 9457, `application/problem+json`). A failure of the server itself is one too, with status 500; its
log has the reason under the answer's `X-Request-ID`.
"""


def init_app(app, version):
    """Add the API to `app`. `version` is Mintaka's own."""
    # a slash more or less at the end of a path means the same, without the detour of a redirect
    app.url_map.strict_slashes = False
    # two slashes in a row are not one, and no reason to send a client elsewhere
    app.url_map.merge_slashes = False
    app.url_map.converters |= {"id": requests.IdConverter, "default": requests.TextConverter}
    app.config |= {
        "API_TITLE": "Mintaka",
        "API_VERSION": version,
        "OPENAPI_VERSION": "3.1.0",
        "OPENAPI_URL_PREFIX": "/api",
        "OPENAPI_JSON_PATH": "openapi.json",
    }
    settings = app.extensions["mintaka"].settings
    if proxies := settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies, x_port=proxies, x_prefix=proxies)
    if settings.allowed_origins:
        # without these headers a browser keeps from the page what it was let in for, and asks in vain before it sends JSON
        CORS(app, resources="/api/*", origins=settings.allowed_origins, expose_headers=requests.ANSWER_HEADERS, max_age=PREFLIGHT_SECONDS)
    app.before_request(requests.check)
    app.after_request(requests.read_the_rest)
    log_requests(app)
    problems.register(app)
    about = {"info": {"description": DESCRIPTION.strip()}, "servers": [{"url": "/", "description": "This server"}]}
    api = Api(app, spec_kwargs=about)
    api.register_converter(requests.IdConverter, lambda converter: {"type": "string", "format": "uuid"})
    api.spec.components.schema("ScheduleReport", schema=ScheduleReport)
    api.register_blueprints(BLUEPRINTS, settings.bounds)
    app.register_blueprint(docs.blueprint)

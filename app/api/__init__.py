"""The REST API: blueprints, error handling, the API document and Swagger UI."""

from flask_swagger_ui import get_swaggerui_blueprint

from app.api import deployments, flow_runs, flows, problems, requests, root, task_runs
from app.api.blueprint import Api
from app.api.logging import log_requests
from app.schemas.answers import ScheduleReport

BLUEPRINTS = (
    flows.blueprint,
    deployments.blueprint,
    flow_runs.blueprint,
    task_runs.blueprint,
    root.blueprint,
    root.admin,
)

DESCRIPTION = """
A deployments and scheduling server for data teams, speaking the deployments API of Prefect Orion 2.0.

Begin with **POST /api/flows/**, copy the `id` of the answer into the `flow_id` of **POST /api/deployments/**, and look at the runs with
**POST /api/flow_runs/filter**. Instants are ISO 8601 with an offset, durations are seconds. Errors are problem documents (RFC 9457).
"""


def init_app(app, version):
    """Add the API to `app`. `version` is Mintaka's own."""
    app.url_map.converters["id"] = requests.IdConverter
    app.config |= {
        "API_TITLE": "Mintaka",
        "API_VERSION": version,
        "OPENAPI_VERSION": "3.0.3",
        "OPENAPI_URL_PREFIX": "/api",
        "OPENAPI_JSON_PATH": "openapi.json",
    }
    app.before_request(requests.check)
    log_requests(app)
    problems.register(app)
    api = Api(app, spec_kwargs={"info": {"description": DESCRIPTION.strip()}})
    api.register_converter(requests.IdConverter, lambda converter: {"type": "string", "format": "uuid"})
    api.spec.components.schema("ScheduleReport", schema=ScheduleReport)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
    app.register_blueprint(get_swaggerui_blueprint("/api/docs", "/api/openapi.json", config={"app_name": "Mintaka"}))

"""The API document: valid, complete, and with examples that the server's own schemas accept."""

import pytest
from openapi_spec_validator import validate

from app import create_app
from app.api import BLUEPRINTS
from app.config import Settings
from app.schemas import examples

METHODS = {"get", "post", "patch", "put", "delete"}


@pytest.fixture(scope="module")
def app():
    """An application whose database is never asked, with every route switched on."""
    return create_app(Settings(database_url="sqlite:////nowhere/mintaka.db", admin_database_routes=True))


@pytest.fixture(scope="module")
def document(app):
    return app.test_client().get("/api/openapi.json").json


@pytest.fixture(scope="module")
def operations(document):
    """(path, method, operation) of every operation."""
    return [(path, method, item[method]) for path, item in document["paths"].items() for method in METHODS & set(item)]


def test_the_document_is_valid(document):
    validate(document)


def test_every_route_is_documented_and_nothing_else(app, operations):
    names = {blueprint.name for blueprint in BLUEPRINTS}
    routed = {
        (method.lower(), rule.rule.replace("<id:id>", "{id}").replace("<", "{").replace(">", "}"))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.endpoint.split(".")[0] in names
    }
    assert {(method, path) for path, method, _ in operations} == routed


def test_every_operation_has_a_summary_a_description_an_id_and_documented_errors(operations):
    ids = [operation["operationId"] for _, _, operation in operations]
    assert len(set(ids)) == len(ids)
    for path, method, operation in operations:
        assert operation["summary"], (path, method)
        assert operation["description"], (path, method)
        assert "400" in operation["responses"], (path, method)
        if "{id}" in path:
            assert {"404", "422"} <= set(operation["responses"]), (path, method)


def test_every_body_has_an_example_that_the_schemas_accept(app, operations):
    bodies = [(path, method, operation["requestBody"]) for path, method, operation in operations if "requestBody" in operation]
    assert len(bodies) > 10
    client = app.test_client()
    for path, method, body in bodies:
        media = body["content"]["application/json"]
        examples = [example["value"] for example in media["examples"].values()] if "examples" in media else [media["example"]]
        assert examples
        for example in examples:
            # a body that is accepted goes on to the database, which cannot be reached; one that is not is 422 before that
            response = client.open(path.replace("{id}", "00000000-0000-0000-0000-000000000000"), method=method, json=example)
            assert response.status_code == 503, (path, response.text)


@pytest.mark.parametrize(
    "status, request_",
    [
        (400, {"headers": {"X-PREFECT-API-VERSION": "x"}, "json": {}}),
        (403, {"headers": {"Origin": "https://elsewhere.example"}, "json": {}}),
        (413, {"environ_overrides": {"CONTENT_LENGTH": str(2**30)}, "content_type": "application/json"}),
        (415, {"data": {"name": "etl"}}),
        (421, {"headers": {"Host": "elsewhere.example"}, "json": {}}),
        (422, {"json": {}}),
        (503, {"json": {"name": "etl"}}),
    ],
)
def test_the_example_of_an_error_is_what_the_server_answers(app, status, request_):
    response = app.test_client().post("/api/flows/", **request_)
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    assert response.json == examples.PROBLEMS[status]


def test_request_bodies_allow_no_unknown_members(document):
    requests = {
        schema["$ref"].rsplit("/", 1)[1]
        for item in document["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict) and "requestBody" in operation
        for schema in _alternatives(operation["requestBody"]["content"]["application/json"]["schema"])
    }
    assert requests
    for name in requests:
        assert document["components"]["schemas"][name]["additionalProperties"] is False, name


def test_the_bounds_of_the_document_are_those_of_the_settings():
    app = create_app(Settings(database_url="sqlite:////nowhere/mintaka.db", page_size=7, max_tags=3))
    schemas = app.test_client().get("/api/openapi.json").json["components"]["schemas"]
    assert schemas["FlowCreate"]["properties"]["tags"]["maxItems"] == 3
    assert schemas["FlowPage"]["properties"]["limit"]["maximum"] == 7


def _alternatives(schema):
    return [alternative for alternative in schema.get("anyOf", [schema]) if "$ref" in alternative]

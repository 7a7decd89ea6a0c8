"""The API document: valid, complete, and with examples that the server's own schemas accept."""

import re
from datetime import timedelta

import pytest
from openapi_spec_validator import validate

from app import create_app
from app.api import BLUEPRINTS
from app.config import Settings
from app.domain.schedules import MEMBERS
from app.domain.states import StateType
from app.repositories.flow_runs import FlowRuns
from app.repositories.flows import Flows
from app.repositories.logs import Logs
from app.repositories.task_runs import TaskRuns
from app.schemas.base import ANY_ID
from app.schemas.flows import FlowSort
from app.schemas.logs import LogSort
from app.schemas.problems import EXAMPLES
from app.schemas.runs import FlowRunSort, TaskRunSort
from app.schemas.schedules import Schedule
from app.schemas.states import SetStateStatus
from tests.answers import Answers
from tests.api.asking import problem

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
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
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
    bodies = [(path, method, operation) for path, method, operation in operations if "requestBody" in operation]
    assert len(bodies) > 10
    client = app.test_client()
    for path, method, operation in bodies:
        media = operation["requestBody"]["content"]["application/json"]
        examples = [example["value"] for example in media["examples"].values()] if "examples" in media else [media["example"]]
        assert examples
        for example in examples:
            # a body that is accepted goes on to the database, which cannot be reached; one that is not is 422 before that
            response = client.open(path.replace("{id}", ANY_ID).replace("{slug}", "default"), method=method, json=example)
            assert response.status_code in (200, 503), (path, response.text)


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
    assert response.json == EXAMPLES[status]


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
    app = create_app(Settings(database_url="sqlite:////nowhere/mintaka.db", page_size=7, max_tags=3, min_interval_seconds=0.5))
    schemas = app.test_client().get("/api/openapi.json").json["components"]["schemas"]
    assert schemas["FlowCreate"]["properties"]["tags"]["maxItems"] == 3
    assert schemas["Part"]["properties"]["limit"]["maximum"] == 7
    # with a cursor
    assert schemas["FlowPage"]["properties"]["limit"]["maximum"] == 1000
    assert schemas["IntervalSchedule"]["properties"]["interval"]["minimum"] == 0.5


def test_the_defaults_in_the_document_are_those_of_the_settings():
    settings = Settings(database_url="sqlite:////nowhere/mintaka.db", scheduler_max_runs=7, scheduler_max_scheduled_time=timedelta(days=2))
    schemas = create_app(settings).test_client().get("/api/openapi.json").json["components"]["schemas"]
    window = schemas["ScheduleRuns"]["properties"]
    assert "2 days after the start if not given" in window["end_time"]["description"]
    assert "7 if not given" in window["max_runs"]["description"]


def test_every_property_and_every_component_has_a_description(document):
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"], name
        for member, property_ in schema.get("properties", {}).items():
            assert property_.get("description"), (name, member)


def test_every_success_answer_has_an_example_that_its_schema_allows(app, operations):
    answers = Answers(app)
    for path, method, operation in operations:
        for status, answer in operation["responses"].items():
            validator = answers.validator(path, method, status) if status < "300" else None
            if validator is None:
                continue
            media = answer["content"]["application/json"]
            shown = [example["value"] for example in media["examples"].values()] if "examples" in media else [media["example"]]
            for example in shown:
                assert list(validator.iter_errors(example)) == [], (path, method, status)
            assert not validator.is_valid({"surprise": 1}) or media["schema"].get("additionalProperties") == {}, (path, method)


def test_an_answer_with_a_member_that_its_schema_lacks_is_found(app, document):
    # what every test of the API that asks anything relies on
    example = document["paths"]["/api/flows/{id}"]["get"]["responses"]["200"]["content"]["application/json"]["example"]
    validator = Answers(app).validator("/api/flows/{id}", "GET", 200)
    assert validator.is_valid(example)
    assert not validator.is_valid(example | {"new_column": None})
    assert not validator.is_valid({name: value for name, value in example.items() if name != "tags"})


def test_enums_are_components_with_the_names_of_their_classes(document):
    schemas = document["components"]["schemas"]
    for enum in (StateType, SetStateStatus, FlowSort, FlowRunSort, TaskRunSort, LogSort):
        assert schemas[enum.__name__]["enum"] == list(enum)
    for name, schema in schemas.items():
        for member, property_ in schema.get("properties", {}).items():
            for described in (property_, property_.get("items", {})):
                # one that has a single value says which of several schemas it is
                assert len(described.get("enum", [None])) == 1, (name, member)


@pytest.mark.parametrize(("enum", "repository"), [(FlowSort, Flows), (FlowRunSort, FlowRuns), (TaskRunSort, TaskRuns), (LogSort, Logs)])
def test_the_orders_of_a_list_are_those_that_its_repository_knows(enum, repository):
    assert list(enum) == list(repository.sorts)


def test_every_kind_of_schedule_is_in_the_document_with_all_its_members(document):
    schemas = document["components"]["schemas"]
    kinds = {kind: schema.__name__ for kind, schema in Schedule.one_of.items()}
    assert {option["$ref"].rsplit("/", 1)[1] for option in schemas["Schedule"]["oneOf"]} == set(kinds.values())
    documented = {kind: set(schemas[name]["properties"]) for kind, name in kinds.items()}
    assert documented == {kind: set(members) for kind, (_, members) in MEMBERS.items()}
    for kind, name in kinds.items():
        assert kind in schemas[name]["required"]


def test_every_whole_number_of_a_body_is_one_that_a_database_holds(document):
    bodies = {
        name for name, schema in document["components"]["schemas"].items() if name.endswith(("Create", "Update", "Page", "Runs", "Put"))
    }
    found = 0
    for name in bodies:
        for member, property_ in document["components"]["schemas"][name]["properties"].items():
            if "integer" in property_.get("type", ()):
                found += 1
                assert property_["maximum"] < 2**63, (name, member)
                assert property_["minimum"] >= -(2**31), (name, member)
    assert found > 10


def test_a_query_parameter_that_is_not_known_is_refused_by_every_route(app, operations):
    client = app.test_client()
    for path, method, operation in operations:
        address = path.replace("{id}", ANY_ID).replace("{", "").replace("}", "")
        queried = (parameter for parameter in operation.get("parameters", ()) if parameter["in"] == "query")
        known = {parameter["name"]: parameter["schema"].get("enum", [ANY_ID])[0] for parameter in queried}
        body = {"json": {}} if "requestBody" in operation else {}
        refused = problem(client.open(address, method=method, query_string=known | {"surprise": "1"}, **body), 422)
        assert refused["errors"] == [{"loc": ["query", "surprise"], "msg": "This field is not known.", "type": "unknown_field"}], path


def _alternatives(schema):
    return [alternative for alternative in schema.get("anyOf", [schema]) if "$ref" in alternative]


def test_every_operation_that_takes_a_scope_says_so(operations):
    for path, method, operation in operations:
        answers = {"401", "403", "429"} & set(operation["responses"])
        if path in ("/api/health", "/api/ready"):
            assert "security" not in operation
            assert "Needs no key." in operation["description"]
        else:
            # this server listens on loopback, and asks nobody
            assert operation["security"] == [{}, {"key": []}], (path, method)
            assert "\n\nScope: " in operation["description"], (path, method)
            assert len(answers) == 3, (path, method)


def test_a_server_that_asks_for_keys_says_so():
    app = create_app(Settings(database_url="sqlite:////nowhere/mintaka.db", auth="on"))
    document = app.test_client().get("/api/openapi.json").json
    validate(document)
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    read = document["paths"]["/api/flow_runs/{id}"]["get"]
    assert read["security"] == [{"key": []}]
    assert read["description"].endswith("Scope: `runs:read`, `worker` or `admin`.")
    assert document["paths"]["/api/hello"]["get"]["description"].endswith("Scope: any.")
    assert document["paths"]["/api/admin/version"]["get"]["description"].endswith("Scope: `admin`.")

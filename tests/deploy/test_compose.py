"""The compose file, against the published schema and the settings."""

import json
from datetime import timedelta
from importlib.resources import files as package_files

import jsonschema
import pytest
from sqlalchemy import make_url

from tests.conftest import ENCRYPTION_KEY
from tests.deploy import files

VARIABLES = {"POSTGRES_PASSWORD": "c0ffee", "MINTAKA_ENCRYPTION_KEYS": ENCRYPTION_KEY}
OURS = ("migrate", "web", "scheduler")


@pytest.fixture
def services():
    return files.compose(**VARIABLES)["services"]


def seconds(text):
    return int(text.removesuffix("s"))


def test_the_file_is_as_the_compose_specification_has_it():
    schema = json.loads(package_files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text())
    jsonschema.validators.validator_for(schema)(schema).validate(files.compose(**VARIABLES))


def test_what_has_to_be_given_is_in_the_example_and_a_missing_one_is_said():
    asked = files.INTERPOLATION.findall(files.text("compose.yaml"))
    assert {name for name, operator, _ in asked if operator == "?"} == set(VARIABLES)
    assert all(reason for _, operator, reason in asked if operator == "?")
    assert set(files.assignments("compose.env.example")) == {name for name, _, _ in asked}
    assert files.text("compose.yaml").count("$") == len(asked)


@pytest.mark.parametrize("name", OURS)
def test_every_process_has_the_same_settings_and_they_reach_the_database(services, name):
    assert services[name]["environment"] == services["web"]["environment"]
    settings = files.settings_from(services[name]["environment"])
    assert settings.encryption_keys == (ENCRYPTION_KEY,)
    url, database = make_url(settings.database_url), services["db"]["environment"]
    found = (url.host, url.username, url.password, url.database)
    assert found == ("db", database["POSTGRES_USER"], database["POSTGRES_PASSWORD"], database["POSTGRES_DB"])


@pytest.mark.parametrize("name", OURS)
def test_every_process_is_confined(services, name):
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert not service.get("volumes")


def test_nothing_but_the_web_server_is_reached_and_that_only_from_this_machine(services):
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) == {"web"}
    assert all(port.startswith("127.0.0.1:") for port in published["web"])
    networks = files.compose(**VARIABLES)["networks"]
    assert networks["backend"]["internal"] is True
    assert {name: service["networks"] for name, service in services.items() if name != "web"} == {
        name: ["backend"] for name in services if name != "web"
    }


def test_what_serves_and_schedules_waits_for_the_migration_and_that_for_the_database(services):
    assert services["migrate"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    assert "healthcheck" in services["db"]
    # a migration that compose started again after it succeeded would never be completed
    assert services["migrate"]["restart"] == "no"
    for name in ("web", "scheduler"):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


def test_requests_in_flight_are_given_the_time_that_the_settings_give_them(services):
    for name in OURS:
        graceful = timedelta(seconds=files.settings_from(services[name]["environment"]).graceful_timeout)
        assert timedelta(seconds=seconds(services[name]["stop_grace_period"])) > graceful

"""What `mintaka export` prints makes an equal server of an empty one, and the schema of files says what `apply` takes."""

import json
import shutil
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import create_app
from app.cli.yaml_text import Reader, write
from app.config import Settings
from app.schemas.files import File
from tests.cli.results import done
from tests.file_schema import PUBLISHED, made
from tests.unit.domain.schedules.strategies import zones

NOW = datetime(2026, 6, 1, tzinfo=UTC)
OF_THE_ROW = ("id", "created", "updated", "flow_id", "deployment_id", "since")

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        "yes",
        "null",
        "~",
        "1",
        "-1.5",
        "1e3",
        "0o14",
        "12:30",
        "2026-12-25",
        "<<",
        "=",
        " a ",
        "a: b",
        "# a",
        "'",
        '"',
        "a\nb\n",
        "\t",
        "é",
        "😀",
        "",
    ]
)
numbers = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0.5, 1.0, -2.25, 1e-7, 123456.789])
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(texts, below, max_size=3),
    max_leaves=6,
)
names = st.text(st.characters(exclude_characters="\0/%&><", exclude_categories=["Cs"]), min_size=1, max_size=12)
tags = st.lists(texts, max_size=3)
objects = st.dictionaries(texts, values, max_size=3)


def optional(**members):
    return st.fixed_dictionaries({}, optional=members)


documents = st.one_of(
    st.fixed_dictionaries({"interval": st.integers(60, 10**6), "timezone": zones}),
    st.fixed_dictionaries({"interval": st.integers(60, 10**6), "anchor_date": st.just("2026-01-01T00:00:00+02:00")}),
    st.fixed_dictionaries(
        {"cron": st.sampled_from(["0 9 * * 1-5", "*/20 * * * *", "@daily", "0 0 1 * fri"])}, optional={"timezone": zones}
    ),
    st.fixed_dictionaries({"cron": st.just("0 0 13 * fri"), "day_or": st.booleans()}),
    st.fixed_dictionaries({"rrule": st.just("FREQ=MONTHLY;BYDAY=-1FR"), "timezone": zones}),
)
shapes = optional(
    is_active=st.booleans(),
    starts_at=st.just("2026-01-01T00:00:00+00:00"),
    ends_at=st.just("2027-01-01T00:00:00+01:00"),
    exclude=st.lists(
        st.sampled_from(["2026-12-25", {"cron": "* 12 * * *"}, {"start": "2026-07-01T00:00:00Z", "end": "2026-07-02T00:00:00Z"}])
    ),
    jitter_seconds=st.integers(0, 86_400),
    gap=st.sampled_from(["later", "skip"]),
    fold=st.sampled_from(["first", "second", "both"]),
    parameters=objects,
    max_scheduled_runs=st.integers(1, 3),
)
schedules = st.builds(lambda document, shape: {"max_scheduled_runs": 2, **shape, "schedule": document}, documents, shapes)
policies = optional(
    concurrency_limit=st.none() | st.integers(1, 5),
    overlap=st.sampled_from(["buffer_all", "buffer_one", "skip", "cancel_other"]),
    catchup_window_seconds=st.none() | st.integers(1, 10**6),
    pause_after_failures=st.none() | st.integers(1, 9),
)
deployments = st.builds(
    lambda required, others, slugs: required | others | {"schedules": [one | {"slug": slug} for slug, one in slugs.items()]},
    st.fixed_dictionaries({"flow_data": st.fixed_dictionaries({"encoding": texts, "blob": texts})}),
    optional(
        parameters=objects,
        tags=tags,
        is_schedule_active=st.booleans(),
        flow_runner=optional(type=texts, config=objects),
        policy=policies,
    ),
    st.dictionaries(st.sampled_from(["default", "a", "b-2"]), schedules, max_size=3),
)
servers = st.dictionaries(names, st.tuples(tags, st.dictionaries(names, deployments, max_size=2)), min_size=1, max_size=2)


@contextmanager
def application(url, clock):
    app = create_app(Settings(database_url=url), clock=clock)
    try:
        yield app
    finally:
        app.extensions["mintaka"].database.dispose()


def ask(client, method, path, body=None):
    answer = client.open(f"/api{path}", method=method, json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json


def fill(client, server, queue_filters=()):
    """Make what `server` describes through the API."""
    found = []
    for flow, (flow_tags, of_flow) in server.items():
        flow_id = ask(client, "POST", "/flows/", {"name": flow, "tags": flow_tags})["id"]
        for name, deployment in of_flow.items():
            body = {member: value for member, value in deployment.items() if member != "policy"}
            found.append(ask(client, "POST", "/deployments/", body | {"flow_id": flow_id, "name": name})["id"])
            ask(client, "PATCH", f"/deployments/{found[-1]}/policy", deployment.get("policy", {}))
    filter = {"deployment_ids": found, "tags": ["a"]}
    ask(client, "POST", "/work_queues/", {"name": "q", "filter": filter, "concurrency_limit": 3, "is_paused": True})
    ask(client, "POST", "/work_queues/", {"name": "all", "description": "every run"})
    ask(client, "POST", "/concurrency_limits/", {"tag": "warehouse", "concurrency_limit": 0})


def state_of(client):
    """All that the API says of a server but for what is a row's own, with names for ids."""
    flows = ask(client, "POST", "/flows/filter", {})
    flow_names = {flow["id"]: flow["name"] for flow in flows}
    deployments, by_id = {}, {}
    for found in ask(client, "POST", "/deployments/filter", {}):
        key = by_id[found["id"]] = (flow_names[found["flow_id"]], found["name"])
        below = [own(one) for one in ask(client, "GET", f"/deployments/{found['id']}/schedules")]
        about = [own(ask(client, "GET", f"/deployments/{found['id']}/{part}")) for part in ("pause", "policy")]
        deployments[key] = own(found), below, about
    queues = [own(queue) for queue in ask(client, "POST", "/work_queues/filter", {})]
    for queue in queues:
        wanted = queue["filter"]["deployment_ids"]
        queue["filter"] = queue["filter"] | {"deployment_ids": wanted and sorted(by_id[id] for id in wanted)}
    limits = [own(limit) for limit in ask(client, "POST", "/concurrency_limits/filter", {})]
    return sorted((flow["name"], flow["tags"]) for flow in flows), deployments, queues, limits


def own(document):
    """A document without what no other server's has: the jitter of a schedule goes by its deployment's id, and so does its next run."""
    jittered = document.get("jitter_seconds")
    return {name: value for name, value in document.items() if name not in OF_THE_ROW and not (jittered and name == "next_run")}


def copied(source, target, tmp_path):
    """Export `source`, apply that to `target`, and hold the two against each other."""
    path = tmp_path / "export.yaml"
    done(source.test_cli_runner().invoke(args=["export", "-o", str(path)]))
    done(target.test_cli_runner().invoke(args=["apply", "-f", str(path)]))
    assert in_order(own_json(state_of(target.test_client()))) == in_order(own_json(state_of(source.test_client())))
    again = done(target.test_cli_runner().invoke(args=["export"]))
    assert in_order(Reader(again, 64).value) == in_order(Reader(path.read_text(encoding="utf-8"), 64).value)
    assert "Nothing was changed" in done(source.test_cli_runner().invoke(args=["apply", "-f", str(path)]))
    jsonschema.validate(Reader(path.read_text(encoding="utf-8"), 64).value, SCHEMA)


def in_order(value):
    """A JSON value as text in which 1, 1.0 and true differ, and the order of members does not."""
    return json.dumps(value, sort_keys=True)


def own_json(state):
    """A state with lists where it has pairs for keys."""
    flows, deployments, queues, limits = state
    return [flows, [[key, deployments[key]] for key in sorted(deployments)], queues, limits]


SCHEMA = json.loads(PUBLISHED.read_text(encoding="utf-8"))
SEVERAL = {
    "etl": (
        ["team"],
        {"nightly": {"flow_data": {"encoding": "json", "blob": "1"}, "schedule": {"cron": "0 9 * * *"}, "parameters": {"a": 1.0}}},
    ),
    "yes": ([], {"12:30": {"flow_data": {"encoding": "x", "blob": "é\n"}, "is_schedule_active": False}}),
}


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large])
@given(server=servers)
def test_an_export_makes_an_equal_server(server, sqlite_template, tmp_path, clock):
    clock.stop_at(NOW)
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    urls = [f"sqlite:///{shutil.copy(sqlite_template, folder / name)}" for name in ("one.db", "two.db")]
    with application(urls[0], clock) as source, application(urls[1], clock) as target:
        fill(source.test_client(), server)
        copied(source, target, folder)


def test_an_export_goes_from_postgresql_to_sqlite_and_back(postgres_url, sqlite_url, tmp_path, clock):
    clock.stop_at(NOW)
    with application(postgres_url, clock) as source, application(sqlite_url, clock) as target:
        fill(source.test_client(), SEVERAL)
        copied(source, target, tmp_path)
        copied(target, source, tmp_path)


@given(values)
def test_what_is_written_as_yaml_is_read_as_the_same(value):
    assert json.dumps(Reader(write(value), 64).value) == json.dumps(value)


@given(st.recursive(texts, lambda below: st.lists(below, max_size=3) | st.dictionaries(texts, below, max_size=3), max_leaves=6))
def test_texts_that_are_written_are_texts_to_other_readers(value):
    assert yaml.safe_load(write(value)) == value


def test_the_published_schema_is_that_of_the_api():
    assert made() == SCHEMA


def test_the_example_meets_the_schema_and_is_taken():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(File.example, SCHEMA)
    assert File().load(File.example).deployments[0].names == ("etl", "nightly")


@pytest.mark.parametrize(
    "wrong",
    [
        {"flows": [{"tags": []}]},
        {"flows": [{"name": "a", "x": 1}]},
        {"deployments": [{"flow": "a", "name": "b", "schedule": {"cron": 5}}]},
        {"deployments": [{"flow": "a", "name": "b", "schedules": [{"slug": "A", "schedule": {"interval": 60}}]}]},
        {"work_queues": [{"name": "q", "is_paused": "yes"}]},
        {"concurrency_limits": [{"tag": "a", "concurrency_limit": -1}]},
    ],
)
def test_what_the_schema_refuses_is_refused(wrong):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)
    assert File().validate(wrong)

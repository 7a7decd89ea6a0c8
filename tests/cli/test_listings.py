"""`mintaka deployments ls`, `mintaka flows ls` and `mintaka runs ls`."""

import pytest

from app import create_app
from app.config import Settings
from tests.api.asking import ok
from tests.api.factories import make_deployment, make_flow, make_flow_run
from tests.cli.results import documents, done, failed, table
from tests.conftest import ApiClient


@pytest.fixture
def deployments(client):
    """Three deployments of two flows: an active one, a paused one, and one whose name is hostile."""
    etl, ml = make_flow(client, name="etl", tags=["team-a"]), make_flow(client, name="ml", tags=["team-a", "team-b"])
    cron = {"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin"}
    return [
        make_deployment(client, name="nightly", flow_id=etl["id"], schedule=cron, tags=["x", "y"], parameters={"big": 10**30}),
        make_deployment(client, name="paused", flow_id=etl["id"], schedule={"interval": 3600}, is_schedule_active=False, tags=["x"]),
        make_deployment(client, name="\x1b[31mred", flow_id=ml["id"]),
    ]


@pytest.mark.parametrize("limit", [[], ["--limit", "2", "--offset", "1"]], ids=["all", "page"])
def test_json_is_what_the_api_answers(run, client, deployments, limit):
    body = {"limit": 2, "offset": 1} if limit else {}
    for words, path in (("deployments", "deployments"), ("flows", "flows"), ("runs", "flow_runs")):
        if path != "flow_runs":
            # an estimate of a run moves with the clock
            assert done(run(words, "ls", *limit, "--output", "json")) == client.post(f"/{path}/filter", json=body).text + "\n"


def test_runs_as_json_are_what_the_api_answers_at_the_same_moment(run, client, clock, deployments):
    clock.stop_at(clock())
    assert done(run("runs", "ls", "--output", "json")) == client.post("/flow_runs/filter", json={}).text + "\n"


def test_deployments_are_a_table_of_names_activity_schedule_tags_and_id(run, deployments):
    nightly, paused, red = (one["id"] for one in deployments)
    assert table(run("deployments", "ls")) == [
        {"DEPLOYMENT": "ml/\\x1b[31mred", "ACTIVE": "yes", "SCHEDULE": "-", "TAGS": "-", "ID": red[-8:]},
        {"DEPLOYMENT": "etl/nightly", "ACTIVE": "yes", "SCHEDULE": "cron 0 9 * * 1-5 (Europe/Berlin)", "TAGS": "x, y", "ID": nightly[-8:]},
        {"DEPLOYMENT": "etl/paused", "ACTIVE": "no", "SCHEDULE": "interval 3600.0 s (UTC)", "TAGS": "x", "ID": paused[-8:]},
    ]


@pytest.mark.parametrize(
    "options, names",
    [
        ("--name NIGHT", ["nightly"]),
        ("--name %", []),
        ("--flow etl", ["nightly", "paused"]),
        ("--flow et", []),
        ("--tag x", ["nightly", "paused"]),
        ("--tag x --tag y", ["nightly"]),
        ("--active --flow etl", ["nightly"]),
        ("--inactive", ["paused"]),
        ("--flow etl --limit 1", ["nightly"]),
        ("--flow etl --limit 1 --offset 1", ["paused"]),
        ("--limit 0", []),
    ],
)
def test_deployments_can_be_filtered(run, deployments, options, names):
    assert [one["name"] for one in documents(run("deployments", "ls", *options.split(), "--output", "json"))] == names
    assert len(table(run("deployments", "ls", *options.split()))) == len(names)


@pytest.mark.parametrize(
    "options, names",
    [
        ("", ["etl", "ml"]),
        ("--name M", ["ml"]),
        ("--tag team-a --tag team-b", ["ml"]),
        ("--sort NAME_DESC", ["ml", "etl"]),
        ("--sort NAME_DESC --limit 1 --offset 1", ["etl"]),
    ],
)
def test_flows_can_be_filtered_and_sorted(run, deployments, options, names):
    assert [flow["NAME"] for flow in table(run("flows", "ls", *options.split()))] == names


@pytest.fixture
def runs(client):
    """Four runs, one of a deployment, in three states."""
    flow = make_flow(client, name="etl")
    deployment = make_deployment(client, name="nightly", flow_id=flow["id"])
    client.post(f"/deployments/{deployment['id']}/create_flow_run", json={"name": "made", "tags": ["t"]})
    for name, type, day in (("late", "SCHEDULED", "2022-01-01"), ("later", "SCHEDULED", "2022-01-02"), ("over", "COMPLETED", None)):
        details = {"state_details": {"scheduled_time": f"{day}T00:00:00+00:00"}} if day else {}
        make_flow_run(client, name=name, tags=["t", name], flow_id=flow["id"] if day else None, state={"type": type} | details)
    return deployment


@pytest.mark.parametrize(
    "options, names",
    [
        ("--sort NAME_ASC", ["late", "later", "made", "over"]),
        ("--sort NAME_DESC --limit 2", ["over", "made"]),
        ("--sort ID_DESC --offset 3", ["made"]),
        ("--state scheduled --sort NAME_ASC", ["late", "later"]),
        ("--state SCHEDULED --state COMPLETED --sort NAME_ASC", ["late", "later", "over"]),
        ("--tag t --tag late", ["late"]),
        ("--name ate --sort NAME_DESC", ["later", "late"]),
        ("--flow etl --sort NAME_ASC", ["late", "later", "made"]),
        ("--deployment etl/nightly", ["made"]),
        ("--after 2022-01-01T12:00 --before 2022-01-02", ["later"]),
        ("--before 2022-01-01T01:00:00+01:00", ["late"]),
    ],
)
def test_runs_can_be_filtered_and_sorted(run, runs, options, names):
    assert [one["NAME"] for one in table(run("runs", "ls", *options.split()))] == names


def test_runs_of_a_deployment_can_be_asked_for_by_its_id(run, runs):
    assert [one["NAME"] for one in table(run("runs", "ls", "--deployment", runs["id"]))] == ["made"]


def test_a_list_that_goes_on_says_so_to_people_and_to_scripts_beside_their_json(run, deployments):
    assert run("deployments", "ls", "--limit", "1", "--offset", "1").stderr == "(1 more; --all shows them)\n"
    assert run("deployments", "ls", "--limit", "2", "--offset", "1").stderr == ""
    listed = run("deployments", "ls", "--limit", "1", "--output", "json")
    assert listed.stderr == "(2 more; --all shows them)\n"
    assert len(documents(listed)) == 1


def test_all_there_are_can_be_asked_for_however_many(sqlite_url):
    app = create_app(Settings(database_url=sqlite_url, page_size=2))
    app.test_client_class = ApiClient
    client = app.test_client()
    deployment = make_deployment(client)
    for _ in range(4):
        make_deployment(client)
        ok(client.post(f"/deployments/{deployment['id']}/create_flow_run"), 201)
    run = app.test_cli_runner().invoke
    for noun, number in (("deployments", 5), ("flows", 5), ("runs", 4)):
        listed = run(args=[noun, "ls", "--all", "--output", "json"])
        assert len(documents(listed)) == number
        assert listed.stderr == ""
        assert len(documents(run(args=[noun, "ls", "--all", "--offset", "3", "--output", "json"]))) == number - 3
        assert "--limit or --all" in failed(run(args=[noun, "ls", "--all", "--limit", "1"]), 2)
    assert documents(run(args=["blocks", "ls", "--all", "--output", "json"])) == []
    app.extensions["mintaka"].database.dispose()


def test_a_flow_is_shown_with_its_deployments_and_runs_by_state(run, client, runs):
    flow = client.get("/flows/name/etl").json
    for reference in ("etl", flow["id"], flow["id"][-8:]):
        found = documents(run("flows", "inspect", reference, "--output", "json"))
        assert [one["name"] for one in found.pop("deployments")] == ["nightly"]
        assert found.pop("run_counts") == {
            "SCHEDULED": 2, "PENDING": 1, "RUNNING": 0, "COMPLETED": 0, "FAILED": 0, "CANCELLED": 0,
        }  # fmt: skip
        assert found == flow
    facts, deployments = done(run("flows", "inspect", "etl")).split("\n\n")
    assert facts.endswith("2 SCHEDULED, 1 PENDING")
    assert "etl/nightly" in deployments
    assert failed(run("flows", "inspect", "nothing"), 1) == "Flow not found: nothing"

"""`mintaka runs delete` and `runs set-state`, for the runs that options choose."""

import pytest

from tests.api.asking import all_runs, ok
from tests.api.factories import make_deployment, make_flow
from tests.cli.results import documents, done, failed


@pytest.fixture
def nightly(client):
    """The deployment etl/nightly with three runs, and two of another deployment."""
    deployment = make_deployment(client, name="nightly", flow_id=make_flow(client, name="etl")["id"])
    make(client, deployment, "SCHEDULED", "RUNNING", "COMPLETED")
    make(client, make_deployment(client), "SCHEDULED", "COMPLETED")
    return deployment


def make(client, deployment, *types):
    for type in types:
        ok(client.post(f"/deployments/{deployment['id']}/create_flow_run", json={"state": {"type": type}, "tags": ["x"]}), 201)


def types(client, deployment=None):
    wanted = {} if deployment is None else {"flow_runs": {"deployment_id": {"any_": [deployment["id"]]}}}
    return sorted(run["state_type"] for run in all_runs(client, **wanted))


def test_runs_are_set_to_a_state(run, client, nightly):
    chosen = ("--deployment", "etl/nightly", "--state", "scheduled", "--state", "RUNNING")
    named = ("--state-name", "Dropped", "--message", "not tonight")
    assert done(run("runs", "set-state", "cancelled", *chosen, *named, "--yes")) == "2 runs are set to CANCELLED\n"
    assert types(client, nightly) == ["CANCELLED", "CANCELLED", "COMPLETED"]
    states = [one["state"] for one in all_runs(client) if one["state_type"] == "CANCELLED"]
    assert {(state["name"], state["message"]) for state in states} == {("Dropped", "not tonight")}
    assert types(client).count("SCHEDULED") == 1


def test_what_is_refused_is_a_failure_and_the_others_are_changed(run, client, nightly):
    result = run("runs", "set-state", "FAILED", "--flow", "etl", "--yes")
    assert (result.exit_code, result.stdout) == (1, "2 runs are set to FAILED\n")
    assert result.stderr.endswith("is not: The run is over.\n")
    assert (
        done(run("runs", "set-state", "FAILED", "--flow", "etl", "--state", "COMPLETED", "--force", "--yes")) == "1 run is set to FAILED\n"
    )
    assert types(client, nightly) == ["FAILED", "FAILED", "FAILED"]


def test_runs_are_deleted(run, client, nightly):
    assert done(run("runs", "delete", "--tag", "x", "--state", "COMPLETED", "--yes")) == "2 runs are deleted\n"
    answer = documents(run("runs", "delete", "--deployment", "etl/nightly", "--limit", "1", "--yes", "--output", "json"))
    assert answer == {"matched": 2, "changed": 1, "refused": []}
    assert types(client) == ["RUNNING", "SCHEDULED"]
    assert done(run("runs", "delete", "--before", "2022-06-01", "--yes")) == "0 runs are deleted\n"


def test_a_dry_run_changes_nothing_and_a_limit_says_what_is_left(run, client, nightly):
    before = types(client)
    assert done(run("runs", "delete", "--tag", "x", "--limit", "2", "--dry-run")) == "2 runs would be deleted; 3 more\n"
    assert done(run("runs", "set-state", "FAILED", "--state", "RUNNING", "--dry-run")) == "1 run would be set to FAILED\n"
    assert types(client) == before


@pytest.mark.parametrize(
    ("command", "question"), [("delete", "Delete 2 runs?"), ("set-state FAILED", "Set 2 runs to FAILED?")], ids=["delete", "set-state"]
)
def test_it_is_asked_before_and_no_changes_nothing(run, client, nightly, command, question):
    before = types(client)
    refused = run("runs", *command.split(), "--state", "SCHEDULED", input="n\n")
    assert (refused.exit_code, question in refused.stderr) == (1, True)
    assert types(client) == before
    assert run("runs", *command.split(), "--state", "SCHEDULED", input="y\n").exit_code == 0
    assert types(client) != before


def test_runs_have_to_be_chosen_in_one_way(run, client, nightly):
    one = all_runs(client)[0]["id"]
    assert "Give a RUN, or options" in failed(run("runs", "delete", "--yes"), 2)
    assert "Give a RUN, or options" in failed(run("runs", "delete", one, "--state", "FAILED", "--yes"), 2)
    assert "go with options that choose several" in failed(run("runs", "delete", one, "--dry-run"), 2)
    assert "Give options that choose runs" in failed(run("runs", "set-state", "FAILED", "--yes"), 2)
    assert "--limit" in failed(run("runs", "delete", "--state", "FAILED", "--limit", "201", "--yes"), 2)
    assert len(types(client)) == 5

"""`mintaka work-queues`."""

import pytest

from tests.api.asking import ok
from tests.api.factories import make_deployment, make_due_runs, make_flow, make_work_queue
from tests.cli.results import documents, done, failed, table


def read(client, name):
    return ok(client.get(f"/work_queues/name/{name}"))


def test_a_queue_is_created_for_all_runs_unless_options_say_otherwise(run, client):
    made = documents(run("work-queues", "create", "default", "--output", "json"))
    assert made == read(client, "default")
    assert made["filter"] == {"tags": None, "deployment_ids": None, "flow_runner_types": None}
    assert (made["is_paused"], made["concurrency_limit"], made["description"]) == (False, None, "")


def test_a_queue_is_created_with_everything_that_is_given(run, client):
    deployment = make_deployment(client, name="nightly", flow_id=make_flow(client, name="etl")["id"])
    options = ["--tag", "a", "--tag", "b", "--deployment", "etl/nightly", "--flow-runner", "docker", "--limit", "3", "--description", "x"]
    said = done(run("work-queues", "create", "etl", *options, "--paused"))
    made = read(client, "etl")
    assert said == f"etl is created ({made['id']})\n"
    assert made["filter"] == {"tags": ["a", "b"], "deployment_ids": [deployment["id"]], "flow_runner_types": ["docker"]}
    assert (made["is_paused"], made["concurrency_limit"], made["description"]) == (True, 3, "x")


def test_a_queue_that_is_not_possible_is_refused(run, offline_run, client):
    make_work_queue(client, name="taken")
    assert failed(run("work-queues", "create", "taken"), 1) == "A work queue with this name already exists."
    assert failed(run("work-queues", "create", "q", "--deployment", "a/b"), 1) == "Deployment not found: a/b"
    assert "'--limit': " in failed(offline_run("work-queues", "create", "q", "--limit", "-1"), 2)
    assert "'NAME': " in failed(offline_run("work-queues", "create", "a/b"), 2)


def test_queues_are_listed_with_the_runs_they_are_for(run, client):
    first = make_work_queue(client, name="a", filter={"tags": ["x", "y"], "flow_runner_types": ["docker"]}, concurrency_limit=0)
    second = make_work_queue(client, name="b", is_paused=True)
    assert table(run("work-queues", "ls")) == [
        {"QUEUE": "a", "PAUSED": "no", "LIMIT": "0", "RUNS": "tagged x, y for docker runners", "ID": first["id"][-8:]},
        {"QUEUE": "b", "PAUSED": "yes", "LIMIT": "-", "RUNS": "of all deployments", "ID": second["id"][-8:]},
    ]
    rest = run("work-queues", "ls", "--limit", "1", "--output", "json")
    assert [queue["name"] for queue in documents(rest)] == ["a"]
    assert rest.stderr == "(1 more; --all shows them)\n"


def test_who_takes_up_the_room_of_a_queue_is_listed_since_when(run, client):
    queue = make_work_queue(client, name="default", concurrency_limit=3)
    runs = make_due_runs(client, 3)
    (claim,) = ok(client.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 1, "worker": "w1"}))
    taken = ok(client.post(f"/flow_runs/{runs[1]['id']}/set_state", json={"state": {"type": "RUNNING"}}), 201)
    held = documents(run("work-queues", "holders", "default", "--output", "json"))
    assert [(one["id"], one["worker"], one["lease_expires_at"]) for one in held] == [
        (runs[0]["id"], "w1", claim["lease_expires_at"]),
        (runs[1]["id"], None, None),
    ]
    assert [one["since"] for one in held] == [claim["flow_run"]["state"]["timestamp"], taken["state"]["timestamp"]]
    shown = run("work-queues", "holders", "default", "--limit", "1")
    assert [(row["RUN"], row["STATE"], row["WORKER"]) for row in table(shown)] == [(runs[0]["name"], "Pending", "w1")]
    assert shown.stderr == "(1 more; --all shows them)\n"


def test_a_queue_is_shown_with_the_runs_that_it_would_hand_out(run, client):
    queue = make_work_queue(client, name="default")
    due = make_due_runs(client, 3)
    found = documents(run("work-queues", "inspect", "default", "--runs", "2", "--output", "json"))
    assert [one["id"] for one in found.pop("due_runs")] == [one["id"] for one in due[:2]]
    assert found == queue
    assert due[0]["id"][-8:] in done(run("work-queues", "inspect", queue["id"][-8:]))
    done(run("work-queues", "pause", "default"))
    assert done(run("work-queues", "inspect", "default")).endswith("No runs to hand out.\n")


@pytest.mark.parametrize("reference", ["name", "id", "short id"])
def test_a_queue_is_paused_resumed_and_deleted_by_name_or_id(run, client, reference):
    queue = make_work_queue(client, name="default")
    named = {"name": "default", "id": queue["id"], "short id": queue["id"][-8:]}[reference]
    assert done(run("work-queues", "pause", named)) == f"{named} is paused\n"
    assert read(client, "default")["is_paused"] is True
    assert done(run("work-queues", "resume", named)) == f"{named} hands out runs\n"
    assert read(client, "default")["is_paused"] is False
    assert run("work-queues", "delete", named, input="n\n").exit_code == 1
    assert done(run("work-queues", "delete", named, "--yes")) == "default is deleted\n"
    assert failed(run("work-queues", "inspect", named), 1) == f"Work queue not found: {named}"


def test_a_queue_whose_name_looks_like_an_id_is_found_by_its_name(run, client):
    make_work_queue(client, name="beef")
    assert done(run("work-queues", "pause", "beef")) == "beef is paused\n"
    assert read(client, "beef")["is_paused"] is True

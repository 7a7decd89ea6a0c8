"""Limits on tags: kept by tag, and held while task runs start and end."""

import random
from uuid import uuid4

import pytest

from tests.api.factories import make_flow, make_flow_run, make_task_run
from tests.api.test_set_state import propose


@pytest.fixture
def flow_run(client):
    return make_flow_run(client, flow_id=make_flow(client)["id"])


def limit(client, tag, most):
    response = client.post("/concurrency_limits/", json={"tag": tag, "concurrency_limit": most})
    assert response.status_code == 200, response.text
    return response.json


def slots(client, tag):
    return client.get(f"/concurrency_limits/tag/{tag}").json["active_slots"]


def tagged(client, flow_run, *tags, **fields):
    return make_task_run(client, flow_run_id=flow_run["id"], tags=list(tags), **fields)


def test_a_limit_on_the_same_tag_is_replaced(client):
    first = limit(client, "etl", 1)
    second = limit(client, "etl", 5)
    assert second["id"] == first["id"]
    assert client.get(f"/concurrency_limits/{first['id']}").json == second
    assert (second["concurrency_limit"], second["active_slots"]) == (5, [])


def test_limits_are_listed_by_tag_page_by_page(client):
    for tag in ("b", "c", "a"):
        limit(client, tag, 1)
    assert [one["tag"] for one in client.post("/concurrency_limits/filter").json] == ["a", "b", "c"]
    assert [one["tag"] for one in client.post("/concurrency_limits/filter", json={"limit": 1, "offset": 1}).json] == ["b"]


def test_a_limit_is_deleted_by_id_or_by_tag_once(client):
    by_id = limit(client, "a", 1)["id"]
    limit(client, "b", 1)
    for path in (by_id, "tag/b"):
        assert [client.delete(f"/concurrency_limits/{path}").status_code for _ in range(2)] == [200, 404]
        assert client.get(f"/concurrency_limits/{path}").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"tag": "x"}, "concurrency_limit"),
        ({"tag": "x", "concurrency_limit": -1}, "concurrency_limit"),
        ({"tag": "x", "concurrency_limit": 2**31}, "concurrency_limit"),
        ({"tag": "x" * 256, "concurrency_limit": 1}, "tag"),
        ({"concurrency_limit": 1}, "tag"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused_by_field(client, body, field):
    response = client.post("/concurrency_limits/", json=body)
    assert response.status_code == 422
    assert response.json["errors"][0]["loc"] == ["body", field]


def test_a_task_run_waits_for_a_slot_and_gets_it_when_another_ends(client, flow_run):
    limit(client, "etl", 1)
    first, second = tagged(client, flow_run, "etl"), tagged(client, flow_run, "etl", "other")
    propose(client, first, "RUNNING", status=201)
    assert slots(client, "etl") == [first["id"]]
    outcome = propose(client, second, "RUNNING", status=200)
    assert (outcome["status"], outcome["details"]["delay_seconds"]) == ("WAIT", 30)
    propose(client, first, "COMPLETED", status=201)
    assert slots(client, "etl") == []
    propose(client, second, "RUNNING", status=201)


def test_no_slot_is_taken_where_another_limit_has_none_left(client, flow_run):
    limit(client, "a", 5)
    limit(client, "b", 1)
    propose(client, tagged(client, flow_run, "b"), "RUNNING", status=201)
    propose(client, tagged(client, flow_run, "a", "b"), "RUNNING", status=200)
    assert slots(client, "a") == []


def test_a_limit_of_nothing_aborts(client, flow_run):
    limit(client, "never", 0)
    assert propose(client, tagged(client, flow_run, "never"), "RUNNING", status=200)["status"] == "ABORT"


@pytest.mark.parametrize("leave", ["FAILED", "PENDING", "SCHEDULED", "CANCELLED"])
@pytest.mark.parametrize("force", [False, True])
def test_whatever_ends_the_running_gives_the_slot_back(client, flow_run, leave, force):
    limit(client, "etl", 1)
    run = tagged(client, flow_run, "etl")
    propose(client, run, "RUNNING", status=201)
    propose(client, run, leave, force=force, status=201)
    assert slots(client, "etl") == []


def test_a_retry_gives_the_slot_back_and_gets_it_again(client, flow_run):
    limit(client, "etl", 1)
    run = tagged(client, flow_run, "etl", empirical_policy={"max_retries": 1})
    propose(client, run, "RUNNING", status=201)
    assert propose(client, run, "FAILED", status=201)["state"]["name"] == "AwaitingRetry"
    assert slots(client, "etl") == []
    assert propose(client, run, "RUNNING", status=201)["state"]["name"] == "Retrying"
    assert slots(client, "etl") == [run["id"]]


def test_a_lowered_limit_stops_nobody_who_runs_and_lets_nobody_else_start(client, flow_run):
    limit(client, "etl", 2)
    runs = [tagged(client, flow_run, "etl") for _ in range(3)]
    for run in runs[:2]:
        propose(client, run, "RUNNING", status=201)
    assert sorted(limit(client, "etl", 1)["active_slots"]) == sorted(run["id"] for run in runs[:2])
    propose(client, runs[0], "COMPLETED", status=201)
    assert propose(client, runs[2], "RUNNING", status=200)["status"] == "WAIT"
    propose(client, runs[1], "COMPLETED", status=201)
    propose(client, runs[2], "RUNNING", status=201)


@pytest.mark.parametrize("seed", range(2))
def test_slots_are_held_by_exactly_the_runs_that_are_running(client, flow_run, seed):
    chance = random.Random(seed)
    for tag in ("a", "b"):
        limit(client, tag, 2)
    runs = [tagged(client, flow_run, *tags, empirical_policy={"max_retries": 1}) for tags in ("a", "ab", "ba", "b", "c") for _ in range(2)]
    running = set()
    for _ in range(40):
        run = chance.choice(runs)
        type = chance.choice(["RUNNING", "RUNNING", "PENDING", "COMPLETED", "FAILED"])
        details = chance.choice([{}, {}, {}, {"cache_key": "k"}])
        # force takes no slot, but gives it back
        force = type != "RUNNING" and chance.random() < 0.2
        state = propose(client, run, type, state_details=details, force=force)["state"]
        if state is not None:
            (running.add if state["type"] == "RUNNING" else running.discard)(run["id"])
        for tag in ("a", "b"):
            held = set(slots(client, tag))
            assert held == {run["id"] for run in runs if run["id"] in running and tag in run["tags"]}
            assert len(held) <= 2


def test_a_deleted_run_holds_no_slot(client, flow_run):
    limit(client, "etl", 1)
    run = tagged(client, flow_run, "etl")
    propose(client, run, "RUNNING", status=201)
    client.delete(f"/task_runs/{run['id']}")
    assert slots(client, "etl") == []


def test_an_unknown_limit_is_404(client):
    for path in (uuid4(), "tag/nobody"):
        assert client.get(f"/concurrency_limits/{path}").json["detail"] == "Concurrency limit not found"

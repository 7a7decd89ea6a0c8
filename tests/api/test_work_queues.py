"""Work queues: create, read, change, list, delete, and a look at the runs in them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from app.db.models import Agent
from tests.api.asking import ids, ok, problem, wrong_fields
from tests.api.factories import make_deployment, make_due_runs, make_flow, make_flow_run, make_work_queue

NOON = datetime(2022, 6, 1, 12, tzinfo=UTC)
ALL = {"tags": None, "deployment_ids": None, "flow_runner_types": None}


@pytest.fixture(autouse=True)
def stopped(clock):
    """Nothing here goes by the real time."""
    clock.stop_at(NOON)


def look(client, queue, **asked):
    return ok(client.post(f"/work_queues/{queue['id']}/get_runs", json=asked))


def test_a_new_work_queue_is_answered_with_every_field_and_read_back_by_id_and_name(client):
    made = ok(client.post("/work_queues/", json={"name": "etl"}), 201)
    assert UUID(made["id"]).version == 7
    assert made == {
        "id": made["id"],
        "created": NOON.isoformat(),
        "updated": NOON.isoformat(),
        "name": "etl",
        "filter": ALL,
        "description": "",
        "is_paused": False,
        "concurrency_limit": None,
    }
    assert ok(client.get(f"/work_queues/{made['id']}")) == made
    assert ok(client.get("/work_queues/name/etl")) == made


def test_a_work_queue_keeps_what_it_was_created_with(client):
    given = {
        "name": "all of it",
        "filter": {"tags": ["b", "a"], "deployment_ids": [str(uuid4())], "flow_runner_types": ["docker"]},
        "description": "What runs at night",
        "is_paused": True,
        "concurrency_limit": 0,
    }
    made = make_work_queue(client, **given)
    assert made | given == made
    assert ok(client.get(f"/work_queues/{made['id']}")) == made


def test_a_name_is_taken_once(client):
    first, second = make_work_queue(client), make_work_queue(client)
    taken = problem(client.post("/work_queues/", json={"name": first["name"]}), 409)
    assert taken["detail"] == "A work queue with this name already exists."
    problem(client.patch(f"/work_queues/{second['id']}", json={"name": first["name"]}), 409)
    assert ok(client.post("/work_queues/filter")) == [first, second]


def test_a_change_keeps_what_it_does_not_name_and_replaces_the_whole_filter(client, clock):
    made = make_work_queue(client, filter={"tags": ["a"]}, description="d", concurrency_limit=5)
    path = f"/work_queues/{made['id']}"
    clock.advance(minutes=1)
    assert client.patch(path, json={"is_paused": True}).status_code == 204
    changed = ok(client.get(path))
    assert changed == made | {"is_paused": True, "updated": clock().isoformat()}
    new = {"filter": {"flow_runner_types": ["docker"]}, "description": None, "concurrency_limit": None, "name": "new"}
    assert client.patch(path, json=new).status_code == 204
    new |= {"filter": ALL | new["filter"], "description": ""}
    assert ok(client.get(path)) == changed | new
    assert client.patch(path).status_code == 204
    assert ok(client.get(path)) == changed | new


@pytest.mark.parametrize(
    "body, wrong",
    [
        ({}, "body.name"),
        ({"name": ""}, "body.name"),
        ({"name": "a/b"}, "body.name"),
        ({"name": None}, "body.name"),
        ({"name": "q", "filter": None}, "body.filter"),
        ({"name": "q", "filter": {"tag": ["a"]}}, "body.filter.tag"),
        ({"name": "q", "filter": {"tags": ["a"] * 201}}, "body.filter.tags"),
        ({"name": "q", "filter": {"deployment_ids": ["x"]}}, "body.filter.deployment_ids.0"),
        ({"name": "q", "filter": {"flow_runner_types": ["x"] * 1001}}, "body.filter.flow_runner_types"),
        ({"name": "q", "is_paused": None}, "body.is_paused"),
        ({"name": "q", "concurrency_limit": -1}, "body.concurrency_limit"),
        ({"name": "q", "concurrency_limit": 2**31}, "body.concurrency_limit"),
        ({"name": "q", "color": "red"}, "body.color"),
    ],
)
def test_what_is_wrong_with_a_work_queue_is_said_and_nothing_is_made(client, body, wrong):
    assert wrong_fields(client.post("/work_queues/", json=body)) == {wrong}
    assert ok(client.post("/work_queues/filter")) == []


def test_work_queues_are_listed_by_name_in_pages(client):
    made = {name: make_work_queue(client, name=name) for name in "cab"}
    assert ok(client.post("/work_queues/filter")) == [made[name] for name in "abc"]
    assert ok(client.post("/work_queues/filter", json={"limit": 1, "offset": 1})) == [made["b"]]
    assert wrong_fields(client.post("/work_queues/filter", json={"limit": 201})) == {"body.limit"}


def test_an_unknown_work_queue_is_404(client):
    path = f"/work_queues/{uuid4()}"
    for response in (
        client.get(path),
        client.patch(path, json={}),
        client.delete(path),
        client.post(f"{path}/get_runs"),
        client.post(f"{path}/get_runs", json={"agent_id": str(uuid4())}),
        client.post(f"{path}/claim_runs"),
        client.get("/work_queues/name/nobody"),
    ):
        assert problem(response, 404)["detail"] == "Work queue not found"


def test_deleting_a_work_queue_leaves_its_runs_and_forgets_its_agents(client):
    (run,) = make_due_runs(client, 1)
    queue = make_work_queue(client)
    look(client, queue, agent_id=str(uuid4()))
    claimed = ok(client.post(f"/work_queues/{queue['id']}/claim_runs"))
    assert client.delete(f"/work_queues/{queue['id']}").status_code == 204
    problem(client.get(f"/work_queues/{queue['id']}"), 404)
    # whoever holds the run keeps it
    ok(client.post(f"/flow_runs/{run['id']}/heartbeat", json={"lease_id": claimed[0]["lease_id"]}))


def test_a_queue_shows_the_due_runs_of_deployments_longest_due_first_as_they_are(client):
    runs = make_due_runs(client, 3, due=NOON - timedelta(minutes=2))
    # of these none is due, waiting and of a deployment
    make_due_runs(client, 1, due=NOON + timedelta(seconds=1))
    make_flow_run(client, state={"type": "SCHEDULED"})
    deployment = make_deployment(client)
    ok(client.post(f"/deployments/{deployment['id']}/create_flow_run"), 201)
    queue = make_work_queue(client)
    found = look(client, queue)
    assert found == [ok(client.get(f"/flow_runs/{run['id']}")) for run in runs]
    assert look(client, queue) == found
    assert look(client, queue, limit=2) == found[:2]
    assert look(client, queue, limit=0) == []


def test_a_queue_shows_runs_up_to_the_instant_that_is_asked_for(client):
    runs = make_due_runs(client, 3, due=NOON)
    queue = make_work_queue(client)
    for minutes, number in ((-1, 0), (0, 1), (1, 2), (5, 3)):
        asked = (NOON + timedelta(minutes=minutes)).isoformat()
        assert ids(look(client, queue, scheduled_before=asked)) == ids(runs[:number])


def test_a_queue_holds_what_meets_all_of_its_filter(client):
    flow = make_flow(client)["id"]
    described = {"a": {"tags": ["x", "y"]}, "b": {"tags": ["x"], "flow_runner": {"type": "docker"}}, "c": {"flow_runner": {"type": "k8s"}}}
    runs = {name: make_due_runs(client, 1, flow_id=flow, **fields)[0] for name, fields in described.items()}
    deployments = {name: run["deployment_id"] for name, run in runs.items()}
    for filter, names in (
        ({}, "abc"),
        ({"tags": []}, "abc"),
        ({"tags": ["x"]}, "ab"),
        ({"tags": ["x", "y"]}, "a"),
        ({"deployment_ids": [deployments["b"], deployments["c"]]}, "bc"),
        ({"deployment_ids": []}, ""),
        ({"flow_runner_types": ["docker", "k8s"]}, "bc"),
        ({"flow_runner_types": []}, ""),
        ({"tags": ["x"], "deployment_ids": [deployments["b"], deployments["c"]], "flow_runner_types": ["docker"]}, "b"),
        ({"tags": ["z"]}, ""),
    ):
        queue = make_work_queue(client, filter=filter)
        assert ids(look(client, queue)) == {runs[name]["id"] for name in names}, filter
        client.delete(f"/work_queues/{queue['id']}")


def test_a_paused_queue_hands_out_nothing(client):
    make_due_runs(client, 1)
    queue = make_work_queue(client, is_paused=True)
    assert look(client, queue) == []
    assert ok(client.post(f"/work_queues/{queue['id']}/claim_runs")) == []
    client.patch(f"/work_queues/{queue['id']}", json={"is_paused": False})
    assert len(look(client, queue)) == 1


def test_a_limit_leaves_room_for_what_is_not_yet_pending_or_running_in_the_queue(client):
    tagged = {"tags": ["limited"]}
    for type in ("PENDING", "RUNNING", "COMPLETED", "FAILED"):
        deployment = make_deployment(client, **tagged)
        ok(client.post(f"/deployments/{deployment['id']}/create_flow_run", json={"state": {"type": type}}), 201)
    other = make_deployment(client)
    ok(client.post(f"/deployments/{other['id']}/create_flow_run", json={"state": {"type": "RUNNING"}}), 201)
    runs = make_due_runs(client, 5, **tagged)
    for limit, room in ((0, 0), (1, 0), (2, 0), (3, 1), (5, 3), (100, 5), (None, 5)):
        queue = make_work_queue(client, filter=tagged, concurrency_limit=limit)
        assert ids(look(client, queue)) == ids(runs[:room]), limit
        assert ids(look(client, queue, limit=2)) == ids(runs[: min(room, 2)]), limit
        client.delete(f"/work_queues/{queue['id']}")


def test_an_agent_that_says_who_it_is_gets_a_name_once_and_is_seen_to_ask(client, clock, database):
    first, second, agent = make_work_queue(client), make_work_queue(client), str(uuid4())
    seen = []
    for queue in (first, second):
        look(client, queue, agent_id=agent)
        with database.transaction(read_only=True) as session:
            seen.append(session.execute(select(Agent.__table__)).one())
        clock.advance(minutes=1)
    assert [str(row.id) for row in seen] == [agent, agent]
    assert [str(row.work_queue_id) for row in seen] == [first["id"], second["id"]]
    assert [row.last_activity_time for row in seen] == [NOON, NOON + timedelta(minutes=1)]
    assert seen[0].name
    assert seen[0].name == seen[1].name


@pytest.mark.parametrize("route", ["get_runs", "claim_runs"])
@pytest.mark.parametrize("asked", [{"limit": -1}, {"limit": 201}, {"limit": 1.5}, {"scheduled_before": "soon"}, {"offset": 0}])
def test_what_is_wrong_with_a_question_is_said(client, route, asked):
    queue = make_work_queue(client)
    assert wrong_fields(client.post(f"/work_queues/{queue['id']}/{route}", json=asked)) == {f"body.{next(iter(asked))}"}

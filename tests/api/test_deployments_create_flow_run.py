"""Making one run of a deployment, now."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from tests.api.asking import ok, problem, runs_of, wrong_fields
from tests.api.factories import make_deployment, make_flow

NOW = datetime(2022, 6, 1, 12, tzinfo=UTC)
DOCKER = {"type": "docker", "config": {"image": "x"}}


def run_now(client, deployment, status=201, **body):
    return ok(client.post(f"/deployments/{deployment['id']}/create_flow_run", json=body), status)


def test_a_run_without_a_state_is_pending_and_expected_now(api, api_clock):
    api_clock.stop_at(NOW)
    deployment = make_deployment(api)
    for state in ({}, {"state": None}):
        run = run_now(api, deployment, **state)
        assert (run["state_type"], run["state_name"]) == ("PENDING", "Pending")
        assert run["expected_start_time"] == run["state"]["timestamp"] == "2022-06-01T12:00:00+00:00"
        assert run["next_scheduled_start_time"] is None
        assert ok(api.get(f"/flow_runs/{run['id']}")) == run


def test_a_run_has_the_state_that_was_asked_for(api, api_clock):
    api_clock.stop_at(NOW)
    deployment = make_deployment(api)
    later = "2022-07-01T00:00:00+00:00"
    run = run_now(
        api, deployment, state={"type": "SCHEDULED", "name": "Late", "message": "so it is", "state_details": {"scheduled_time": later}}
    )
    assert (run["state_type"], run["state_name"], run["state"]["message"]) == ("SCHEDULED", "Late", "so it is")
    assert run["expected_start_time"] == run["next_scheduled_start_time"] == later
    assert run_now(api, deployment, state={"type": "SCHEDULED"})["expected_start_time"] == "2022-06-01T12:00:00+00:00"
    running = run_now(api, deployment, state={"type": "RUNNING"})
    assert (running["run_count"], running["start_time"]) == (1, "2022-06-01T12:00:00+00:00")


def test_a_run_is_of_its_deployment_and_not_auto_scheduled(api):
    deployment = make_deployment(api)
    run = run_now(api, deployment)
    assert (run["deployment_id"], run["flow_id"]) == (deployment["id"], deployment["flow_id"])
    assert run["auto_scheduled"] is False
    assert run["idempotency_key"] is None
    assert "auto-scheduled" not in run["tags"]


@pytest.mark.parametrize(
    "stored, asked, expected",
    [
        ({"a": 1, "b": 2}, {}, {"a": 1, "b": 2}),
        ({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
        ({"a": 1}, {"b": None}, {"a": 1, "b": None}),
        ({"a": 1}, {"a": None}, {"a": None}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"x": 3}}, {"a": {"x": 3}}),
        ({}, {"a": 10**30}, {"a": 10**30}),
    ],
)
def test_parameters_are_the_deployments_overlaid_by_the_requests(api, stored, asked, expected):
    run = run_now(api, make_deployment(api, parameters=stored), parameters=asked)
    assert run["parameters"] == expected
    assert ok(api.get(f"/flow_runs/{run['id']}"))["parameters"] == expected


def test_tags_are_the_union_each_once(api):
    deployment = make_deployment(api, tags=["a", "b"])
    assert run_now(api, deployment)["tags"] == ["a", "b"]
    assert run_now(api, deployment, tags=["c", "a", "c"])["tags"] == ["a", "b", "c"]
    assert run_now(api, make_deployment(api), tags=["c"])["tags"] == ["c"]


@pytest.mark.parametrize(
    "asked, expected",
    [
        ({}, DOCKER),
        ({"flow_runner": None}, DOCKER),
        ({"flow_runner": {"type": "k8s", "config": {"cpu": 1}}}, {"type": "k8s", "config": {"cpu": 1}}),
        ({"flow_runner": {"type": "k8s"}}, {"type": "k8s", "config": None}),
        ({"flow_runner": {}}, {"type": None, "config": None}),
    ],
)
def test_the_flow_runner_is_the_requests_or_the_deployments(api, asked, expected):
    assert run_now(api, make_deployment(api, flow_runner=DOCKER), **asked)["flow_runner"] == expected


def test_the_stored_deployment_is_not_touched(api, api_clock):
    # none of its runs becomes late meanwhile, which would show in them
    api_clock.stop_at(NOW + timedelta(minutes=5))
    deployment = make_deployment(api, parameters={"a": {"b": 1}}, tags=["x"], flow_runner=DOCKER, schedule={"interval": 3600})
    scheduled = runs_of(api, deployment)
    api_clock.advance(minutes=1)
    run_now(api, deployment, parameters={"a": {"c": 2}, "d": 3}, tags=["y"], flow_runner={"type": "k8s"})
    assert ok(api.get(f"/deployments/{deployment['id']}")) == deployment
    assert run_now(api, deployment)["parameters"] == {"a": {"b": 1}}
    assert runs_of(api, deployment, tags={"all_": ["auto-scheduled"]}) == scheduled


def test_a_run_is_named_by_the_request_or_with_two_words(api):
    deployment = make_deployment(api)
    assert run_now(api, deployment, name="mine")["name"] == "mine"
    assert run_now(api, deployment)["name"].count("-") == 1
    assert run_now(api, deployment, name=None)["name"]


def test_a_run_has_the_context_of_the_request(api):
    assert run_now(api, make_deployment(api), context={"ticket": "OPS-7"})["context"] == {"ticket": "OPS-7"}


def test_a_second_request_with_an_idempotency_key_answers_200_and_the_first_run(api):
    deployment = make_deployment(api)
    first = run_now(api, deployment, idempotency_key="k", parameters={"a": 1}, name="first")
    second = run_now(api, deployment, 200, idempotency_key="k", parameters={"a": 2}, name="second", state={"type": "RUNNING"})
    assert _without_estimates(second) == _without_estimates(first)
    assert len(runs_of(api, deployment)) == 1


def _without_estimates(run):
    return {name: value for name, value in run.items() if not name.startswith("estimated_")}


def test_an_idempotency_key_is_unique_per_flow(api):
    flow = make_flow(api)["id"]
    one, twin, stranger = make_deployment(api, flow_id=flow), make_deployment(api, flow_id=flow), make_deployment(api)
    first = run_now(api, one, idempotency_key="k")
    assert run_now(api, twin, 200, idempotency_key="k")["id"] == first["id"]
    assert ok(api.post("/flow_runs/", json={"flow_id": flow, "idempotency_key": "k"}))["id"] == first["id"]
    assert run_now(api, stranger, 201, idempotency_key="k")["id"] != first["id"]
    assert run_now(api, one, 201, idempotency_key="K")["id"] != first["id"]


def test_without_an_idempotency_key_every_request_makes_a_run(api):
    deployment = make_deployment(api)
    made = {run_now(api, deployment, **key)["id"] for key in ({}, {}, {"idempotency_key": None})}
    assert len(made) == 3


def test_an_idempotency_key_is_free_again_when_its_run_is_deleted(api):
    deployment = make_deployment(api)
    first = run_now(api, deployment, idempotency_key="k")
    ok(api.delete(f"/flow_runs/{first['id']}"), 204)
    assert run_now(api, deployment, 201, idempotency_key="k")["id"] != first["id"]


def test_a_paused_or_schedule_less_deployment_can_be_run(api):
    for fields in ({}, {"schedule": {"interval": 60}, "is_schedule_active": False}):
        assert run_now(api, make_deployment(api, **fields))["state_type"] == "PENDING"


def test_a_missing_deployment_is_404(api):
    missing = api.post(f"/deployments/{uuid.uuid4()}/create_flow_run", json={})
    assert problem(missing, 404)["detail"] == "Deployment not found"


@pytest.mark.parametrize(
    "body, field",
    [
        ({"parameters": None}, "parameters"),
        ({"tags": None}, "tags"),
        ({"context": None}, "context"),
        ({"state": {}}, "state.type"),
        ({"state": {"type": "LATE"}}, "state.type"),
        ({"state": {"type": "SCHEDULED", "state_details": {"scheduled_time": "x"}}}, "state.state_details.scheduled_time"),
        ({"flow_id": str(uuid.uuid4())}, "flow_id"),
        ({"deployment_id": str(uuid.uuid4())}, "deployment_id"),
        ({"auto_scheduled": True}, "auto_scheduled"),
    ],
)
def test_what_a_run_of_a_deployment_cannot_be_given_is_422(api, body, field):
    deployment = make_deployment(api)
    assert wrong_fields(api.post(f"/deployments/{deployment['id']}/create_flow_run", json=body)) == {f"body.{field}"}
    assert runs_of(api, deployment) == []

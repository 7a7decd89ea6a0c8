"""Many clients at once: nobody sees a half of what another does, and nothing is made twice."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier, Event

import pytest

from app.scheduler.loop import Scheduler
from tests.api.asking import ok, runs_of, starts
from tests.api.factories import make_deployment, make_flow

DATA = {"encoding": "json", "blob": "1"}
HOUR, DAY = 3600, 86400
# Schedules without a common instant, so that a run tells its version twice: by when it is and by what it carries
VERSIONS = [
    {
        "schedule": {"interval": DAY, "anchor_date": f"2020-01-01T{hour:02}:30:00+00:00"},
        "parameters": {"version": hour},
        "tags": [f"v{hour}"],
    }
    for hour in range(2)
]
VERSIONED = {(f"{hour:02}", hour, ("auto-scheduled", f"v{hour}")) for hour in range(2)}


@pytest.fixture(autouse=True)
def stopped_clock(api_clock):
    # no occurrence passes between two steps of a test
    api_clock.stop_at(datetime(2022, 6, 1, 12, 30, tzinfo=UTC))


@pytest.fixture
def clients(shared):
    """A client for a thread: `clients()`."""
    return shared.app.test_client


def together(*jobs):
    """Run functions at the same time, each in a thread that begins when all are there. Returns what they returned."""
    barrier = Barrier(len(jobs))

    def begin(job):
        barrier.wait()
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result() for future in [pool.submit(begin, job) for job in jobs]]


def version_of(run):
    return run["expected_start_time"][11:13], run["parameters"]["version"], tuple(run["tags"])


def test_no_reader_sees_runs_of_two_versions_while_an_update_and_a_scheduler_run(app, client):
    deployment = make_deployment(client, **VERSIONS[0])
    done = Event()
    parts = app.extensions["mintaka"]

    def update():
        client = app.test_client()
        try:
            for number in range(1, 26):
                body = {"name": deployment["name"], "flow_id": deployment["flow_id"]} | VERSIONS[number % 2]
                ok(client.post("/deployments/", json=body))
        finally:
            done.set()

    def read():
        client, seen = app.test_client(), []
        mine = {"flow_runs": {"deployment_id": {"any_": [deployment["id"]]}}}
        while not done.is_set():
            seen.append(Counter(version_of(run) for run in ok(client.post("/flow_runs/filter", json=mine))))
        return seen

    def schedule():
        while not done.is_set():
            Scheduler(parts).run_once(all_active=True)

    _, *answers, _ = together(update, read, read, schedule)
    for seen in answers:
        assert seen
        for versions in seen:
            ((version, count),) = versions.items()
            assert version in VERSIONED
            assert count >= 100
    assert {version_of(run) for run in runs_of(client, deployment)} == {("01", 1, ("auto-scheduled", "v1"))}


def test_clients_that_create_one_deployment_at_once_create_it_once(clients, api):
    flow = make_flow(api)["id"]
    body = {"name": "d", "flow_id": flow, "flow_data": DATA, "schedule": {"interval": HOUR}}
    answers = together(*[lambda: clients().post("/deployments/", json=body)] * 6)
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len({answer.json["id"] for answer in answers}) == 1
    runs = starts(runs_of(api, answers[0].json))
    assert len(runs) == len(set(runs)) == 100


def test_clients_that_use_one_idempotency_key_at_once_make_one_run(clients, api):
    deployment = make_deployment(api)
    here = f"/deployments/{deployment['id']}/create_flow_run"
    answers = together(*[lambda: clients().post(here, json={"idempotency_key": "k"})] * 6)
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len({answer.json["id"] for answer in answers}) == 1
    assert len(runs_of(api, deployment)) == 1


def test_clients_that_schedule_and_activate_at_once_make_no_duplicate(clients, api):
    deployment = make_deployment(api, schedule={"interval": HOUR}, is_schedule_active=False)
    here = f"/deployments/{deployment['id']}"
    ok(api.post(f"{here}/set_schedule_active"))
    window = {"start_time": "2022-05-01", "end_time": "2022-05-05"}
    together(
        *[lambda: ok(clients().post(f"{here}/set_schedule_active"))] * 3,
        *[lambda: ok(clients().post(f"{here}/schedule", json=window))] * 3,
    )
    runs = starts(runs_of(api, deployment))
    assert len(runs) == len(set(runs)) == 97 + 100


def test_nothing_is_left_when_a_pause_comes_last(clients, api):
    deployment = make_deployment(api, schedule={"interval": HOUR})
    here = f"/deployments/{deployment['id']}"
    for _ in range(3):
        together(
            lambda: ok(clients().post(f"{here}/set_schedule_active")),
            lambda: ok(clients().post(f"{here}/set_schedule_inactive")),
            lambda: ok(clients().post(f"{here}/schedule", json={"max_runs": 50})),
        )
        active = ok(api.get(here))["is_schedule_active"]
        assert len(runs_of(api, deployment)) == (100 if active else 0)
    ok(api.post(f"{here}/set_schedule_inactive"))
    assert runs_of(api, deployment) == []


def test_a_run_made_while_its_deployment_is_deleted_is_kept_or_refused(clients, api):
    flow = make_flow(api)["id"]
    for _ in range(4):
        deployment = make_deployment(api, flow_id=flow, schedule={"interval": HOUR})
        here = f"/deployments/{deployment['id']}"
        run, deleted, scheduled = together(
            lambda here=here: clients().post(f"{here}/create_flow_run"),
            lambda here=here: clients().delete(here),
            lambda here=here: clients().post(f"{here}/schedule"),
        )
        assert (deleted.status_code, run.status_code in (201, 404), scheduled.status_code in (200, 404)) == (204, True, True)
        if run.status_code == 201:
            assert ok(api.get(f"/flow_runs/{run.json['id']}"))["deployment_id"] is None
    left = ok(
        api.post("/flow_runs/count", json={"flows": {"id": {"any_": [flow]}}, "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}})
    )
    assert left == 0


def test_a_flow_deleted_while_clients_deploy_it_leaves_nothing(clients, api):
    for _ in range(3):
        flow = make_flow(api)["id"]
        body = {"name": "d", "flow_id": flow, "flow_data": DATA, "schedule": {"interval": HOUR}}
        *deployed, deleted = together(
            *[lambda body=body: clients().post("/deployments/", json=body)] * 3, lambda flow=flow: clients().delete(f"/flows/{flow}")
        )
        assert deleted.status_code == 204
        assert {answer.status_code for answer in deployed} <= {200, 201, 409}
        assert ok(api.post("/deployments/count", json={"flows": {"id": {"any_": [flow]}}})) == 0

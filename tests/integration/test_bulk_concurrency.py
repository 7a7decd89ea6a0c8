"""Changes of many runs at once, beside others at the same moment: each run ends once, and nobody is told of a deadlock."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app import create_app
from app.config import Settings
from tests.api.asking import ok, runs_of
from tests.api.factories import make_deployment
from tests.conftest import ApiClient

CALLERS = 9


@pytest.fixture
def app(database_url):
    """The application, with connections for many threads."""
    settings = Settings(database_url=database_url, database_pool_size=12, database_lock_timeout=30.0, log_level="error")
    app = create_app(settings)
    app.test_client_class = ApiClient
    yield app
    app.extensions["mintaka"].database.dispose()


def test_many_that_end_the_same_runs_of_several_deployments_end_each_once(app):
    client = app.test_client()
    deployments = [make_deployment(client, tags=["bulk"]) for _ in range(3)]
    runs = []
    # made in turns, so that the order of runs is not that of their deployments
    for n in range(12):
        deployment = deployments[-n % 3]
        if n < 3:
            ok(client.patch(f"/deployments/{deployment['id']}/policy", json={"concurrency_limit": 50, "pause_after_failures": 100}))
        runs.append(ok(client.post(f"/deployments/{deployment['id']}/create_flow_run", json={"state": {"type": "RUNNING"}}), 201))
    together = threading.Barrier(CALLERS)

    def call(n):
        client = app.test_client()
        together.wait()
        if n % 3 == 0:
            path = f"/flow_runs/{runs[n]['id']}/set_state"
            return int(ok(client.post(path, json={"state": {"type": "FAILED"}}), 200, 201)["status"] == "ACCEPT")
        chosen = {"deployments": {"tags": {"all_": ["bulk"]}}} if n % 3 == 1 else {"flow_runs": {"tags": {"all_": ["bulk"]}}}
        running = {"flow_runs": chosen.get("flow_runs", {}) | {"state": {"type": {"any_": ["RUNNING"]}}}}
        return ok(client.post("/flow_runs/set_state", json=chosen | running | {"state": {"type": "FAILED"}}))["changed"]

    with ThreadPoolExecutor(CALLERS) as pool:
        assert sum(pool.map(call, range(CALLERS))) == len(runs)
    ended = [run for deployment in deployments for run in runs_of(client, deployment)]
    assert {run["state_type"] for run in ended} == {"FAILED"}
    histories = [ok(client.get(f"/flow_run_states/?flow_run_id={run['id']}")) for run in ended]
    assert {len(history) for history in histories} == {2}

"""The reference's client and agent, unmodified, do their day's work with Mintaka on PostgreSQL."""

import re
import subprocess
import sys
from contextlib import contextmanager

import pytest
import requests

from app.domain.keys import ADMIN, SCOPES
from tests.conftest import ENCRYPTION_KEY
from tests.e2e import reference
from tests.e2e.real_client import PATIENCE, RealClient
from tests.keys import bearer, stored_key
from tests.serving import ROOT, environment, running_scheduler, wait_until

pytestmark = pytest.mark.slow

ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
FLOW_RUN_STATES = ["Scheduled", "Pending", "Running", "Completed"]


class Api:
    """The API of a server, for a look at what the client left there."""

    def __init__(self, url, key):
        self.url, self.key = url, key

    def get(self, path, **query):
        return self._answer("GET", path, params=query)

    def post(self, path, **body):
        return self._answer("POST", path, json=body)

    def state_names(self, kind, run):
        """The names of the states that a run of a kind ("flow" or "task") went through, the first one first, late or not."""
        states = self.get(f"/{kind}_run_states/", **{f"{kind}_run_id": run["id"]})
        return [state["name"] for state in states if state["name"] != "Late"]

    def task_runs(self, flow_run, task):
        """The runs of one task in a flow run, in order of creation."""
        runs = self.post("/task_runs/filter", flow_runs={"id": {"any_": [flow_run["id"]]}}, task_runs={"name": {"like_": task}})
        return sorted(runs, key=lambda run: run["name"])

    def _answer(self, method, path, **arguments):
        answer = requests.request(method, self.url + path, headers=bearer(self.key), timeout=PATIENCE, **arguments)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None


@contextmanager
def explained_by(*logs):
    """Show the ends of log files with whatever goes wrong in the block."""
    try:
        yield
    except BaseException as error:
        for log in logs:
            error.add_note(f"--- {log.name}:\n{log.read_text()[-5000:] if log.exists() else 'not begun'}")
        raise


def mintaka_blocks(*words, **settings):
    """The output of a `mintaka blocks` command that must succeed."""
    command = [sys.executable, "-m", "app", "blocks", *words]
    ran = subprocess.run(command, cwd=ROOT, env=environment(**settings), capture_output=True, text=True, timeout=PATIENCE)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout.strip()


def test_the_real_client_and_agent_deploy_run_and_read_back(postgres_url, gunicorn_server, tmp_path):
    reference.require()
    server = gunicorn_server(postgres_url, workers=2, encryption_keys=(ENCRYPTION_KEY,), auth="on")
    keys = [stored_key(postgres_url, *scopes) for scopes in (set(SCOPES) - {ADMIN, "worker"}, {"worker"})]
    agent_log, scheduler_log = tmp_path / "agent.log", tmp_path / "scheduler.log"
    with explained_by(server.log, scheduler_log, agent_log), running_scheduler(postgres_url, scheduler_log, scheduler_loop_seconds=1):
        mintaka_blocks("register", "--python", reference.python(), "--url", server.api, api_key=keys[0])
        a_working_day(server.api, tmp_path, agent_log, *keys)


def a_working_day(url, folder, agent_log, key, agent_key):
    """Everything that the client does, against the API at `url`, whose scheduler runs and whose blocks are registered."""
    api = Api(url, key)
    with RealClient(url, folder, key, agent_key) as client:
        by_hand_id = deploy(api, client, folder)
        queue_id = open_a_queue(api, client)
        client.prefect("concurrency-limit", "create", "scarce", "1")
        with client.agent("everything", agent_log):
            scheduled = wait_until(lambda: scheduled_and_completed(api), "a run of the schedule completes", PATIENCE)
            api.post(f"/deployments/{scheduled['deployment_id']}/set_schedule_inactive")
            # meanwhile, one of two tasks under the tag waits for half a minute
            look_around(api, client, by_hand_id, queue_id)
            by_hand = wait_until(lambda: completed(api, id={"any_": [by_hand_id]}), "the run by hand completes", PATIENCE)
            for run in (by_hand, scheduled):
                check_history(api, run)
                wait_until(lambda run=run: begins_with_a_line(api, run, folder), "the run's log is there")
        check_the_limit(api, client, by_hand)
        delete_deployments(api, client, by_hand, scheduled)
        client.prefect("work-queue", "delete", queue_id)
        assert api.post("/work_queues/filter") == []


def deploy(api, client, folder):
    """Create the deployments, twice, and ask for a run by hand; returns its id."""
    said = client.prefect("deployment", "create", "deployments.py", ETL_FOLDER=str(folder), ETL_SECONDS="9")
    assert "Created 2 deployments!" in said
    client.prefect("deployment", "create", "deployments.py", ETL_FOLDER=str(folder), ETL_SECONDS="10")
    assert api.post("/deployments/count") == 2
    return ID.search(client.prefect("deployment", "run", "etl/by-hand")).group()


def open_a_queue(api, client):
    """Create a work queue for both deployments, pause it, resume it and limit it; returns its id."""
    queue_id = ID.search(client.prefect("work-queue", "create", "everything", "--tag", "etl")).group()
    client.prefect("work-queue", "pause", queue_id)
    assert "No runs found" in client.prefect("work-queue", "preview", queue_id, "--hours", "2")
    assert "everything (**)" in client.prefect("work-queue", "ls")
    client.prefect("work-queue", "resume", queue_id)
    assert api.get("/deployments/name/etl/scheduled")["id"] in client.prefect("work-queue", "preview", queue_id, "--hours", "2")
    client.prefect("work-queue", "set-concurrency-limit", queue_id, "2")
    return queue_id


def look_around(api, client, by_hand_id, queue_id):
    """Ask for what there is, in every way that the client has."""
    listed = client.prefect("deployment", "ls")
    assert "etl/scheduled" in listed
    assert "etl/by-hand" in listed
    assert "'interval': 10.0" in client.prefect("deployment", "inspect", "etl/scheduled")
    assert "concurrency_limit=2" in client.prefect("work-queue", "inspect", queue_id)
    assert by_hand_id in client.prefect("flow-run", "ls", "--limit", "200")
    assert by_hand_id in client.prefect("flow-run", "inspect", by_hand_id)
    assert "scarce" in client.prefect("concurrency-limit", "ls")


def completed(api, **criteria):
    """The first flow run that meets `criteria` and is COMPLETED, or None; a failed one ends the test."""
    runs = api.post("/flow_runs/filter", flow_runs=criteria, sort="EXPECTED_START_TIME_ASC")
    assert not [run for run in runs if run["state"]["type"] == "FAILED"]
    return next((run for run in runs if run["state"]["type"] == "COMPLETED"), None)


def scheduled_and_completed(api):
    return completed(api, tags={"all_": ["auto-scheduled"]})


def begins_with_a_line(api, run, folder):
    """Whether the line that the flow writes first has arrived, under the run's own id and no other's."""
    logs = api.post("/logs/filter", logs={"flow_run_id": {"any_": [run["id"]]}, "level": {"ge_": 20}}, sort="TIMESTAMP_ASC")
    return f"etl begins in {folder}" in [log["message"] for log in logs]


def check_history(api, run):
    """The retry, the cached task and the subflow of a flow run."""
    assert api.state_names("flow", run) == FLOW_RUN_STATES
    [retried] = api.task_runs(run, "fail_once")
    assert api.state_names("task", retried) == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]
    assert retried["run_count"] == 2
    first, second = api.task_runs(run, "square")
    assert api.state_names("task", first) == ["Pending", "Running", "Completed"]
    assert api.state_names("task", second) == ["Pending", "Cached"]
    [parent] = api.task_runs(run, "total")
    [subflow] = api.post("/flow_runs/filter", flow_runs={"parent_task_run_id": {"any_": [parent["id"]]}})
    assert subflow["state"]["type"] == parent["state"]["type"] == "COMPLETED"
    assert parent["state"]["state_details"]["child_flow_run_id"] == subflow["id"]
    upstream = {node["id"]: {source["id"] for source in node["upstream_dependencies"]} for node in api.get(f"/flow_runs/{run['id']}/graph")}
    assert upstream[parent["id"]] == {first["id"], second["id"]}


def check_the_limit(api, client, run):
    """The two tasks under the tag ran one after the other, and gave their slots back."""
    one, other = sorted(api.task_runs(run, "use_what_is_scarce"), key=lambda task_run: task_run["start_time"])
    assert one["end_time"] <= other["start_time"]
    assert api.get("/concurrency_limits/tag/scarce")["active_slots"] == []
    client.prefect("concurrency-limit", "delete", "scarce")


def delete_deployments(api, client, *runs):
    """Delete the deployments; what ran stays, what was still to come goes."""
    for run in runs:
        client.prefect("deployment", "delete", run["deployment_id"])
    assert "etl" not in client.prefect("deployment", "ls")
    for run in runs:
        kept = api.get(f"/flow_runs/{run['id']}")
        assert kept["deployment_id"] is None
        assert api.state_names("flow", kept) == FLOW_RUN_STATES
    assert api.post("/flow_runs/count", flow_runs={"state": {"type": {"any_": ["SCHEDULED"]}}}) == 0

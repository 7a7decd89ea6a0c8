"""A key with tags reaches deployments, runs, logs and work queues that bear all of them, and nothing else: in lists, counts and by id."""

from dataclasses import replace
from itertools import combinations
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app import create_app
from app.api.http.authentication import OPEN
from app.config import Settings
from app.domain.keys import ADMIN, SCOPES, UNFENCED_SCOPES
from tests.api.asking import ids, ok
from tests.api.factories import make_deployment, make_due_runs, make_flow, make_flow_run, make_task_run, make_work_queue
from tests.api.test_audit_routes import CHANGES
from tests.api.test_scopes import contents
from tests.conftest import ApiClient
from tests.keys import bearer, make_key

FENCED_SCOPES = [scope for scope in SCOPES if scope not in UNFENCED_SCOPES]
TEAM, OTHER = "team-a", "team-b"
HOURLY = {"interval": 3600}

# What bears no tags, and is closed to keys with tags
CLOSED = ("Admin.", "Audit.", "Block ", "Concurrency Limits.", "Saved Searches.", "metrics.", "Explanations.")
CLOSED_ROUTES = {"Flows.update_flow", "Flows.delete_flow"}
# What makes something, and so changes nothing that is there
MAKES = {
    "Flows.create_flow",
    "Deployments.create_deployment",
    "Flow Runs.create_flow_run",
    "Task Runs.create_task_run",
    "Work Queues.create_work_queue",
}
# What changes those that meet filters: none of them is inside
BULK = {"Deployments.pause_deployments", "Deployments.resume_deployments", "Flow Runs.set_flow_run_states", "Flow Runs.delete_flow_runs"}


@pytest.fixture
def guarded(settings):
    """An application that asks for keys."""
    app = create_app(replace(settings, auth="on", admin_database_routes=True))
    app.test_client_class = ApiClient
    yield app
    app.extensions["mintaka"].database.dispose()


def client_of(app, key):
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = bearer(key)["Authorization"]
    return client


@pytest.fixture
def administrator(guarded):
    return client_of(guarded, make_key(guarded, ADMIN))


@pytest.fixture
def team(guarded):
    """A client with a key that is fenced in by TEAM."""
    return client_of(guarded, make_key(guarded, *FENCED_SCOPES, tags=[TEAM]))


@pytest.fixture(scope="module")
def routes():
    """The view of each endpoint that asks for a key."""
    app = create_app(Settings(database_url="sqlite:////nowhere/mintaka.db"))
    return {rule.endpoint: app.view_functions[rule.endpoint] for rule in app.url_map.iter_rules() if rule.endpoint not in OPEN}


def test_every_route_says_how_it_is_fenced_in_or_is_closed(routes):
    closed = {endpoint for endpoint, view in routes.items() if not hasattr(view, "fence")}
    assert closed == {endpoint for endpoint in routes if endpoint.startswith(CLOSED)} | CLOSED_ROUTES


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("endpoint", CHANGES)
def test_what_is_outside_is_not_changed(guarded, administrator, team, routes, endpoint):
    prepare, _, _ = CHANGES[endpoint]
    method, path, body = prepare(administrator)
    before = contents(guarded)
    response = team.open(path, method=method, json=body)
    if endpoint in MAKES:
        # of a parent that is outside it makes nothing
        assert response.status_code in (200, 201, 409), response.text
        return
    if endpoint in BULK:
        assert response.status_code == 200
        assert not any(value for value in response.json.values() if isinstance(value, int) and not isinstance(value, bool)), response.text
    else:
        assert response.status_code == (404 if hasattr(routes[endpoint], "fence") else 403), response.text
    assert contents(guarded) == before


@pytest.fixture
def teams(administrator):
    """What two teams have: {tag: {kind: id or name}}."""

    def make(tag):
        flow = make_flow(administrator)
        deployment = make_deployment(administrator, flow_id=flow["id"], tags=[tag], schedule=HOURLY, is_schedule_active=False)
        run = make_flow_run(administrator, flow_id=flow["id"], tags=[tag, "x"])
        task_run = make_task_run(administrator, flow_run_id=run["id"])
        line = {"name": "l", "level": 20, "message": tag, "timestamp": "2022-06-01T00:00:00Z", "flow_run_id": run["id"]}
        ok(administrator.post("/logs/", json=[line]), 201)
        backfill = ok(
            administrator.post(
                f"/deployments/{deployment['id']}/backfills", json={"start": "2022-06-01T00:00:00Z", "end": "2022-06-01T03:00:00Z"}
            ),
            201,
        )
        queue = make_work_queue(administrator, filter={"tags": [tag]})
        return {
            "flow": flow["id"],
            "flow_name": flow["name"],
            "deployment": deployment["id"],
            "deployment_name": deployment["name"],
            "run": run["id"],
            "run_state": run["state_id"],
            "task_run": task_run["id"],
            "task_run_state": task_run["state_id"],
            "backfill": backfill["id"],
            "queue": queue["id"],
            "queue_name": queue["name"],
        }

    return {tag: make(tag) for tag in (TEAM, OTHER)}


READS = (
    ("GET", "/flows/{flow}"),
    ("GET", "/flows/name/{flow_name}"),
    ("GET", "/deployments/{deployment}"),
    ("GET", "/deployments/name/{flow_name}/{deployment_name}"),
    ("GET", "/deployments/{deployment}/pause"),
    ("GET", "/deployments/{deployment}/policy"),
    ("GET", "/deployments/{deployment}/schedules"),
    ("GET", "/deployments/{deployment}/schedules/default"),
    ("GET", "/flow_runs/{run}"),
    ("GET", "/flow_runs/{run}/graph"),
    ("GET", "/flow_run_states/{run_state}"),
    ("GET", "/task_runs/{task_run}"),
    ("GET", "/task_run_states/{task_run_state}"),
    ("GET", "/backfills/{backfill}"),
    ("GET", "/work_queues/{queue}"),
    ("GET", "/work_queues/name/{queue_name}"),
    ("POST", "/work_queues/{queue}/get_runs"),
    ("POST", "/work_queues/{queue}/holders"),
)


def test_what_is_outside_is_not_there(team, teams):
    for method, path in READS:
        assert team.open(path.format(**teams[TEAM]), method=method).status_code == 200, path
        outside = team.open(path.format(**teams[OTHER]), method=method)
        nowhere = team.open(path.format(**{name: uuid4() for name in teams[OTHER]}), method=method)
        assert (outside.status_code, outside.json["detail"]) == (404, nowhere.json["detail"]), path


def test_reads_by_id_are_all_tried(routes):
    tried = {path.split("?")[0].split("/")[1] for _, path in READS}
    assert tried == {"flows", "deployments", "flow_runs", "flow_run_states", "task_runs", "task_run_states", "backfills", "work_queues"}
    assert sum("read" in endpoint and hasattr(view, "fence") for endpoint, view in routes.items()) == len(READS) + 9  # and the lists


def test_lists_have_what_is_inside(team, teams):
    for path, kind in (
        ("/flows/filter", "flow"),
        ("/deployments/filter", "deployment"),
        ("/flow_runs/filter", "run"),
        ("/task_runs/filter", "task_run"),
        ("/work_queues/filter", "queue"),
        ("/backfills/filter", "backfill"),
    ):
        found = ids(ok(team.post(path, json={})))
        assert teams[TEAM][kind] in found, path
        assert teams[OTHER][kind] not in found, path
    assert {line["message"] for line in ok(team.post("/logs/filter", json={}))} == {TEAM}
    for path in ("/flow_run_states/?flow_run_id={run}", "/task_run_states/?task_run_id={task_run}"):
        assert len(ok(team.get(path.format(**teams[TEAM])))) == 1
        assert ok(team.get(path.format(**teams[OTHER]))) == []
    history = {"history_start": "2000-01-01T00:00:00Z", "history_end": "2100-01-01T00:00:00Z", "history_interval_seconds": 10**9}
    intervals = ok(team.post("/task_runs/history", json=history))
    assert sum(state["count_runs"] for interval in intervals for state in interval["states"]) == 1


TAGS = [list(chosen) for size in range(3) for chosen in combinations((TEAM, OTHER, "x"), size)]
CRITERIA = st.fixed_dictionaries(
    {},
    optional={
        "deployments": st.fixed_dictionaries({}, optional={"tags": st.builds(lambda tags: {"all_": tags}, st.sampled_from(TAGS))}),
        "flow_runs": st.fixed_dictionaries(
            {}, optional={"tags": st.builds(lambda tags: {"all_": tags}, st.sampled_from(TAGS)) | st.just({"is_null_": True})}
        ),
    },
)


def bears(document, criteria, *more):
    asked = criteria.get("tags") or {}
    if asked.get("is_null_") and document["tags"]:
        return False
    return {*asked.get("all_", ()), *more} <= set(document["tags"])


def test_lists_and_counts_are_those_of_brute_force(guarded, administrator):
    key = make_key(guarded, *FENCED_SCOPES, tags=[TEAM])
    team = client_of(guarded, key)
    deployments = [make_deployment(administrator, tags=tags) for tags in TAGS]
    runs = [
        ok(administrator.post(f"/deployments/{deployment['id']}/create_flow_run", json={"tags": tags}), 201)
        for deployment in deployments
        for tags in ([], [TEAM], ["x"])
    ]
    by_id = {deployment["id"]: deployment for deployment in deployments}

    def expected(entity, filters):
        """By what the criteria say of a row and of what it is related to, all of which has to be inside."""
        of_run, of_deployment = filters.get("flow_runs"), filters.get("deployments")
        if entity == "flow_runs":
            return {
                run["id"]
                for run in runs
                if bears(run, of_run or {}, TEAM) and (of_deployment is None or bears(by_id[run["deployment_id"]], of_deployment, TEAM))
            }
        return {
            id
            for id, deployment in by_id.items()
            if bears(deployment, of_deployment or {}, TEAM)
            and (of_run is None or any(run["deployment_id"] == id and bears(run, of_run, TEAM) for run in runs))
        }

    @given(filters=CRITERIA)
    @hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def check(filters):
        for entity in ("deployments", "flow_runs"):
            wanted = expected(entity, filters)
            assert ids(ok(team.post(f"/{entity}/filter", json=filters))) == wanted
            assert ok(team.post(f"/{entity}/count", json=filters)) == len(wanted)

    check()


def test_what_a_key_makes_bears_its_tags_and_goes_on_bearing_them(team):
    deployment = make_deployment(team, tags=["x"])
    assert deployment["tags"] == ["x", TEAM]
    path = f"/deployments/{deployment['id']}"
    assert ok(team.patch(path, json={"tags": []}))["tags"] == [TEAM]
    assert ok(team.patch(path, json={"name": "other"}))["tags"] == [TEAM]
    body = {"flow_id": deployment["flow_id"], "name": "other", "flow_data": deployment["flow_data"]}
    assert ok(team.post("/deployments/", json=body | {"tags": ["y"]}))["tags"] == ["y", TEAM]
    assert ok(team.post("/deployments/", json=body))["tags"] == ["y", TEAM]
    assert ok(team.post("/deployments/", json=body | {"name": "bare"}), 201)["tags"] == [TEAM]
    run = make_flow_run(team)
    assert run["tags"] == [TEAM]
    assert team.patch(f"/flow_runs/{run['id']}", json={"tags": ["z"]}).status_code == 204
    assert ok(team.get(f"/flow_runs/{run['id']}"))["tags"] == ["z", TEAM]
    assert ok(team.post(f"{path}/create_flow_run", json={"tags": ["w"]}), 201)["tags"] == ["y", TEAM, "w"]
    queue = make_work_queue(team)
    assert queue["filter"]["tags"] == [TEAM]
    assert team.patch(f"/work_queues/{queue['id']}", json={"filter": {"tags": ["v"]}}).status_code == 204
    assert ok(team.get(f"/work_queues/{queue['id']}"))["filter"]["tags"] == ["v", TEAM]
    # those of a task count for concurrency limits
    assert make_task_run(team, flow_run_id=run["id"], tags=["db"])["tags"] == ["db"]


def test_several_tags_have_to_be_borne_all(guarded, administrator):
    key = client_of(guarded, make_key(guarded, *FENCED_SCOPES, tags=[TEAM, "x"]))
    found = [make_deployment(administrator, tags=tags) for tags in ([TEAM], ["x"], [TEAM, "x"], ["x", "y", TEAM])]
    assert ids(ok(key.post("/deployments/filter", json={}))) == ids(found[2:])
    assert set(make_deployment(key)["tags"]) == {TEAM, "x"}


def test_nothing_is_made_of_what_is_outside(administrator, team, teams):
    outside, inside = teams[OTHER], teams[TEAM]
    named = ok(administrator.get(f"/deployments/{outside['deployment']}"))
    body = {"flow_id": named["flow_id"], "name": named["name"], "flow_data": {"encoding": "json", "blob": "stolen"}}
    assert team.post("/deployments/", json=body).status_code == 409
    assert ok(administrator.get(f"/deployments/{outside['deployment']}")) == named
    assert team.post(f"/deployments/{outside['deployment']}/create_flow_run").status_code == 404
    run = {"flow_id": inside["flow"]}
    assert team.post("/flow_runs/", json=run | {"deployment_id": outside["deployment"]}).status_code == 409
    assert team.post("/flow_runs/", json=run | {"parent_task_run_id": outside["task_run"]}).status_code == 409
    task = {"flow_run_id": outside["run"], "task_key": "t", "dynamic_key": "0"}
    assert team.post("/task_runs/", json=task).status_code == 409
    line = {"name": "l", "level": 20, "message": "m", "timestamp": "2022-06-01T00:00:00Z"}
    mixed = [line | {"flow_run_id": inside["run"]}, line | {"flow_run_id": outside["run"]}]
    assert team.post("/logs/", json=mixed).status_code == 409
    assert len(ok(administrator.post("/logs/filter", json={}))) == len(teams)
    # a key that identifies a run of others shows nothing of it
    taken = make_flow_run(administrator, flow_id=inside["flow"], idempotency_key="once", parameters={"secret": 1})
    answer = team.post("/flow_runs/", json=run | {"idempotency_key": "once"})
    assert answer.status_code == 409
    assert "secret" not in answer.text
    assert ok(administrator.get(f"/flow_runs/{taken['id']}"))["tags"] == []


def test_a_worker_gets_runs_inside(administrator, team):
    own, others = make_due_runs(administrator, 2, tags=[TEAM]), make_due_runs(administrator, 2, tags=[OTHER])
    queue, everything = make_work_queue(team), make_work_queue(administrator)
    assert team.post(f"/work_queues/{everything['id']}/claim_runs").status_code == 404
    assert ids(ok(team.post(f"/work_queues/{queue['id']}/get_runs"))) == ids(own)
    claimed = ok(team.post(f"/work_queues/{queue['id']}/claim_runs"))
    assert {claim["flow_run"]["id"] for claim in claimed} == ids(own)
    lease = {"lease_id": claimed[0]["lease_id"]}
    assert team.post(f"/flow_runs/{claimed[0]['flow_run']['id']}/heartbeat", json=lease).status_code == 200
    assert team.post(f"/flow_runs/{others[0]['id']}/heartbeat", json=lease).status_code == 404
    state = {"state": {"type": "RUNNING"}}
    assert team.post(f"/flow_runs/{claimed[0]['flow_run']['id']}/set_state", json=state).status_code == 201
    assert team.post(f"/flow_runs/{others[0]['id']}/set_state", json=state).status_code == 404


def test_bulk_changes_stay_inside(administrator, team, teams):
    assert ok(team.post("/deployments/resume", json={})) == {"changed": 1}
    assert not ok(administrator.get(f"/deployments/{teams[OTHER]['deployment']}"))["is_schedule_active"]
    assert ok(team.post("/deployments/pause", json={})) == {"changed": 1}
    ok(team.post("/flow_runs/delete", json={"flow_runs": {"tags": {"all_": ["x"]}}}))
    left = ids(ok(administrator.post("/flow_runs/filter", json={})))
    assert teams[OTHER]["run"] in left
    assert teams[TEAM]["run"] not in left


def test_a_route_that_is_closed_says_why(team):
    answer = team.get("/concurrency_limits/tag/x")
    assert answer.status_code == 403
    assert "has tags" in answer.json["detail"]
    assert team.get("/hello").status_code == 200
    preview = {"schedule": {"cron": "0 9 * * *"}, "limit": 1}
    assert team.post("/schedules/preview", json=preview).status_code == 200

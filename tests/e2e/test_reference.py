"""Mintaka and the reference server, side by side: the same requests, the same answers, except where the contract says otherwise."""

import pytest

from tests.e2e import reference
from tests.e2e.conversation import ABSENT, Speaker, Step, get, post

BLOB = {"encoding": "json", "blob": '"s3://bucket/flow.py"'}
WEEK = {"start_time": "2022-03-20T00:00:00+00:00", "end_time": "2022-04-03T00:00:00+00:00"}
DECADE = {"start_time": "2020-01-01T00:00:00+00:00", "end_time": "2030-01-01T00:00:00+00:00"}

# the reference answers 500 to a window for a cron schedule without a zone, and to a filter with an instant without an offset (on SQLite)
SCHEDULES = {
    "monthly-last-friday": (
        {"rrule": "DTSTART:20200101T000000\nRRULE:FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18;BYMINUTE=0", "timezone": "UTC"},
        DECADE,
    ),
    "weekdays-at-9-in-berlin": ({"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin"}, WEEK),
    "every-20-minutes": ({"interval": 1200, "anchor_date": "2022-01-01T00:00:00+00:00"}, WEEK),
    "every-36-hours": ({"interval": 129600}, WEEK),
    "29th-of-february": ({"cron": "0 0 29 2 *", "timezone": "UTC"}, DECADE),
    "or-of-days": ({"cron": "30 4 1,15 * 5", "timezone": "UTC"}, WEEK),
    "and-of-days": ({"cron": "30 4 13 * 5", "timezone": "UTC", "day_or": False}, DECADE),
}

# the reference's default, by id, is a random order: its ids are
IN_ORDER = {"sort": "EXPECTED_START_TIME_ASC"}

FLOWS = [
    post("/flows/", {"name": "f-one", "tags": ["a", "b", "a"]}, save="one"),
    post("/flows/", {"name": "f-one", "tags": ["c"]}),
    post("/flows/", {"name": "f-two"}, save="two"),
    post("/flows/", {"name": "f-three", "tags": ["b"]}, save="three"),
    get("/flows/{one}"),
    get("/flows/name/f-two"),
    get("/flows/name/missing"),
    get(f"/flows/{ABSENT}"),
    Step("PATCH", "/flows/{two}", {"tags": ["b", "x"]}),
    Step("PATCH", "/flows/{two}", {}),
    Step("PATCH", f"/flows/{ABSENT}", {"tags": []}),
    get("/flows/{two}"),
    post("/flows/filter", {"sort": "NAME_DESC"}),
    post("/flows/filter", {"sort": "CREATED_DESC", "limit": 2, "offset": 1}),
    post("/flows/filter", {"flows": {"tags": {"all_": ["b"]}}}),
    post("/flows/filter", {"flows": {"tags": {"is_null_": True}}}),
    post("/flows/filter", {"flows": {"name": {"like_": "F-T"}, "id": None}}),
    post("/flows/count", {"flows": {"name": {"any_": ["f-one", "f-two"]}}}),
    post("/flows/count", {"deployments": {}}),
]

DEPLOYMENTS = [
    post("/deployments/", {"name": "plain", "flow_id": "{one}", "flow_data": BLOB}, save="plain"),
    post("/deployments/", {"name": "rich", "flow_id": "{one}", "flow_data": BLOB, "parameters": {"a": 1, "b": [1, {"c": None}]}}
         | {"tags": ["t", "u"], "flow_runner": {"type": "subprocess", "config": {"env": {"A": "b"}}}, "is_schedule_active": False},
         save="rich"),
    post("/deployments/", {"name": "plain", "flow_id": ABSENT, "flow_data": BLOB}, differs="errors are problem documents"),
    get("/deployments/{rich}"),
    get("/deployments/name/f-one/rich"),
    get("/deployments/name/f-two/rich"),
    get(f"/deployments/{ABSENT}"),
    post("/deployments/filter", {"limit": 2, "deployments": {"name": {"any_": ["rich", "plain"]}}}),
    post("/deployments/filter", {"deployments": {"tags": {"all_": ["u"]}}, "flows": {"name": {"like_": "ONE"}}}),
    post("/deployments/count", {"deployments": {"is_schedule_active": {"eq_": False}}}),
    post("/deployments/count", {"deployments": {"tags": {"is_null_": True}}}),
    post("/deployments/{rich}/set_schedule_active"),
    get("/deployments/{rich}"),
    post("/deployments/{rich}/set_schedule_inactive"),
    post(f"/deployments/{ABSENT}/set_schedule_active"),
    post(f"/deployments/{ABSENT}/set_schedule_inactive"),
    post("/deployments/{plain}/schedule", {"max_runs": 5}),
]  # fmt: skip

RUNS = [
    post("/deployments/{rich}/create_flow_run", {"parameters": {"b": 2, "z": True}, "name": "by-hand-1"}, save="run"),
    post("/deployments/{rich}/create_flow_run", {"idempotency_key": "k", "state": {"type": "SCHEDULED", "message": "soon"}}, save="keyed"),
    post("/deployments/{rich}/create_flow_run", {"idempotency_key": "k", "parameters": {"ignored": 1}}),
    post("/deployments/{plain}/create_flow_run", {"flow_runner": {"type": "docker"}}),
    post(f"/deployments/{ABSENT}/create_flow_run"),
    get("/deployments/{rich}"),
    get("/flow_runs/{run}"),
    get(f"/flow_runs/{ABSENT}"),
    post("/flow_runs/", {"flow_id": "{two}", "name": "running-1", "state": {"type": "RUNNING", "name": "Started"}, "context": {"a": 1}},
         save="running"),
    post("/flow_runs/", {"flow_id": "{two}", "name": "done-1", "state": {"type": "COMPLETED", "data": BLOB}}
         | {"flow_version": "1", "tags": ["q"]}),
    post("/flow_runs/", {"flow_id": "{two}", "name": "later-1"}
         | {"state": {"type": "SCHEDULED", "state_details": {"scheduled_time": "2031-01-01T00:00:00+01:00"}}}),
    post("/flow_runs/", {"flow_id": ABSENT}, differs="errors are problem documents"),
    Step("PATCH", "/flow_runs/{running}", {"name": "renamed-1", "tags": ["n"], "parameters": {"p": 1}, "flow_runner": {"type": "y"}}),
    Step("PATCH", f"/flow_runs/{ABSENT}", {"name": "x"}),
    get("/flow_runs/{running}"),
    post("/task_runs/", {"flow_run_id": "{running}", "task_key": "t", "dynamic_key": "0", "name": "task-1", "tags": ["x"]}
         | {"task_inputs": {"x": [{"input_type": "constant", "type": "int"}]}, "empirical_policy": {"max_retries": 2}}, save="task"),
    post("/task_runs/", {"flow_run_id": "{running}", "task_key": "t", "dynamic_key": "0"}),
    post("/task_runs/", {"flow_run_id": "{running}", "task_key": "t", "dynamic_key": "1", "name": "task-2", "state": {"type": "RUNNING"}}),
    post("/task_runs/", {"flow_run_id": ABSENT, "task_key": "t", "dynamic_key": "0"}, differs="errors are problem documents"),
    get("/task_runs/{task}"),
    get(f"/task_runs/{ABSENT}"),
    post("/task_runs/filter", {"sort": "NAME_ASC"}),
    post("/task_runs/filter", {"task_runs": {"state": {"type": {"any_": ["RUNNING"]}}}, "flows": {"name": {"any_": ["f-two"]}}}),
    post("/task_runs/count", {"task_runs": {"subflow_runs": {"exists_": False}}, "flow_runs": {"name": {"like_": "renamed"}}}),
    post("/flow_runs/count", {"task_runs": {"tags": {"all_": ["x"]}}}),
    post("/flow_runs/filter", {"sort": "NAME_ASC", "flows": {"id": {"any_": ["{two}"]}}}),
    post("/flow_runs/filter", {"sort": "NAME_DESC", "flow_runs": {"state": {"name": {"any_": ["Started", "Completed"]}}}}),
    post("/flow_runs/filter", {**IN_ORDER, "flow_runs": {"flow_version": {"any_": ["1"]}}}),
    post("/flow_runs/filter", {**IN_ORDER, "flow_runs": {"flow_runner_type": {"any_": ["y", "docker"]},
                                                     "parent_task_run_id": {"is_null_": True}}}),
    post("/flow_runs/filter", {**IN_ORDER, "flow_runs": {"expected_start_time": {"after_": "2030-12-31T23:00:00Z",
                                                                     "before_": "2031-01-01T00:00:00+01:00"}}}),
    post("/flow_runs/filter", {**IN_ORDER, "flow_runs": {"next_scheduled_start_time": {"after_": "2030-12-31T23:00:00Z"}}}),
    post("/flow_runs/filter", {**IN_ORDER, "flow_runs": {"start_time": {"is_null_": False}, "deployment_id": {"is_null_": True}}}),
    post("/flow_runs/count", {"flow_runs": {"id": {"not_any_": ["{run}"]}}, "deployments": {}}),
    post("/flow_runs/count", {"flow_runs": {"tags": {"is_null_": True}}}),
    post("/flows/filter", {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}, "task_runs": {"tags": {"all_": ["x"]}}}),
    post("/deployments/filter", {"flow_runs": {"state": {"type": {"any_": ["PENDING"]}}}}),
]  # fmt: skip

REFUSALS = [
    post("/flows/", {"name": "a/b"}, differs="errors are problem documents"),
    post("/flows/", {"name": "x", "unknown": 1}, differs="errors are problem documents"),
    post("/deployments/", {"name": "x", "flow_id": "{one}"}, differs="errors are problem documents"),
    post(
        "/deployments/",
        {"name": "x", "flow_id": "{one}", "flow_data": BLOB, "schedule": {"interval": 0}},
        differs="errors are problem documents",
    ),
    post(
        "/deployments/",
        {"name": "x", "flow_id": "{one}", "flow_data": BLOB, "schedule": {"cron": "nonsense"}},
        differs="errors are problem documents",
    ),
    post("/flow_runs/filter", {"limit": 201}, differs="errors are problem documents"),
    post("/flow_runs/filter", {"limit": -1}, differs="errors are problem documents"),
    post("/flow_runs/filter", {"offset": -1}, differs="errors are problem documents"),
    post("/flow_runs/filter", {"sort": "BY_MOOD"}, differs="errors are problem documents"),
    post("/flow_runs/count", {"flow_runs": {"state": {"type": {"any_": ["ASLEEP"]}}}}, differs="errors are problem documents"),
    post("/task_runs/", {"flow_run_id": "{running}", "task_key": "t"}, differs="errors are problem documents"),
    get("/flow_runs/not-an-id", differs="errors are problem documents"),
    Step("PUT", "/flows/", {}, differs="errors are problem documents"),
    get("/no/such/path", differs="errors are problem documents"),
    get("/hello", headers={"X-PREFECT-API-VERSION": "9.9.9"}, differs="errors are problem documents"),
    get("/hello", headers={"X-PREFECT-API-VERSION": "new"}, differs="errors are problem documents"),
    get("/hello", headers={"X-PREFECT-API-VERSION": "0.6.0"}),
    get("/hello"),
    get("/health"),
    get("/admin/version"),
]

ENDINGS = [
    Step("DELETE", "/deployments/{rich}"),
    Step("DELETE", "/deployments/{rich}"),
    get("/flow_runs/{run}"),
    get("/flow_runs/{keyed}"),
    Step("DELETE", "/task_runs/{task}"),
    Step("DELETE", "/task_runs/{task}"),
    Step("DELETE", "/flow_runs/{running}"),
    Step("DELETE", "/flow_runs/{running}"),
    post("/task_runs/count"),
    Step("DELETE", "/flows/{one}"),
    Step("DELETE", "/flows/{one}"),
    post("/deployments/count", {"flows": {"name": {"any_": ["f-one"]}}}),
]


def scheduled(name, schedule, window):
    """Steps that register a schedule of a kind, backfill a window that lies in the past or far ahead, and list what came of it."""
    one_of_it = {"id": {"any_": [f"{{{name}}}"]}}
    within = {"expected_start_time": {"after_": window["start_time"], "before_": window["end_time"]}}
    # runs near the present are the ones that Mintaka makes at once and the reference leaves to its loop
    near = {"expected_start_time": {"before_": min(window["end_time"], "2026-01-01T00:00:00+00:00"), "after_": window["start_time"]}}
    listing = {"deployments": one_of_it, "sort": "EXPECTED_START_TIME_ASC", "flow_runs": near if window is DECADE else within}
    body = {"name": name, "flow_id": "{three}", "flow_data": BLOB, "schedule": schedule, "tags": ["s"], "parameters": {"k": name}}
    return [
        post("/deployments/", body, save=name),
        post(f"/deployments/{{{name}}}/schedule", {**window, "max_runs": 100}),
        post(f"/deployments/{{{name}}}/schedule", {**window, "max_runs": 100}),
        # the reference writes the instant in the key in the schedule's zone
        post("/flow_runs/filter", listing, ignore=("idempotency_key",)),
        post("/flow_runs/count", {"deployments": one_of_it, "flow_runs": near if window is DECADE else within}),
        post(f"/deployments/{{{name}}}/set_schedule_inactive"),
        post("/flow_runs/count", {"deployments": one_of_it}),
        post(f"/deployments/{{{name}}}/schedule", window),
        post("/flow_runs/count", {"deployments": one_of_it}),
    ]


CONVERSATION = [
    *FLOWS,
    *DEPLOYMENTS,
    *RUNS,
    *(step for name, (schedule, window) in SCHEDULES.items() for step in scheduled(name.replace("-", "_"), schedule, window)),
    *REFUSALS,
    *ENDINGS,
]


@pytest.mark.skipif(reference.python() is None, reason=f"{reference.VARIABLE} names no Python with the reference server installed")
def test_answers_equal_the_references_where_the_contract_does_not_differ(gunicorn_server, sqlite_url, tmp_path):
    differences = []
    with reference.server(tmp_path) as theirs:
        speakers = Speaker(gunicorn_server(sqlite_url).api), Speaker(theirs)
        for step in CONVERSATION:
            (our_status, our_answer), (their_status, their_answer) = (speaker.say(step) for speaker in speakers)
            same = our_status == their_status and (
                step.differs or our_answer == their_answer or _same_error(our_status, our_answer, their_answer)
            )
            if not same:
                differences.append(
                    f"{step.method} {step.path} {step.body}\n  ours:   {our_status} {our_answer}\n  theirs: {their_status} {their_answer}"
                )
    assert not differences, "\n".join(differences)


def _same_error(status, ours, theirs):
    """Problem documents carry the reference's `detail`, and more."""
    return status >= 400 and ours["detail"] == theirs.get("detail")

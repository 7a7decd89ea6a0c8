"""Flow runs and task runs: made, read, listed, changed and deleted."""

from tests.e2e.conversation import ABSENT, delete, get, patch, post

BLOB = {"encoding": "json", "blob": '"s3://bucket/flow.py"'}
# the reference's default, by id, is a random order: its ids are
IN_ORDER = {"sort": "EXPECTED_START_TIME_ASC"}

BEGINNING = [
    post("/flows/", {"name": "f-one"}, save="one"),
    post("/flows/", {"name": "f-two"}, save="two"),
    post("/deployments/", {"name": "plain", "flow_id": "{one}", "flow_data": BLOB}, save="plain"),
    post("/deployments/", {"name": "rich", "flow_id": "{one}", "flow_data": BLOB, "parameters": {"a": 1, "b": [1, {"c": None}]}}
         | {"tags": ["t", "u"], "flow_runner": {"type": "subprocess", "config": {"env": {"A": "b"}}}, "is_schedule_active": False},
         save="rich"),
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
    post("/flow_runs/", {"flow_id": ABSENT}),
    patch("/flow_runs/{running}", {"name": "renamed-1", "tags": ["n"], "parameters": {"p": 1}, "flow_runner": {"type": "y"}}),
    patch(f"/flow_runs/{ABSENT}", {"name": "x"}),
    get("/flow_runs/{running}"),
    post("/task_runs/", {"flow_run_id": "{running}", "task_key": "t", "dynamic_key": "0", "name": "task-1", "tags": ["x"]}
         | {"task_inputs": {"x": [{"input_type": "constant", "type": "int"}]}, "empirical_policy": {"max_retries": 2}}, save="task"),
    post("/task_runs/", {"flow_run_id": "{running}", "task_key": "t", "dynamic_key": "0"}),
    post("/task_runs/", {"flow_run_id": "{running}", "task_key": "t", "dynamic_key": "1", "name": "task-2", "state": {"type": "RUNNING"}}),
    post("/task_runs/", {"flow_run_id": ABSENT, "task_key": "t", "dynamic_key": "0"}),
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
    post("/flow_runs/", {}),
    post("/flow_runs/", {"flow_id": "{two}", "parameters": []}, differs="a list for an object"),
    post("/flow_runs/", {"flow_id": "{two}", "state": {"type": "ASLEEP"}}),
    post("/flow_runs/", {"flow_id": "{two}", "unknown": 1}),
    post("/flow_runs/", {"flow_id": "{two}", "parent_task_run_id": ABSENT}),
    post("/flow_runs/filter", {"limit": 201}),
    post("/flow_runs/filter", {"limit": -1}),
    post("/flow_runs/filter", {"offset": -1}),
    post("/flow_runs/filter", {"sort": "BY_MOOD"}),
    post("/flow_runs/filter", {"flow_runs": {"start_time": {"before_": "yesterday"}}}),
    post("/flow_runs/filter", {"flow_runs": {"start_time": {"before_": "2031-01-01T00:00:00"}}}, differs="an instant without an offset"),
    post("/flow_runs/count", {"flow_runs": {"state": {"type": {"any_": ["ASLEEP"]}}}}),
    post("/flow_runs/count", {"flow_runs": {"id": {"any_": "x"}}}),
    get("/flow_runs/not-an-id"),
    patch("/flow_runs/not-an-id", {"name": "x"}),
    patch("/flow_runs/{running}", {"state": {"type": "FAILED"}}),
    patch("/flow_runs/{running}", {"tags": "x"}),
    delete("/flow_runs/not-an-id"),
    post("/task_runs/", {"flow_run_id": "{running}", "task_key": "t"}),
    post("/task_runs/", {"flow_run_id": "{running}", "task_key": "t", "dynamic_key": "9", "empirical_policy": {"max_retries": "few"}}),
    post("/task_runs/", {"flow_run_id": "{running}", "task_key": "t", "dynamic_key": "9", "task_inputs": {"x": "y"}}),
    post("/task_runs/filter", {"sort": "BY_MOOD"}),
    post("/task_runs/filter", {"limit": 201}),
    post("/task_runs/count", {"task_runs": {"subflow_runs": {"exists_": "perhaps"}}}),
    get("/task_runs/not-an-id"),
    delete("/task_runs/not-an-id"),
]

ENDINGS = [
    delete("/deployments/{rich}"),
    delete("/deployments/{rich}"),
    get("/flow_runs/{run}"),
    get("/flow_runs/{keyed}"),
    delete("/task_runs/{task}"),
    delete("/task_runs/{task}"),
    delete("/flow_runs/{running}"),
    delete("/flow_runs/{running}"),
    post("/task_runs/count"),
    delete("/flows/{one}"),
    delete("/flows/{one}"),
    post("/deployments/count", {"flows": {"name": {"any_": ["f-one"]}}}),
]

CONVERSATION = [*BEGINNING, *RUNS, *REFUSALS, *ENDINGS]

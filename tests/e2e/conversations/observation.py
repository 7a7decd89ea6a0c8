"""Logs, run histories, the graph of a flow run, saved searches, and what an administrator asks."""

from tests.e2e.conversation import ABSENT, delete, get, post, put

RUN = "11111111-1111-4111-8111-111111111111"
TASK = "22222222-2222-4222-8222-222222222222"
DECEMBER = {"history_start": "2030-12-01T00:00:00+00:00", "history_end": "2031-01-01T00:00:00+00:00", "history_interval_seconds": 864_000}


def log(second, **more):
    """A log of a flow run, `second` seconds into an hour."""
    return {"name": "prefect.flow_runs", "level": 20, "message": "said", "timestamp": f"2030-01-01T00:00:{second:02}+00:00"} | {
        "flow_run_id": RUN,
        **more,
    }


LOGS = [
    post("/logs/", [log(2, message="two"), log(1, message="one", level=10), log(3, message="three", level=40, task_run_id=TASK)]),
    post("/logs/", [log(4, message="vier ✓\n", name="x", timestamp="2030-01-01T01:00:04.5+01:00")]),
    post("/logs/", [], differs="no logs"),
    post("/logs/filter"),
    post("/logs/filter", {"sort": "TIMESTAMP_DESC", "limit": 2}),
    post("/logs/filter", {"limit": 1, "offset": 1}),
    post("/logs/filter", {"logs": {"level": {"ge_": 20}}}),
    post("/logs/filter", {"logs": {"level": {"le_": 20, "ge_": 20}}}),
    post("/logs/filter", {"logs": {"timestamp": {"after_": "2030-01-01T00:00:02Z", "before_": "2030-01-01T01:00:03+01:00"}}}),
    post("/logs/filter", {"logs": {"flow_run_id": {"any_": [RUN]}, "task_run_id": {"any_": [TASK]}}}),
    post("/logs/filter", {"logs": {"flow_run_id": {"any_": [ABSENT]}}}),
    post("/logs/filter", {"logs": {"flow_run_id": {"any_": []}}}),
    post("/logs/filter", {"logs": None}),
    post("/logs/", [log(5), {"level": 1}]),
    post("/logs/", [log(5, level="loud")]),
    post("/logs/", [log(5, timestamp="soon")]),
    post("/logs/", [log(5, flow_run_id="nonsense")]),
    post("/logs/", [log(5, mood="good")]),
    post("/logs/", {"logs": []}),
    post("/logs/filter", {"sort": "BY_MOOD"}),
    post("/logs/filter", {"limit": 201}),
    post("/logs/filter", {"offset": -1}),
    post("/logs/filter", {"logs": {"level": {"ge_": "loud"}}}),
    post("/logs/filter", {"logs": {"mood": {}}}),
]


def run(called, at, **state):
    """A step that makes a flow run that is expected to start `at` a day and time of December 2030."""
    details = {"scheduled_time": f"2030-12-{at}+00:00"}
    return post("/flow_runs/", {"flow_id": "{flow}", "name": called, "state": {"type": "SCHEDULED", "state_details": details, **state}})


HISTORY = [
    post("/flows/", {"name": "f"}, save="flow"),
    run("first", "01T00:00:00"),
    run("second", "05T12:00:00"),
    run("third", "05T12:00:01", name="Late"),
    run("fourth", "11T00:00:00"),
    run("fifth", "30T23:59:59"),
    post("/flow_runs/history", DECEMBER),
    post("/flow_runs/history", DECEMBER | {"history_interval_seconds": 2_000_000}),
    post("/flow_runs/history", DECEMBER | {"history_interval_seconds": 86_400.5, "history_end": "2030-12-04T00:00:00+00:00"}),
    post("/flow_runs/history", DECEMBER | {"history_interval_seconds": 1}),
    post("/flow_runs/history", DECEMBER | {"flow_runs": {"name": {"any_": ["third", "fourth"]}}}),
    post("/flow_runs/history", DECEMBER | {"flows": {"name": {"any_": ["g"]}}}),
    post("/flow_runs/history", DECEMBER | {"history_end": DECEMBER["history_start"]}),
    post("/flow_runs/history", DECEMBER | {"history_start": DECEMBER["history_end"], "history_end": DECEMBER["history_start"]}),
    post("/flow_runs/", {"flow_id": "{flow}", "name": "now", "state": {"type": "RUNNING"}}, save="now"),
    post("/task_runs/", {"flow_run_id": "{now}", "task_key": "t", "dynamic_key": "0"}
         | {"state": {"type": "SCHEDULED", "state_details": {"scheduled_time": "2030-12-01T00:00:00+00:00"}}}),
    post("/task_runs/history", DECEMBER),
    post("/task_runs/history", DECEMBER | {"task_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}),
    *(
        post(f"/{kind}_runs/history", body)
        for kind in ("flow", "task")
        for body in (
            {},
            DECEMBER | {"history_interval_seconds": 0.5},
            DECEMBER | {"history_interval_seconds": -10},
            DECEMBER | {"history_interval_seconds": "long"},
            DECEMBER | {"history_start": "then"},
            DECEMBER | {"flow_runs": {"mood": {}}},
            DECEMBER | {"flow_runs": {"state": {"type": {"any_": ["ASLEEP"]}}}},
        )
    ),
]  # fmt: skip

GRAPH = [
    get("/flow_runs/{now}/graph"),
    post("/flow_runs/", {"flow_id": "{flow}", "name": "graphed"}, save="graphed"),
    get("/flow_runs/{graphed}/graph"),
    post("/task_runs/", {"flow_run_id": "{graphed}", "task_key": "a", "dynamic_key": "0", "name": "a"}, save="a"),
    post("/task_runs/", {"flow_run_id": "{graphed}", "task_key": "b", "dynamic_key": "0", "name": "b", "state": {"type": "PENDING"}}
         | {"task_inputs": {"x": [{"input_type": "task_run", "id": "{a}"}]}}, save="b"),
    post("/task_runs/", {"flow_run_id": "{graphed}", "task_key": "c", "dynamic_key": "0", "name": "c", "state": {"type": "RUNNING"}}
         | {"task_inputs": {"x": [{"input_type": "task_run", "id": "{a}"}], "y": [{"input_type": "task_run", "id": "{b}"}], "z": []}}),
    get("/flow_runs/{graphed}/graph", unordered=True),
    post("/task_runs/", {"flow_run_id": "{graphed}", "task_key": "d", "dynamic_key": "0", "name": "d"}
         | {"task_inputs": {"x": [{"input_type": "constant", "type": "int"}], "y": [{"input_type": "parameter", "name": "p"}]}}),
    get("/flow_runs/{graphed}/graph", differs="a constant in a graph"),
    get(f"/flow_runs/{ABSENT}/graph"),
    get("/flow_runs/nonsense/graph"),
]  # fmt: skip

FILTER = {"object": "flow_run", "property": "state", "type": "state", "operation": "any", "value": ["FAILED"]}

SAVED_SEARCHES = [
    put("/saved_searches/", {"name": "late", "filters": [FILTER]}, save="late"),
    put("/saved_searches/", {"name": "late", "filters": []}),
    put("/saved_searches/", {"name": "early"}),
    put("/saved_searches/", {"name": "all", "filters": [FILTER, FILTER | {"value": None}, FILTER | {"value": {"a": 1}}]}),
    get("/saved_searches/{late}"),
    post("/saved_searches/filter"),
    post("/saved_searches/filter", {"limit": 1, "offset": 1}),
    put("/saved_searches/", {}),
    put("/saved_searches/", {"name": "x", "filters": {}}),
    put("/saved_searches/", {"name": "x", "filters": [{"object": "flow"}]}),
    put("/saved_searches/", {"name": "x", "mood": "good"}),
    post("/saved_searches/filter", {"limit": 201}),
    post("/saved_searches/filter", {"offset": -1}),
    delete("/saved_searches/{late}"),
    delete("/saved_searches/{late}"),
    get("/saved_searches/{late}"),
    get("/saved_searches/nonsense"),
    delete("/saved_searches/nonsense"),
]

ADMIN = [
    get("/admin/version"),
    get("/admin/settings", differs="settings"),
    post("/admin/database/clear"),
    post("/admin/database/drop"),
    post("/admin/database/create"),
    post("/admin/database/clear", {"confirm": False}),
    post("/admin/database/clear", {"confirm": "perhaps"}),
    post("/flows/count"),
    post("/admin/database/clear", {"confirm": True}),
    post("/flows/count"),
    post("/logs/filter"),
    post("/admin/database/drop", {"confirm": True}),
    post("/admin/database/create", {"confirm": True}),
    post("/flows/", {"name": "anew"}),
    post("/flows/count"),
]

CONVERSATION = [*LOGS, *HISTORY, *GRAPH, *SAVED_SEARCHES, *ADMIN]

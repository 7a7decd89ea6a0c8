"""Flows, deployments and their schedules."""

from tests.e2e.conversation import ABSENT, Step, delete, get, patch, post, put

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

DAILY = {"name": "daily", "flow_id": "{one}", "flow_data": BLOB, "schedule": {"interval": 86400}}
ZONED = {"interval": 86400, "timezone": "Europe/Berlin"}
SIX_FIELDS = {"cron": "0 0 * * * 1"}
SECONDLY = {"rrule": "FREQ=SECONDLY"}

FLOWS = [
    post("/flows/", {"name": "f-one", "tags": ["a", "b", "a"]}, save="one"),
    post("/flows/", {"name": "f-one", "tags": ["c"]}),
    post("/flows/", {"name": "f-two"}, save="two"),
    post("/flows/", {"name": "f-three", "tags": ["b"]}, save="three"),
    get("/flows/{one}"),
    get("/flows/name/f-two"),
    get("/flows/name/missing"),
    get(f"/flows/{ABSENT}"),
    patch("/flows/{two}", {"tags": ["b", "x"]}),
    patch("/flows/{two}", {}),
    patch(f"/flows/{ABSENT}", {"tags": []}),
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
    post("/deployments/", {"name": "plain", "flow_id": ABSENT, "flow_data": BLOB}),
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
        post("/flow_runs/filter", listing, differs="the key of a scheduled run"),
        post("/flow_runs/count", {"deployments": one_of_it, "flow_runs": near if window is DECADE else within}),
        post(f"/deployments/{{{name}}}/set_schedule_inactive"),
        post("/flow_runs/count", {"deployments": one_of_it}, differs="a backfill stays"),
        post(f"/deployments/{{{name}}}/schedule", window),
        post("/flow_runs/count", {"deployments": one_of_it}, differs="a backfill stays"),
    ]


SCHEDULING = [step for name, (schedule, window) in SCHEDULES.items() for step in scheduled(name.replace("-", "_"), schedule, window)]

UPDATES = [
    post("/deployments/", DAILY | {"tags": ["t"], "parameters": {"a": 1}}, save="daily"),
    post("/deployments/", DAILY | {"tags": ["u"], "parameters": {}, "is_schedule_active": False}),
    post("/deployments/", {"name": "daily", "flow_id": "{one}", "flow_data": BLOB}, differs="an update keeps"),
    delete("/deployments/{daily}"),
    delete("/deployments/{daily}"),
    get("/deployments/{daily}"),
]

REFUSALS = [
    post("/flows/", {"name": "a/b"}),
    post("/flows/", {"name": ["x"]}),
    post("/flows/", {}),
    post("/flows/", {"name": ""}, differs="an empty name"),
    post("/flows/", {"name": "x", "unknown": 1}),
    post("/flows/", {"name": "x", "tags": "y"}),
    get("/flows/nonsense"),
    post("/flows/filter", {"sort": "BY_MOOD"}),
    post("/flows/filter", {"flows": {"name": {"like": "x"}}}),
    post("/flows/filter", {"flows": {"name": {"like_": "f%e"}}}, differs="a wildcard"),
    post("/flows/filter", {"limit": 5, "nonsense": 1}, differs="an unknown field"),
    post("/flows/filter", {"limit": "5"}, differs="a text for a number"),
    post("/flows/filter", {"limit": 201}),
    post("/flows/filter", {"limit": -1}),
    post("/flows/filter", {"offset": -1}),
    post("/flows/count", {"flows": {"id": {"any_": ["nonsense"]}}}),
    patch("/flows/{one}", {"tags": "x"}),
    patch("/flows/{one}", {"name": "x"}),
    patch("/flows/nonsense", {"tags": []}),
    delete("/flows/nonsense"),
    put("/flows/", {}),
    post("/deployments/", {"name": "x", "flow_id": "{one}"}),
    post("/deployments/", {"name": "x/y", "flow_id": "{one}", "flow_data": BLOB}),
    post("/deployments/", {"name": "x", "flow_id": "nonsense", "flow_data": BLOB}),
    post("/deployments/", {"name": "x", "flow_id": "{one}", "flow_data": {"encoding": "json"}}),
    post("/deployments/", {"name": "x", "flow_id": "{one}", "flow_data": BLOB, "schedule": {"interval": 0}}),
    post("/deployments/", {"name": "x", "flow_id": "{one}", "flow_data": BLOB, "schedule": {"cron": "nonsense"}}),
    post(
        "/deployments/",
        {"name": "x", "flow_id": "{one}", "flow_data": BLOB, "schedule": {"rrule": "nonsense"}},
        differs="a rule that is none",
    ),
    post("/deployments/", {"name": "x", "flow_id": "{one}", "flow_data": BLOB, "schedule": {}}),
    post("/deployments/", {"name": "x", "flow_id": "{one}", "flow_data": BLOB, "schedule": ZONED}, differs="an interval with a zone"),
    post("/deployments/", {"name": "y", "flow_id": "{one}", "flow_data": BLOB, "schedule": SIX_FIELDS}, differs="six fields"),
    post("/deployments/", {"name": "z", "flow_id": "{one}", "flow_data": BLOB, "schedule": SECONDLY}, differs="a rule that is none"),
    post("/deployments/{plain}/schedule", {"max_runs": "many"}),
    post("/deployments/{plain}/schedule", {"max_runs": 0}, differs="too many runs"),
    post("/deployments/{plain}/schedule", {"start_time": "tomorrow"}),
    post(f"/deployments/{ABSENT}/schedule", differs="an absent deployment"),
    post("/deployments/nonsense/schedule"),
    post("/deployments/nonsense/set_schedule_active"),
    post("/deployments/nonsense/set_schedule_inactive"),
    post("/deployments/nonsense/create_flow_run"),
    post("/deployments/{plain}/create_flow_run", {"parameters": []}, differs="a list for an object"),
    post("/deployments/{plain}/create_flow_run", {"state": {"type": "ASLEEP"}}),
    Step("POST", "/deployments/{plain}/create_flow_run", differs="no body"),
    post("/deployments/filter", {"deployments": {"is_schedule_active": True}}),
    post("/deployments/count", {"deployments": {"is_schedule_active": {"eq_": "perhaps"}}}),
    get("/deployments/nonsense"),
    get("/deployments/name/f-one/a"),
    delete("/deployments/nonsense"),
    get("/no/such/path"),
    get("/hello", headers={"X-PREFECT-API-VERSION": "9.9.9"}),
    get("/hello", headers={"X-PREFECT-API-VERSION": "new"}),
    get("/hello", headers={"X-PREFECT-API-VERSION": "0.6.0"}),
    get("/hello"),
    get("/health"),
    get("/admin/version"),
]

CONVERSATION = [*FLOWS, *DEPLOYMENTS, *SCHEDULING, *UPDATES, *REFUSALS]

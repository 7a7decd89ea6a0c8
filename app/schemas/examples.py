"""Examples of the API document. Each body works as it stands, in the order of the document, where Swagger UI puts ids for the zeros."""

# Stands for an id that nobody can know beforehand; the page of Swagger UI fills in that of what it made last
ANY_ID = "00000000-0000-0000-0000-000000000000"

PATH = {
    "id": ANY_ID,
    "name": "etl",
    "flow_name": "etl",
    "deployment_name": "nightly",
    "tag": "warehouse",
    "block_type_name": "Shared Folder",
    "block_document_name": "flows",
    "checksum": "sha256:f75167b1d81f5795942f438fe42965b3527a187c21cf149b71ef3a450e8a1aa8",
}

FLOW = {"name": "etl", "tags": ["team-data"]}
FLOW_UPDATE = {"tags": ["team-data", "nightly"]}
FLOW_FILTER = {"flows": {"name": {"like_": "etl"}}, "sort": "NAME_ASC", "limit": 20}
FLOW_COUNT = {"flows": {"tags": {"all_": ["team-data"]}}}

_FLOW_DATA = {"encoding": "json", "blob": '"s3://bucket/flow.py"'}
DEPLOYMENTS = {
    "cron": {
        "summary": "Weekdays at 9 in Berlin (cron)",
        "value": {
            "name": "nightly",
            "flow_id": ANY_ID,
            "flow_data": _FLOW_DATA,
            "schedule": {"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin"},
            "parameters": {"table": "orders"},
            "tags": ["nightly"],
        },
    },
    "interval": {
        "summary": "Every 20 minutes (interval)",
        "value": {"name": "often", "flow_id": ANY_ID, "flow_data": _FLOW_DATA, "schedule": {"interval": 1200}},
    },
    "rrule": {
        "summary": "The last Friday of each month at 17:00 in New York (rrule)",
        "value": {
            "name": "monthly",
            "flow_id": ANY_ID,
            "flow_data": _FLOW_DATA,
            "schedule": {"rrule": "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17;BYMINUTE=0;BYSECOND=0", "timezone": "America/New_York"},
        },
    },
    "by_hand": {
        "summary": "Without a schedule, for runs made by hand",
        "value": {
            "name": "by-hand",
            "flow_id": ANY_ID,
            "flow_data": _FLOW_DATA,
            "flow_runner": {"type": "subprocess", "config": {"env": {"STAGE": "test"}}},
        },
    },
}
DEPLOYMENT_FILTER = {"deployments": {"tags": {"all_": ["nightly"]}, "is_schedule_active": {"eq_": True}}, "limit": 20}
DEPLOYMENT_COUNT = {"deployments": {"name": {"like_": "night"}}}
SCHEDULE_WINDOW = {"start_time": "2022-06-01T00:00:00+00:00", "end_time": "2022-06-08T00:00:00+00:00", "max_runs": 10}
DEPLOYMENT_FLOW_RUN = {"parameters": {"limit": 5}, "tags": ["adhoc"]}

FLOW_RUN = {"flow_id": ANY_ID, "parameters": {"limit": 5}, "tags": ["adhoc"], "state": {"type": "SCHEDULED"}}
FLOW_RUN_UPDATE = {"tags": ["checked"]}
FLOW_RUN_FILTERS = {
    "next": {
        "summary": "The next 100 runs of a deployment",
        "value": {
            "flow_runs": {"deployment_id": {"any_": [ANY_ID]}, "state": {"type": {"any_": ["SCHEDULED"]}}},
            "sort": "EXPECTED_START_TIME_ASC",
            "limit": 100,
        },
    },
    "by_hand": {
        "summary": "The newest runs with a tag",
        "value": {"flow_runs": {"tags": {"all_": ["adhoc"]}}, "sort": "ID_DESC", "limit": 20},
    },
    "across": {
        "summary": "Runs of flows by that name, of paused deployments",
        "value": {"flows": {"name": {"any_": ["etl"]}}, "deployments": {"is_schedule_active": {"eq_": False}}, "limit": 20},
    },
}
FLOW_RUN_COUNT = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED", "PENDING"]}}}}

TASK_RUN = {"flow_run_id": ANY_ID, "task_key": "extract", "dynamic_key": "0", "tags": ["extract"]}
TASK_RUN_FILTER = {"task_runs": {"state": {"type": {"any_": ["PENDING"]}}}, "sort": "ID_DESC", "limit": 20}
TASK_RUN_COUNT = {"task_runs": {"subflow_runs": {"exists_": False}}}


def _problem(status, title, detail, **more):
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}


PROBLEMS = {
    400: _problem(400, "Bad Request", "The header X-PREFECT-API-VERSION must have the form x.y.z, such as 0.6.0."),
    403: _problem(
        403, "Forbidden", "Requests from pages of another origin are refused; MINTAKA_ALLOWED_ORIGINS lists those that are let in."
    ),
    404: _problem(404, "Not Found", "Deployment not found"),
    409: _problem(409, "Conflict", "The request refers to something that does not exist."),
    413: _problem(413, "Content Too Large", "The body is too large."),
    415: _problem(415, "Unsupported Media Type", "Send the body as JSON, with Content-Type: application/json."),
    421: _problem(
        421,
        "Misdirected Request",
        "This host is not the server's; MINTAKA_ALLOWED_HOSTS lists those that are, besides its addresses.",
    ),
    422: _problem(
        422,
        "Unprocessable Content",
        "name: This field is required.",
        errors=[{"loc": ["body", "name"], "msg": "This field is required.", "type": "missing"}],
    ),
    503: _problem(503, "Service Unavailable", "Try again later: no connection to the database can be made"),
}

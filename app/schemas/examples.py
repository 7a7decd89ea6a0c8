"""Example bodies of the API document. Each works as it stands against a server with the flow of FLOW in it."""

FLOW = {"name": "etl", "tags": ["team-data"]}
FLOW_UPDATE = {"tags": ["team-data", "nightly"]}
FLOW_FILTER = {"flows": {"name": {"like_": "etl"}}, "sort": "NAME_ASC", "limit": 20}
FLOW_COUNT = {"flows": {"tags": {"all_": ["team-data"]}}}

ANY_ID = "00000000-0000-0000-0000-000000000000"

DEPLOYMENT = {
    "name": "nightly",
    "flow_id": ANY_ID,
    "flow_data": {"encoding": "json", "blob": '"s3://bucket/flow.py"'},
    "schedule": {"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin"},
    "parameters": {"table": "orders"},
    "tags": ["nightly"],
}
DEPLOYMENT_FILTER = {"deployments": {"tags": {"all_": ["nightly"]}, "is_schedule_active": {"eq_": True}}, "limit": 20}
DEPLOYMENT_COUNT = {"deployments": {"name": {"like_": "night"}}}
SCHEDULE_WINDOW = {"start_time": "2022-06-01T00:00:00+00:00", "end_time": "2022-06-08T00:00:00+00:00", "max_runs": 10}
DEPLOYMENT_FLOW_RUN = {"parameters": {"limit": 5}, "tags": ["adhoc"]}

FLOW_RUN = {"flow_id": ANY_ID, "parameters": {"limit": 5}, "tags": ["adhoc"], "state": {"type": "SCHEDULED"}}
FLOW_RUN_UPDATE = {"tags": ["checked"]}
FLOW_RUN_FILTER = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}, "sort": "EXPECTED_START_TIME_ASC", "limit": 20}
FLOW_RUN_COUNT = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED", "PENDING"]}}}}

TASK_RUN = {"flow_run_id": ANY_ID, "task_key": "extract", "dynamic_key": "0", "tags": ["extract"]}
TASK_RUN_FILTER = {"task_runs": {"state": {"type": {"any_": ["PENDING"]}}}, "sort": "ID_DESC", "limit": 20}
TASK_RUN_COUNT = {"task_runs": {"subflow_runs": {"exists_": False}}}

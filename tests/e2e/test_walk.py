"""A walk through the front door: fifty deployments with schedules of every kind, under gunicorn and with schedulers running."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
import requests

from app.domain import schedules
from app.domain.filters import FILTERS
from tests.serving import running_scheduler, wait_until

pytestmark = pytest.mark.slow

SCHEDULES = {
    "last-friday": {"rrule": "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17;BYMINUTE=0;BYSECOND=0", "timezone": "Europe/Berlin"},
    "weekdays": {"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin"},
    "20-minutes": {"interval": 1200},
    "36-hours": {"interval": 129_600, "timezone": "America/New_York"},
    "leap-day": {"cron": "0 0 29 2 *", "timezone": "UTC"},
}
DAY = timedelta(days=1)


class Caller:
    """Calls the API over HTTP; an answer is its JSON, and an error status fails the test."""

    def __init__(self, base):
        self.base = base

    def __call__(self, method, path, body=None, status=None):
        response = requests.request(method, f"{self.base}{path}", json=body, timeout=60)
        expected = response.ok if status is None else response.status_code == status
        assert expected, (method, path, response.status_code, response.text)
        return response.json() if response.content else None

    def all_runs(self, deployment_id, **criteria):
        """Every run of a deployment that meets `criteria`, page by page."""
        found = []
        filters = {"flow_runs": {"deployment_id": {"any_": [deployment_id]}, **criteria}, "sort": "EXPECTED_START_TIME_ASC"}
        while page := self("POST", "/flow_runs/filter", filters | {"offset": len(found)}):
            found += page
        return found


@pytest.fixture
def call(gunicorn_server, database_url, tmp_path):
    """The API of a real server, beside which schedulers run: two on PostgreSQL, one on SQLite."""
    server = gunicorn_server(database_url, workers=2)
    with ExitStack() as stack:
        for number in range(1 if database_url.startswith("sqlite") else 2):
            stack.enter_context(running_scheduler(database_url, tmp_path / f"scheduler-{number}.log", scheduler_loop_seconds=0.2))
        yield Caller(server.api)


def in_parallel(work, things):
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(work, things))


def scheduled_instants(call, deployment):
    found = call.all_runs(deployment["id"], state={"type": {"any_": ["SCHEDULED"]}}, tags={"all_": ["auto-scheduled"]})
    return [datetime.fromisoformat(run["expected_start_time"]) for run in found]


def is_up_to_date(call, deployment):
    """Whether the runs ahead are those of the schedule, each once, as far ahead as runs are made."""
    now = datetime.now(UTC)
    counted = Counter(instant for instant in scheduled_instants(call, deployment) if instant > now)
    due = list(schedules.parse(deployment["schedule"]).occurrences(now, now + 100 * DAY, 100))
    # the last of a hundred may have been made for a moment before, and a top-up waits until a tenth is used
    return set(counted.values()) <= {1} and set(due[:90]) <= set(counted) <= set(due)


def sample_values(run, deployment, flow):
    """A value to ask for, by kind of criterion and field."""
    rows = {"flow_runs": run, "deployments": deployment, "flows": flow}

    def value(entity, criterion, operator):
        if operator in ("is_null_", "eq_", "exists_"):
            return False
        row = rows.get(entity, {})
        held = row.get(criterion.column) or {"uuid": run["id"], "state_type": "SCHEDULED", "instant": run["expected_start_time"]}.get(
            criterion.kind, "x"
        )
        if operator in ("any_", "not_any_", "all_"):
            return held if isinstance(held, list) else [held]
        return held

    return value


def nested(path, operator, value):
    criteria = {operator: value}
    for step in reversed(path.split(".")):
        criteria = {step: criteria}
    return criteria


def test_fifty_deployments_of_every_kind_of_schedule_through_the_front_door(call):
    flow = call("POST", "/flows/", {"name": "walk", "tags": ["walk"]}, 201)

    def register(number):
        kind = list(SCHEDULES)[number % len(SCHEDULES)]
        body = {"name": f"{kind}-{number}", "flow_id": flow["id"], "flow_data": {"encoding": "json", "blob": '"flow.py"'}}
        body |= {"schedule": SCHEDULES[kind], "is_schedule_active": False, "tags": [kind, "walk"], "parameters": {"number": number}}
        return call("POST", "/deployments/", body, 201)

    registered = in_parallel(register, range(50))
    assert call("POST", "/deployments/count", {"deployments": {"tags": {"all_": ["walk"]}}}) == 50
    assert call("POST", "/flow_runs/count") == 0

    in_parallel(lambda one: call("POST", f"/deployments/{one['id']}/set_schedule_active"), registered)
    assert all(in_parallel(lambda one: is_up_to_date(call, one), registered))

    # by hand: the same key makes one run, and a pause leaves it
    by_hand = {"parameters": {"limit": 5}, "idempotency_key": "by-hand", "state": {"type": "SCHEDULED"}}
    run = call("POST", f"/deployments/{registered[0]['id']}/create_flow_run", by_hand, 201)
    assert call("POST", f"/deployments/{registered[0]['id']}/create_flow_run", by_hand, 200)["id"] == run["id"]
    assert run["parameters"] == {"number": 0, "limit": 5}
    paused = registered[:10]
    in_parallel(lambda one: call("POST", f"/deployments/{one['id']}/set_schedule_inactive"), paused)
    assert [left["id"] for one in paused for left in call.all_runs(one["id"])] == [run["id"]]

    # another schedule: none of the old runs stays
    def reschedule(one):
        fields = {name: one[name] for name in ("name", "flow_id", "flow_data")}
        return call("POST", "/deployments/", fields | {"schedule": {"cron": "30 6 * * *", "timezone": "Asia/Tokyo"}}, 200)

    changed = in_parallel(reschedule, registered[10:20])
    assert all(one["is_schedule_active"] and one["tags"] == old["tags"] for one, old in zip(changed, registered[10:20], strict=True))
    assert all(in_parallel(lambda one: is_up_to_date(call, one), changed))

    # a past week of every twenty minutes, both ends included; twice makes no duplicate
    week = {"start_time": "2022-05-01T00:00:00+00:00", "end_time": "2022-05-08T00:00:00+00:00", "max_runs": 1000}
    for one in (one for one in registered[20:] if one["tags"][0] == "20-minutes"):
        for _ in range(2):
            assert call("POST", f"/deployments/{one['id']}/schedule", week) is None
        past = call.all_runs(one["id"], expected_start_time={"before_": week["end_time"]})
        instants = [datetime.fromisoformat(run["expected_start_time"]) for run in past]
        assert instants == [datetime(2022, 5, 1, tzinfo=UTC) + timedelta(minutes=20) * n for n in range(7 * 72 + 1)]

    # every criterion, on every list: the list and its count agree
    value = sample_values(run, registered[0], flow)
    for entity, criteria in FILTERS.items():
        for criterion in criteria:
            for operator in criterion.operators:
                asked = {entity: nested(criterion.field, operator, value(entity, criterion, operator))}
                for route in ("flows", "deployments", "flow_runs", "task_runs"):
                    listed = call("POST", f"/{route}/filter", asked | {"limit": 200})
                    count = call("POST", f"/{route}/count", asked)
                    assert len(listed) == min(count, 200), (route, asked)

    # deleted: runs that have begun stay, those that are scheduled go
    begun = call("POST", f"/deployments/{registered[30]['id']}/create_flow_run", {}, 201)
    in_parallel(lambda one: call("DELETE", f"/deployments/{one['id']}", status=204), registered[30:35])
    assert [call.all_runs(one["id"]) for one in registered[30:35]] == [[]] * 5
    assert call("GET", f"/flow_runs/{begun['id']}")["deployment_id"] is None

    active = changed + registered[20:30] + registered[35:]
    wait_until(lambda: all(in_parallel(lambda one: is_up_to_date(call, one), active)), "every active deployment has its runs")
    assert call("POST", "/deployments/count", {"deployments": {"is_schedule_active": {"eq_": True}}}) == len(active)

"""What is asked of a server while it is measured: the same of Mintaka, of the reference and of the practical limit.

A scenario is a function that is given a `Subject` and returns the requests of one round, as tuples of method, path and body.
"""

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from benchmarks.wire import drain, wrk

EVERYWHERE = ("mintaka", "limit", "reference")
CLIENTS = 8
CLAIMED = 10
LOGS = 100
LISTED = 200
DEPLOYMENTS_LISTED = 20  # whose runs are listed and counted
DEPLOYMENTS_DUE = 8  # whose runs are claimed
ACTIVATED = 60  # deployments in one round of `schedule`
MOST_CLAIMS = 2500  # a second, by the fastest server there is
MINUTES_FILLED = 10_000  # runs that one request makes at most
LONG_LEASE = 3600
SCHEDULE = {"cron": "*/5 * * * *", "timezone": "America/New_York"}


@dataclass(frozen=True)
class Scenario:
    """One row of the table: `requests(subject)`, or `figure(subject)` of what is not a loop of requests.

    `target` is the share of the practical limit that is aimed at, `times` the same of the reference. `servers` have what it takes.
    """

    name: str
    what: str
    requests: object
    figure: object = None
    unit: str = "requests/s"
    target: float | None = None
    times: float | None = None
    servers: tuple = EVERYWHERE
    check: object = None

    def measure(self, subject, seconds, connections):
        """The figures of one round: a mapping of `rate` and, of a loop of requests, `p50_ms`, `p99_ms` and `errors`."""
        if self.figure:
            drain(subject.api)
            return self.figure(subject)
        requests = self.requests(subject)
        subject.settle()
        drain(subject.api)
        figures = wrk(subject.api, requests, seconds, connections)
        if self.check:
            self.check(subject)
        return figures


SCENARIOS = {}


def scenario(**options):
    """Register a function as the scenario of its name; its docstring says what is measured."""

    def register(function):
        SCENARIOS[function.__name__] = Scenario(function.__name__, function.__doc__.strip(), function, **options)
        return function

    return register


class Subject:
    """A server that is measured, with what the scenarios need to be there, made through its API the first time it is asked for.

    Deployments are paused unless said otherwise, so that every server does the same work in a request. `due` is how many runs a round of
    claims may take. `settle()` is called when all is there: what a database learns of its rows in a minute it may be told at once.
    """

    def __init__(self, name, api, deployments=300, due=MOST_CLAIMS * CLAIMED, settle=lambda: None):
        self.name, self.api, self.number, self.due, self.settle = name, api, deployments, due, settle
        self.flow_name = f"bench-{uuid.uuid4()}"
        self.filled_from = datetime.now(UTC).replace(second=0, microsecond=0)

    def deployment(self, name, **others):
        """The body of a deployment."""
        return {
            "name": name,
            "flow_id": self.flow,
            "tags": ["bench", "etl"],
            "parameters": {"table": "orders", "limit": 1000},
            "flow_data": {"encoding": "json", "blob": json.dumps("s3://bucket/flow.py")},
            "schedule": SCHEDULE,
            "flow_runner": {"type": "subprocess", "config": {"env": {"A": "b"}}},
            "is_schedule_active": False,
        } | others

    def _made(self, path, bodies):
        with ThreadPoolExecutor(CLIENTS) as pool:
            return [document["id"] for document in pool.map(lambda body: self.api("POST", path, body), bodies)]

    def new_deployments(self, number, prefix, **others):
        """The ids of `number` new deployments."""
        return self._made("/deployments/", [self.deployment(f"{prefix}{index}", **others) for index in range(number)])

    @cached_property
    def flow(self):
        """The id of the flow of all deployments."""
        return self.api("POST", "/flows/", {"name": self.flow_name})["id"]

    @cached_property
    def ids(self):
        """The ids of the deployments that are read, listed, updated and run."""
        return self.new_deployments(self.number, "d")

    @cached_property
    def scheduled(self):
        """The ids of deployments with LISTED scheduled runs each."""
        ids = self.new_deployments(min(self.number, DEPLOYMENTS_LISTED), "scheduled-")
        for id in ids:
            self.api("POST", f"/deployments/{id}/set_schedule_active")
            self.api("POST", f"/deployments/{id}/schedule", {"max_runs": LISTED})
        return ids

    @cached_property
    def runs(self):
        """The ids of flow runs that are RUNNING."""
        ids = self._made("/flow_runs/", [{"flow_id": self.flow, "name": f"run-{index}"} for index in range(self.number)])
        for id in ids:
            self.api("POST", f"/flow_runs/{id}/set_state", {"state": {"type": "RUNNING"}})
        return ids

    @cached_property
    def queue(self):
        """The id of a work queue of the runs that are due."""
        return self.api("POST", "/work_queues/", {"name": f"queue-{self.flow_name}", "filter": {"tags": ["due"]}})["id"]

    @cached_property
    def _due_deployments(self):
        every_minute = {"cron": "* * * * *", "timezone": "UTC"}
        return self.new_deployments(DEPLOYMENTS_DUE, "due-", tags=["due"], schedule=every_minute, is_schedule_active=True)

    def fill_queue(self):
        """See to it that `due` runs are due, by backfills that go further back each time."""
        deployments = {"id": {"any_": self._due_deployments}}
        due = {"state": {"type": {"any_": ["SCHEDULED"]}}, "next_scheduled_start_time": {"before_": datetime.now(UTC).isoformat()}}
        missing = self.due - self.api("POST", "/flow_runs/count", {"deployments": deployments, "flow_runs": due})
        while missing > 0:
            minutes = min(MINUTES_FILLED, -(-missing // DEPLOYMENTS_DUE))
            end = self.filled_from - timedelta(minutes=1)
            self.filled_from -= timedelta(minutes=minutes)
            window = {"start_time": self.filled_from.isoformat(), "end_time": end.isoformat(), "max_runs": minutes}
            for id in self._due_deployments:
                self.api("POST", f"/deployments/{id}/schedule", window)
            missing -= minutes * DEPLOYMENTS_DUE

    def claim(self, limit, lease_seconds=LONG_LEASE):
        """Claim runs of the queue."""
        return self.api("POST", f"/work_queues/{self.queue}/claim_runs", {"limit": limit, "lease_seconds": lease_seconds})

    @cached_property
    def leases(self):
        """Pairs of a run and the lease it is claimed under."""
        self.fill_queue()
        return [(claim["flow_run"]["id"], claim["lease_id"]) for claim in self.claim(min(self.number, LISTED))]


@scenario()
def health(subject):
    """Answer a constant"""
    return [("GET", "/health", None)]


@scenario(target=0.8)
def read(subject):
    """Read a deployment by id"""
    return [("GET", f"/deployments/{id}", None) for id in subject.ids]


@scenario(target=0.8)
def read_by_name(subject):
    """Read a deployment by its names"""
    return [("GET", f"/deployments/name/{subject.flow_name}/d{index}", None) for index in range(len(subject.ids))]


@scenario(target=0.8)
def count(subject):
    """Count the deployments of a flow with a tag"""
    assert subject.ids
    return [("POST", "/deployments/count", {"deployments": {"tags": {"all_": ["etl"]}}, "flows": {"id": {"any_": [subject.flow]}}})]


@scenario(target=0.8)
def filter_20(subject):
    """List 20 deployments of a flow"""
    assert subject.ids
    of_flow = {"id": {"any_": [subject.flow]}}
    return [("POST", "/deployments/filter", {"limit": 20, "offset": offset, "flows": of_flow}) for offset in range(0, 200, 20)]


@scenario(target=1.0)
def filter_200(subject):
    """List 200 deployments of a flow with a tag"""
    assert subject.ids
    body = {"limit": LISTED, "flows": {"id": {"any_": [subject.flow]}}, "deployments": {"tags": {"all_": ["etl"]}}}
    return [("POST", "/deployments/filter", body)]


@scenario(target=0.7)
def upsert_new(subject):
    """Create a deployment"""
    return [("POST", "/deployments/", subject.deployment("new-@@"))]


@scenario(target=0.7)
def upsert_same(subject):
    """Update a deployment with what it is"""
    return [("POST", "/deployments/", subject.deployment(f"d{index}")) for index in range(len(subject.ids))]


@scenario(target=0.7)
def create_flow_run(subject):
    """Create a run of a deployment"""
    return [("POST", f"/deployments/{id}/create_flow_run", {"parameters": {"limit": 5}, "tags": ["adhoc"]}) for id in subject.ids]


@scenario(target=1.0, times=8)
def runs_filter_200(subject):
    """List the 200 runs of a deployment"""
    body = {"limit": LISTED, "sort": "EXPECTED_START_TIME_ASC"}
    return [("POST", "/flow_runs/filter", body | {"deployments": {"id": {"any_": [id]}}}) for id in subject.scheduled]


@scenario(times=8)
def runs_count(subject):
    """Count the scheduled runs of five deployments"""
    of_five = {"id": {"any_": subject.scheduled[:5]}}
    return [("POST", "/flow_runs/count", {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}, "deployments": of_five})]


@scenario(target=0.6)
def set_state(subject):
    """Set the state of a flow run"""
    return [("POST", f"/flow_runs/{id}/set_state", {"state": {"type": "RUNNING"}}) for id in subject.runs]


@scenario(target=0.6)
def logs_100(subject):
    """Write a batch of 100 log lines"""
    now = datetime.now(UTC)
    return [
        (
            "POST",
            "/logs/",
            [
                {
                    "name": "prefect.flow_runs",
                    "level": 20,
                    "message": f"{number * 1000} rows of orders were copied to the warehouse",
                    "timestamp": (now + timedelta(milliseconds=number)).isoformat(),
                    "flow_run_id": id,
                }
                for number in range(LOGS)
            ],
        )
        for id in subject.runs[:20]
    ]


def _some_are_left(subject):
    if len(subject.claim(CLAIMED)) < CLAIMED:
        raise RuntimeError(f"{subject.name} has claimed all runs there were: the figure counts empty claims, too")


@scenario(target=0.6, servers=("mintaka", "limit"), check=_some_are_left)
def claim_10(subject):
    """Claim 10 runs that are due"""
    subject.fill_queue()
    return [("POST", f"/work_queues/{subject.queue}/claim_runs", {"limit": CLAIMED, "lease_seconds": LONG_LEASE, "worker": "bench"})]


@scenario(target=0.6, servers=("mintaka", "limit"))
def heartbeat(subject):
    """Renew a lease"""
    return [("POST", f"/flow_runs/{id}/heartbeat", {"lease_id": lease, "lease_seconds": LONG_LEASE}) for id, lease in subject.leases]


def _activate(subject):
    """Activate deployments and ask for 100 runs of each, one after the other: one server makes them at the first request, one later."""
    ids = subject.new_deployments(min(subject.number, ACTIVATED), f"activated-{uuid.uuid4()}-")
    drain(subject.api)
    began = time.perf_counter()
    for id in ids:
        subject.api("POST", f"/deployments/{id}/set_schedule_active")
        subject.api("POST", f"/deployments/{id}/schedule", {"max_runs": 100})
    seconds = time.perf_counter() - began
    scheduled = {"state": {"type": {"any_": ["SCHEDULED"]}}}
    return {"rate": subject.api("POST", "/flow_runs/count", {"deployments": {"id": {"any_": ids}}, "flow_runs": scheduled}) / seconds}


SCENARIOS["schedule"] = Scenario(
    "schedule", "Activate a deployment and make 100 runs", None, _activate, unit="runs/s", times=8, servers=("mintaka", "reference")
)

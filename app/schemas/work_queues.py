"""Work queues and leases: what comes in, what is answered, and examples."""

from marshmallow import post_load

from app.domain.states import StateType
from app.schemas import fields
from app.schemas.base import ANY_ID, FLOW_RUN_ID, STORED, Answer, Body, Stored
from app.schemas.context import Bound
from app.schemas.fields import MAX_INT32, MAX_TEXT
from app.schemas.flow_runs import FlowRun

MAX_LEASE_SECONDS = 86_400

NAME = "Unique among work queues."
FILTER = "Which runs are in the queue; all of it must hold. Runs without a deployment are in none."
DESCRIPTION = "What the queue is for."
PAUSED = "Whether it hands out nothing."
LIMIT = "How many of its runs may be PENDING or RUNNING at a time before it hands out no more; null: any number."
BEFORE = "Only runs to start at or before this instant; now if not given."
LEASE = "Seconds that the lease lasts from now on; MINTAKA_LEASE_SECONDS if not given."
TAGS = "Runs with all of these tags, and maybe others."
ONE_OF = "One of these. An empty list matches nothing."
EXAMPLE = {"name": "etl", "filter": {"tags": ["nightly"]}, "description": "What runs at night", "concurrency_limit": 10}


class QueueFilter(Body):
    """Which flow runs are in a work queue. What is null asks for nothing."""

    tags = fields.Tags(TAGS, allow_none=True, load_default=None, example=["nightly"])
    deployment_ids = fields.List(
        fields.UUIDText(), f"Runs of deployments: {ONE_OF}", max=Bound("filter_values"), allow_none=True, load_default=None
    )
    flow_runner_types = fields.List(
        fields.String(max=MAX_TEXT),
        f"Runs with kinds of runners: {ONE_OF}",
        max=Bound("filter_values"),
        allow_none=True,
        load_default=None,
    )


def _no_criteria():
    return {"tags": None, "deployment_ids": None, "flow_runner_types": None}


class _WorkQueueBody(Body):
    @post_load
    def _no_null_description(self, body, **kwargs):
        return body | {"description": body["description"] or ""} if "description" in body else body


class WorkQueueCreate(_WorkQueueBody):
    """A work queue."""

    name = fields.Name(NAME, required=True, example="etl")
    filter = fields.Nested(QueueFilter, FILTER, load_default=_no_criteria)
    description = fields.String(DESCRIPTION, allow_none=True, load_default="", example="What runs at night")
    is_paused = fields.Boolean(PAUSED, load_default=False)
    concurrency_limit = fields.Integer(LIMIT, max=MAX_INT32, allow_none=True, load_default=None, example=10)

    example = EXAMPLE


class WorkQueueUpdate(_WorkQueueBody):
    """What to change of a work queue. A filter that is given takes the place of all of the old one."""

    name = fields.Name(NAME, example="etl")
    filter = fields.Nested(QueueFilter, FILTER)
    description = fields.String(DESCRIPTION, allow_none=True)
    is_paused = fields.Boolean(PAUSED)
    concurrency_limit = fields.Integer(LIMIT, max=MAX_INT32, allow_none=True, example=10)

    example = {"is_paused": False, "concurrency_limit": 20}


class GetRuns(Body):
    """Which runs of a work queue to look at."""

    limit = fields.Limit()
    scheduled_before = fields.Instant(BEFORE, allow_none=True, load_default=None)
    agent_id = fields.UUID("The agent that asks; the server notes when it did.", allow_none=True, load_default=None)

    example = {"limit": 10}


class ClaimRuns(Body):
    """How many runs of a work queue to claim, and for how long."""

    limit = fields.Limit()
    scheduled_before = fields.Instant(BEFORE, allow_none=True, load_default=None)
    lease_seconds = fields.Integer(LEASE, min=1, max=MAX_LEASE_SECONDS, allow_none=True, load_default=None, example=60)
    worker = fields.String(
        "Who claims, for people: it is in messages of states.",
        min=1,
        max=MAX_TEXT,
        allow_none=True,
        load_default=None,
        example="worker-1",
    )

    example = {"limit": 1, "lease_seconds": 60, "worker": "worker-1"}


class Heartbeat(Body):
    """A lease to renew."""

    lease_id = fields.UUID("What the claim answered.", required=True, example=ANY_ID)
    lease_seconds = fields.Integer(LEASE, min=1, max=MAX_LEASE_SECONDS, allow_none=True, load_default=None, example=60)

    example = {"lease_id": ANY_ID, "lease_seconds": 60}


class QueueFilterAnswer(Answer):
    """Which flow runs are in a work queue."""

    tags = fields.List(fields.String(), TAGS, required=True, allow_none=True)
    deployment_ids = fields.List(fields.UUID(), f"Runs of deployments: {ONE_OF}", required=True, allow_none=True)
    flow_runner_types = fields.List(fields.String(), f"Runs with kinds of runners: {ONE_OF}", required=True, allow_none=True)


class WorkQueue(Stored):
    """A work queue."""

    name = fields.String(NAME, required=True)
    filter = fields.Nested(QueueFilterAnswer, FILTER, required=True)
    description = fields.String(DESCRIPTION, required=True)
    is_paused = fields.Boolean(PAUSED, required=True)
    concurrency_limit = fields.Integer(LIMIT, max=MAX_INT32, required=True, allow_none=True)

    example = STORED | EXAMPLE | {"filter": _no_criteria() | {"tags": ["nightly"]}, "is_paused": False}


class Holder(Answer):
    """A flow run that takes up room in a work queue."""

    id = fields.UUID("The flow run.", required=True)
    name = fields.String("The run's name.", required=True)
    deployment_id = fields.UUID("Whose run it is.", required=True, allow_none=True)
    state_type = fields.Enum(StateType, "The type of its state: PENDING or RUNNING.", required=True)
    state_name = fields.String("The name of its state.", required=True)
    since = fields.Instant("When it was claimed or, where an agent took it without a lease, when it entered its state.", required=True)
    worker = fields.String("Who claimed it.", required=True, allow_none=True)
    lease_expires_at = fields.Instant(
        "When it goes back to the queue unless a heartbeat comes before; null for a run without a lease, which is held until it is ended.",
        required=True,
        allow_none=True,
    )

    example = {
        "id": FLOW_RUN_ID,
        "name": "brave-otter",
        "deployment_id": None,
        "state_type": "RUNNING",
        "state_name": "Running",
        "since": "2022-06-01T07:00:00+00:00",
        "worker": "worker-1",
        "lease_expires_at": "2022-06-01T07:01:00+00:00",
    }


class Lease(Answer):
    """A worker's hold on a flow run."""

    lease_id = fields.UUID("What the worker shows with heartbeats and states.", required=True)
    lease_expires_at = fields.Instant(
        "When the run goes back to the queue, unless a heartbeat comes before or it has ended.", required=True
    )

    example = {"lease_id": "0197a9f2-6b1c-7d5e-9c3a-0000000000ab", "lease_expires_at": "2022-06-01T07:01:00+00:00"}


class Claim(Lease):
    """A flow run that is the worker's to execute."""

    flow_run = fields.Nested(FlowRun, "The run, which is PENDING now.", required=True)

    example = Lease.example | {"flow_run": FlowRun.example}

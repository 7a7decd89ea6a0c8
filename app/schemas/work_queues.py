"""Work queues and leases: request bodies, answers, and examples of them."""

from marshmallow import Schema, fields

from app.schemas import answers
from app.schemas.base import Body, Boolean, BoundedList, Id, IdText, Instant, Name, Tags, Text, Whole
from app.schemas.examples import ANY_ID
from app.schemas.filters import Part

MOST_RUNS = 2**31 - 1
LONGEST_LEASE = 86_400

_FILTER = "Which runs are in the queue; all of it must hold. Runs without a deployment are in none."
_LIMIT = "How many of its runs may be PENDING or RUNNING at a time before it hands out no more; null: any number."
_BEFORE = "Only runs to start at or before this instant; now if not given."
_LEASE = "Seconds that the lease lasts from now on; MINTAKA_LEASE_SECONDS if not given."


class QueueFilter(Body):
    """Which flow runs are in a work queue. What is null asks for nothing."""

    tags = Tags(allow_none=True, load_default=None, metadata={"description": "All of these, and maybe others.", "example": ["nightly"]})
    deployment_ids = BoundedList(
        IdText(),
        "filter_values",
        allow_none=True,
        load_default=None,
        metadata={"description": "One of these. An empty list matches nothing."},
    )
    flow_runner_types = BoundedList(
        Text(),
        "filter_values",
        allow_none=True,
        load_default=None,
        metadata={"description": "One of these. An empty list matches nothing."},
    )


def _no_criteria():
    return QueueFilter().load({})


class WorkQueueCreate(Body):
    """A work queue."""

    name = Name(required=True, metadata={"description": "Unique among work queues.", "example": "etl"})
    filter = fields.Nested(QueueFilter, load_default=_no_criteria, metadata={"description": _FILTER})
    description = Text(longest=None, allow_none=True, load_default="", metadata={"example": "What runs at night"})
    is_paused = Boolean(load_default=False, metadata={"description": "Whether it hands out nothing."})
    concurrency_limit = Whole(0, MOST_RUNS, allow_none=True, load_default=None, metadata={"description": _LIMIT, "example": 10})


class WorkQueueUpdate(Body):
    """What to change of a work queue. A filter that is given takes the place of all of the old one."""

    name = Name(metadata={"description": "Unique among work queues.", "example": "etl"})
    filter = fields.Nested(QueueFilter, metadata={"description": _FILTER})
    description = Text(longest=None, allow_none=True)
    is_paused = Boolean(metadata={"description": "Whether it hands out nothing."})
    concurrency_limit = Whole(0, MOST_RUNS, allow_none=True, metadata={"description": _LIMIT, "example": 10})


class _Due(Body):
    limit = Part().fields["limit"]
    scheduled_before = Instant(allow_none=True, metadata={"description": _BEFORE})


class GetRuns(_Due):
    """Which runs of a work queue to look at."""

    agent_id = Id(allow_none=True, metadata={"description": "The agent that asks; the server notes when it did."})


class ClaimRuns(_Due):
    """How many runs of a work queue to claim, and for how long."""

    lease_seconds = Whole(1, LONGEST_LEASE, allow_none=True, metadata={"description": _LEASE, "example": 60})
    worker = Text(
        shortest=1, allow_none=True, metadata={"description": "Who claims, for people: it is in messages of states.", "example": "worker-1"}
    )


class Heartbeat(Body):
    """A lease to renew."""

    lease_id = Id(required=True, metadata={"description": "What the claim answered.", "example": ANY_ID})
    lease_seconds = Whole(1, LONGEST_LEASE, allow_none=True, metadata={"description": _LEASE, "example": 60})


class QueueFilterAnswer(Schema):
    """Which flow runs are in a work queue."""

    tags = fields.List(fields.String(), required=True, allow_none=True)
    deployment_ids = fields.List(fields.UUID(), required=True, allow_none=True)
    flow_runner_types = fields.List(fields.String(), required=True, allow_none=True)


class WorkQueue(answers.Answer):
    """A work queue."""

    name = fields.String(required=True, metadata={"example": "etl"})
    filter = fields.Nested(QueueFilterAnswer, required=True)
    description = fields.String(required=True)
    is_paused = fields.Boolean(required=True)
    concurrency_limit = fields.Integer(required=True, allow_none=True)


class Lease(Schema):
    """A worker's hold on a flow run."""

    lease_id = fields.UUID(required=True, metadata={"description": "What the worker shows with heartbeats and states."})
    lease_expires_at = fields.AwareDateTime(
        required=True, metadata={"description": "When the run goes back to the queue, unless a heartbeat comes before or it has ended."}
    )


class Claim(Lease):
    """A flow run that is the worker's to execute."""

    flow_run = fields.Nested(answers.FlowRun, required=True)


WORK_QUEUE = {"name": "etl", "filter": {"tags": ["nightly"]}, "description": "What runs at night", "concurrency_limit": 10}
WORK_QUEUE_UPDATE = {"is_paused": False, "concurrency_limit": 20}
WORK_QUEUE_FILTER = {"limit": 20}
GET_RUNS = {"limit": 10}
CLAIM_RUNS = {"limit": 1, "lease_seconds": 60, "worker": "worker-1"}
HEARTBEAT = {"lease_id": ANY_ID, "lease_seconds": 60}

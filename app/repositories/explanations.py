"""The facts that explain why a deployment or a run does not run. Each method is one statement."""

from sqlalchemy import Integer, Text, Uuid, bindparam, func, literal, select, union_all

from app.db.models import Agent, ConcurrencyLimit, ConcurrencySlot, FlowRun, FlowRunState, Lease, WorkQueue
from app.db.types import UtcDateTime
from app.domain.explanations import HeldRun, Queue, TagLimitUse, WaitingRun
from app.domain.start_policy import MISSED, SKIPPED, SUPERSEDED
from app.domain.states import HELD, StateType
from app.repositories.filtering import read_filters, where

FLOW_RUN, STATE, LEASE, QUEUE, AGENT, LIMIT, SLOT = (
    model.__table__ for model in (FlowRun, FlowRunState, Lease, WorkQueue, Agent, ConcurrencyLimit, ConcurrencySlot)
)

# More than a limit can be, and more queues than anybody looks through
MOST_HELD, MOST_QUEUES, MOST_COUNTED = 1_000, 1_000, 50

_OF_DEPLOYMENT = FLOW_RUN.c.deployment_id == bindparam("deployment_id", type_=Uuid)
_IS_HELD = FLOW_RUN.c.state_type.in_([kind.value for kind in HELD])
_WAITING = select(
    *(FLOW_RUN.c[name] for name in ("id", "name", "next_scheduled_start_time", "deployment_id", "tags", "flow_runner_type"))
).where(FLOW_RUN.c.state_type == literal(StateType.SCHEDULED.value))
WAITING_RUN = _WAITING.where(FLOW_RUN.c.id == bindparam("run_id", type_=Uuid))
WAITING = _WAITING.where(_OF_DEPLOYMENT).order_by(FLOW_RUN.c.next_scheduled_start_time, FLOW_RUN.c.id).limit(1)
_SINCE = func.coalesce(LEASE.c.created, STATE.c.timestamp).label("since")
_HELD = (
    select(
        FLOW_RUN.c.id,
        FLOW_RUN.c.name,
        FLOW_RUN.c.state_name,
        FLOW_RUN.c.backfill_id,
        LEASE.c.worker,
        LEASE.c.id.label("lease_id"),
        LEASE.c.expires_at,
        _SINCE,
    )
    .outerjoin(LEASE, LEASE.c.flow_run_id == FLOW_RUN.c.id)
    .join(STATE, STATE.c.id == FLOW_RUN.c.state_id)
    .order_by(_SINCE, FLOW_RUN.c.id)
    .limit(MOST_HELD)
)
HELD_RUNS = _HELD.where(_OF_DEPLOYMENT, _IS_HELD)
HELD_RUN = _HELD.where(FLOW_RUN.c.id == bindparam("run_id", type_=Uuid), _IS_HELD)
NOT_STARTED = (
    select(FLOW_RUN.c.state_name, func.count())
    .where(
        _OF_DEPLOYMENT,
        FLOW_RUN.c.expected_start_time >= bindparam("since", type_=UtcDateTime),
        FLOW_RUN.c.state_type == literal(StateType.CANCELLED.value),
        FLOW_RUN.c.state_name.in_([SKIPPED, SUPERSEDED, MISSED]),
    )
    .group_by(FLOW_RUN.c.state_name)
)
_SEEN = select(AGENT.c.work_queue_id, func.max(AGENT.c.last_activity_time, type_=UtcDateTime).label("at")).group_by(AGENT.c.work_queue_id)
_SEEN = _SEEN.subquery("seen")
QUEUES = (
    select(*(QUEUE.c[name] for name in ("id", "name", "filter", "is_paused", "concurrency_limit", "last_polled")), _SEEN.c.at)
    .outerjoin(_SEEN, _SEEN.c.work_queue_id == QUEUE.c.id)
    .order_by(QUEUE.c.name)
    .limit(MOST_QUEUES)
)
TAG_LIMITS = (
    select(LIMIT.c.id, LIMIT.c.tag, LIMIT.c.concurrency_limit, func.count(SLOT.c.id).label("taken"))
    .outerjoin(SLOT, SLOT.c.concurrency_limit_id == LIMIT.c.id)
    .where(LIMIT.c.tag.in_(bindparam("tags", type_=Text, expanding=True)))
    .group_by(LIMIT.c.id, LIMIT.c.tag, LIMIT.c.concurrency_limit)
    .order_by(LIMIT.c.tag)
)


class Explanations:
    """Facts for `app.domain.explanations`."""

    def __init__(self, session, clock):
        self.session, self.clock = session, clock

    def waiting(self, deployment_id):
        """Return the `WaitingRun` of a deployment that is to start first, or None."""
        row = self.session.execute(WAITING, {"deployment_id": deployment_id}).one_or_none()
        return row and WaitingRun(*row)

    def waiting_run(self, id):
        """Return the `WaitingRun` of one run, or None where it is not SCHEDULED."""
        row = self.session.execute(WAITING_RUN, {"run_id": id}).one_or_none()
        return row and WaitingRun(*row)

    def held(self, deployment_id):
        """Return the `HeldRun`s of a deployment, the longest held first."""
        return tuple(_held(row) for row in self.session.execute(HELD_RUNS, {"deployment_id": deployment_id}))

    def held_run(self, id):
        """Return the `HeldRun` of one run, or None where it is not PENDING or RUNNING."""
        row = self.session.execute(HELD_RUN, {"run_id": id}).one_or_none()
        return row and _held(row)

    def not_started(self, deployment_id, since):
        """Return {name of the state: number} of a deployment's runs expected at `since` or later that a policy ended."""
        rows = self.session.execute(NOT_STARTED, {"deployment_id": deployment_id, "since": since})
        return {row[0]: row[1] for row in rows}

    def queues(self):
        """Return all work queues as `Queue`s, without what they hold."""
        rows = self.session.execute(QUEUES)
        return [
            Queue(
                row.id,
                row.name,
                row.filter,
                row.is_paused,
                row.concurrency_limit,
                max(filter(None, (row.last_polled, row.at)), default=None),
            )
            for row in rows
        ]

    def with_held(self, queues, filter_of):
        """Return `queues` with how many runs each one with a limit holds. `filter_of(queue)` returns the filter of these."""
        limited = [queue for queue in queues if queue.concurrency_limit is not None and not queue.is_paused][:MOST_COUNTED]
        if not limited:
            return tuple(queues)
        counts, parameters = [], {}
        for number, queue in enumerate(limited):
            shape, values = read_filters(filter_of(queue))
            # of one statement each parameter has a name of its own
            own = tuple((entity, tuple(one._replace(parameter=f"{one.parameter}_{number}") for one in asked)) for entity, asked in shape)
            parameters |= {f"{name}_{number}": value for name, value in values.items()}
            count = select(literal(number, Integer).label("number"), func.count().label("held")).select_from(FLOW_RUN)
            counts.append(count.where(*where("flow_runs", own)))
        found = dict(self.session.execute(union_all(*counts), parameters).all())
        held = {queue.id: found[number] for number, queue in enumerate(limited)}
        return tuple(queue._replace(held=held.get(queue.id, 0)) for queue in queues)

    def tag_limits(self, tags):
        """Return the `TagLimitUse` of each concurrency limit on one of `tags`."""
        return tuple(TagLimitUse(*row) for row in self.session.execute(TAG_LIMITS, {"tags": sorted(set(tags))}))


def _held(row):
    return HeldRun(row.id, row.name, row.state_name, row.since, row.backfill_id is not None, row.worker, row.lease_id, row.expires_at)

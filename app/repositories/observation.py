"""What an operator wants to know of the database: how much waits, how long it has waited, how large the tables are."""

from sqlalchemy import bindparam, func, literal, select

from app.db.clock import given_now
from app.db.models import Base, DeploymentSchedule, FlowRun, Lease
from app.db.sizes import table_sizes
from app.db.sql import Now
from app.db.types import UtcDateTime
from app.domain.queue_load import by_queue
from app.domain.states import StateType
from app.repositories.explanations import Explanations

# A queue with few overdue runs is of little interest beside this many with more
MOST_KINDS, MOST_QUEUES = 10_000, 20

FLOW_RUN, LEASE, SCHEDULE = FlowRun.__table__, Lease.__table__, DeploymentSchedule.__table__

_NOW = Now(bindparam("now", type_=UtcDateTime))
_IS_SCHEDULED = FLOW_RUN.c.state_type == literal(StateType.SCHEDULED.value)
_DUE_SCHEDULES = SCHEDULE.c.top_up_due <= _NOW


def _number(table, *conditions):
    return select(func.count()).select_from(table).where(*conditions).scalar_subquery()


COUNTS = select(
    _number(FLOW_RUN, _IS_SCHEDULED, FLOW_RUN.c.state_name == literal("Late")).label("late"),
    _number(FLOW_RUN, _IS_SCHEDULED, FLOW_RUN.c.next_scheduled_start_time <= _NOW).label("overdue"),
    select(func.min(FLOW_RUN.c.next_scheduled_start_time)).where(_IS_SCHEDULED).scalar_subquery().label("oldest"),
    _number(LEASE, LEASE.c.expires_at > _NOW).label("held"),
    _number(LEASE, LEASE.c.expires_at <= _NOW).label("expired"),
    _number(SCHEDULE, _DUE_SCHEDULES).label("due"),
    _number(SCHEDULE, SCHEDULE.c.schedule_failures > 0).label("failing"),
    select(func.count(SCHEDULE.c.deployment_id.distinct())).where(_DUE_SCHEDULES).scalar_subquery().label("deployments"),
)
_KIND = tuple(FLOW_RUN.c[name] for name in ("deployment_id", "tags", "flow_runner_type"))
# The kinds with the most runs: there may be one for each deployment
OVERDUE_KINDS = (
    select(*_KIND, func.count().label("number"))
    .where(_IS_SCHEDULED, FLOW_RUN.c.next_scheduled_start_time <= _NOW, FLOW_RUN.c.deployment_id.is_not(None))
    .group_by(*_KIND)
    .order_by(func.count().desc())
    .limit(MOST_KINDS)
)


class Observation:
    """Numbers about all that is stored."""

    def __init__(self, session, clock):
        self.session, self.clock = session, clock

    def counts(self):
        """Return a row: runs `late` and `overdue`, when the `oldest` is due, leases `held` and `expired`, schedules `due` and `failing`,
        and the `deployments` that have one which is due.
        """
        return self.session.execute(COUNTS, {"now": given_now(self.clock)}).one()

    def overdue_by_queue(self):
        """Return the overdue runs of the work queues that have the most, as {name: number}, and how many overdue runs are in no queue.

        Runs without a deployment, which no queue has, are not counted.
        """
        kinds = self.session.execute(OVERDUE_KINDS, {"now": given_now(self.clock)})
        numbers, lost = by_queue(Explanations(self.session, self.clock).queues(), [tuple(row) for row in kinds])
        return dict(sorted(numbers.items(), key=lambda item: (-item[1], item[0]))[:MOST_QUEUES]), lost

    def table_sizes(self):
        """Return bytes by table, with indexes: {name: bytes}."""
        return table_sizes(self.session, list(Base.metadata.tables))

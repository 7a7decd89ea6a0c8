"""What an operator wants to know of the database: how much waits, how long it has waited, how large the tables are."""

from sqlalchemy import bindparam, func, literal, select

from app.db.clock import given_now
from app.db.models import Base, DeploymentSchedule, FlowRun, Lease
from app.db.sizes import table_sizes
from app.db.sql import Now
from app.db.types import UtcDateTime
from app.domain.states import StateType

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
)


class Observation:
    """Numbers about all that is stored."""

    def __init__(self, session, clock):
        self.session, self.clock = session, clock

    def counts(self):
        """Return a row: runs `late` and `overdue`, when the `oldest` is due, leases `held` and `expired`, schedules `due` and `failing`."""
        return self.session.execute(COUNTS, {"now": given_now(self.clock)}).one()

    def table_sizes(self):
        """Return bytes by table, with indexes: {name: bytes}."""
        return table_sizes(self.session, list(Base.metadata.tables))

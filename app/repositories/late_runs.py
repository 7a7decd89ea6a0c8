"""Flow runs that have not been started in time."""

from sqlalchemy import Float, Integer, bindparam, literal, select

from app.db.clock import given_now
from app.db.models import FlowRun
from app.db.sql import Now
from app.db.types import UtcDateTime
from app.domain.states import StateType
from app.repositories.runs import TIMES

FLOW_RUN = FlowRun.__table__

_COLUMNS = ("id", "parent_task_run_id", "state_type", "state_name", *TIMES)
LOCK_OVERDUE = (
    select(*(FLOW_RUN.c[name] for name in _COLUMNS))
    .where(
        FLOW_RUN.c.state_type == literal(StateType.SCHEDULED.value),
        FLOW_RUN.c.state_name == literal("Scheduled"),
        FLOW_RUN.c.next_scheduled_start_time <= Now(bindparam("before", type_=UtcDateTime), bindparam("seconds", type_=Float)),
    )
    .order_by(FLOW_RUN.c.next_scheduled_start_time, FLOW_RUN.c.id)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(key_share=True, skip_locked=True)
)


class LateRuns:
    """Flow runs in the state SCHEDULED / `Scheduled` that should have been started."""

    def __init__(self, session, clock):
        self.session, self.clock = session, clock

    def lock_overdue(self, after, limit):
        """Lock up to `limit` runs that were to start the timedelta `after` ago or earlier, longest due first. Return their rows.

        Those that others hold, since they are being started, are skipped.
        """
        now = given_now(self.clock)
        parameters = {"before": now and now - after, "seconds": after.total_seconds(), "limit": limit}
        return self.session.execute(LOCK_OVERDUE, parameters).all()

"""Flow runs that have not been started in time."""

from sqlalchemy import Text, Uuid, literal, select, update
from sqlalchemy import insert as plain_insert

from app.db.dialects import Json, UtcDateTime, rows_of
from app.domain.ids import new_id
from app.domain.instants import isoformat
from app.domain.states import NO_DETAILS, StateType
from app.repositories.flow_runs import FLOW_RUN, FLOW_RUN_STATE, FlowRuns

LATE = "Late"


class LateRuns(FlowRuns):
    """Flow runs in the state SCHEDULED / `Scheduled`, and those that are SCHEDULED / `Late`."""

    def lock_overdue(self, before, limit):
        """Up to `limit` runs still `Scheduled` that were to start at or before `before`, longest due first, locked.

        Those that others hold, since they are being started, are passed over.
        """
        columns = (FLOW_RUN.c.id, FLOW_RUN.c.next_scheduled_start_time, FLOW_RUN.c.parent_task_run_id)
        statement = select(*columns).where(
            FLOW_RUN.c.state_type == StateType.SCHEDULED,
            FLOW_RUN.c.state_name == "Scheduled",
            FLOW_RUN.c.next_scheduled_start_time <= before,
        )
        statement = statement.order_by(FLOW_RUN.c.next_scheduled_start_time, FLOW_RUN.c.id).limit(limit)
        return self.session.execute(statement.with_for_update(key_share=True, skip_locked=True)).all()

    def mark(self, rows):
        """Take the locked `rows` to the state SCHEDULED / `Late`, which keeps the time they were to start at."""
        now = self.clock()
        entries = [
            {
                "id": row.id,
                "state_id": new_id(),
                "details": NO_DETAILS | {"scheduled_time": isoformat(row.next_scheduled_start_time)} | self.state_references(row._mapping),
            }
            for row in rows
        ]
        given = rows_of(self.session, entries, id=Uuid, state_id=Uuid, details=Json)
        # what `app.domain.states.enter` does to a run that was SCHEDULED and is again, for the same time
        changes = {"updated": now, "state_id": given.c.state_id, "state_name": LATE, "end_time": None}
        self.session.execute(update(FLOW_RUN).where(FLOW_RUN.c.id == given.c.id).values(changes))
        columns = {
            "id": given.c.state_id,
            "created": literal(now, UtcDateTime),
            "flow_run_id": given.c.id,
            "type": literal(StateType.SCHEDULED.value),
            "name": literal(LATE, Text),
            "timestamp": literal(now, UtcDateTime),
            "state_details": given.c.details,
        }
        source = select(*columns.values()).select_from(given)
        self.session.execute(plain_insert(FLOW_RUN_STATE).from_select(list(columns), source, include_defaults=False))

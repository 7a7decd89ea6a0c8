"""Flow runs as workers hold them: claimed under a lease, kept by renewing it, lost when it runs out."""

from sqlalchemy import Integer, Uuid, delete, func, literal, select, true, update
from sqlalchemy import insert as plain_insert

from app.db.dialects import UtcDateTime, insert, json_with_ids, later, rows_of, writes_in_with
from app.db.models import Lease, TaskRun
from app.domain.ids import new_id
from app.domain.instants import parse
from app.domain.states import NO_DETAILS, StateType
from app.repositories.filtering import where
from app.repositories.flow_runs import FLOW_RUN, FLOW_RUN_STATE, FlowRuns

LEASE = Lease.__table__
TASK_RUN = TaskRun.__table__

HELD = (StateType.PENDING, StateType.RUNNING)


class Leases(FlowRuns):
    """Flow runs that workers hold, or are to hold. A run has one lease at most."""

    def claim(self, filters, limit, state, *, expires_at, work_queue_id, worker):
        """Take up to `limit` due runs that meet `filters` to `state`, each under a new lease; runs that others hold are passed over.

        Returns pairs of a lease id and the run's document, longest due first. On PostgreSQL this is one statement.
        """
        now = state.timestamp
        due = select(FLOW_RUN.c.id, FLOW_RUN.c.parent_task_run_id, FLOW_RUN.c.next_scheduled_start_time)
        due = due.add_columns(later(self.session, now, FLOW_RUN.c.updated).label("entered"))
        due = due.where(*where(self.session, self.entity, filters)).order_by(FLOW_RUN.c.next_scheduled_start_time, FLOW_RUN.c.id)
        due = due.limit(limit).with_for_update(key_share=True, skip_locked=True)
        in_one = writes_in_with(self.session)
        claimed = self._numbered(due, limit) if in_one else self._found(due)
        if claimed is None:
            return []
        lease = {
            "id": claimed.c.lease_id,
            "created": literal(now, UtcDateTime),
            "flow_run_id": claimed.c.id,
            "work_queue_id": literal(work_queue_id, Uuid),
            "worker": literal(worker),
            "expires_at": literal(expires_at, UtcDateTime),
        }
        # SQLite cannot tell ON CONFLICT from a join's ON unless a WHERE stands between
        leases = insert(self.session, LEASE).from_select(list(lease), select(*lease.values()).select_from(claimed).where(true()))
        # a run that waits for its start has no holder: a lease that somebody left behind means nothing
        leases = leases.on_conflict_do_update(
            index_elements=[LEASE.c.flow_run_id], set_={name: leases.excluded[name] for name in lease if name != "flow_run_id"}
        )
        entry = {
            "id": claimed.c.state_id,
            "created": literal(now, UtcDateTime),
            "flow_run_id": claimed.c.id,
            "type": literal(state.type.value),
            "name": literal(state.name),
            "timestamp": claimed.c.entered,
            "message": literal(state.message),
            "state_details": json_with_ids(self.session, NO_DETAILS, flow_run_id=claimed.c.id, task_run_id=claimed.c.parent_task_run_id),
        }
        history = select(*entry.values()).select_from(claimed)
        history = plain_insert(FLOW_RUN_STATE).from_select(list(entry), history, include_defaults=False)
        # what `app.domain.states.enter` does to a run that leaves SCHEDULED for a state that is neither that nor RUNNING nor an end
        changes = {
            "updated": claimed.c.entered,
            "state_id": claimed.c.state_id,
            "state_type": state.type,
            "state_name": state.name,
            "expected_start_time": func.coalesce(FLOW_RUN.c.expected_start_time, claimed.c.entered),
            "next_scheduled_start_time": None,
            "end_time": None,
        }
        moved = update(FLOW_RUN).where(FLOW_RUN.c.id == claimed.c.id).values(changes).returning(*self.columns())
        if in_one:
            moved = moved.cte("moved")
            # SQLAlchemy's names of columns in a WITH clause are not plain strings, and no keys for JSON
            columns = [column.label(str(column.name)) for column in moved.c]
            answer = select(*columns, claimed.c.lease_id).join(claimed, claimed.c.id == moved.c.id).order_by(claimed.c.place)
            answer = answer.add_cte(leases.returning(LEASE.c.id).cte("leased"), history.returning(FLOW_RUN_STATE.c.id).cte("entered"))
            documents = [row._asdict() for row in self.session.execute(answer)]
            pairs = [(document.pop("lease_id"), document) for document in documents]
        else:
            self.session.execute(leases)
            self.session.execute(history)
            documents = {row.id: row._asdict() for row in self.session.execute(moved)}
            held = self.session.execute(select(claimed.c.lease_id, claimed.c.id).order_by(claimed.c.place))
            pairs = [(lease_id, documents[id]) for lease_id, id in held]
        return [(lease_id, self._claimed(document, state, now)) for lease_id, document in pairs]

    def _numbered(self, due, limit):
        """A WITH clause of the runs that `due` selects, each with ids for its lease and its state."""
        due = due.cte("due")
        place = func.row_number().over(order_by=(due.c.next_scheduled_start_time, due.c.id)).label("place")
        due = select(due.c.id, due.c.parent_task_run_id, due.c.entered, place).cte("placed")
        ids = [{"place": place, "state_id": new_id(), "lease_id": new_id()} for place in range(1, limit + 1)]
        ids = rows_of(self.session, ids, place=Integer, state_id=Uuid, lease_id=Uuid)
        return select(due, ids.c.state_id, ids.c.lease_id).join(ids, ids.c.place == due.c.place).cte("claimed")

    def _found(self, due):
        """A FROM clause of the same, for a database whose WITH clauses cannot write. None if no run is due."""
        rows = [
            row._asdict() | {"place": place, "state_id": new_id(), "lease_id": new_id()}
            for place, row in enumerate(self.session.execute(due), 1)
        ]
        types = {"id": Uuid, "parent_task_run_id": Uuid, "entered": UtcDateTime, "place": Integer, "state_id": Uuid, "lease_id": Uuid}
        return rows_of(self.session, rows, **types) if rows else None

    def _claimed(self, document, state, now):
        embedded = {name: getattr(state, name) for name in ("type", "name", "message", "data")} | {"timestamp": document["updated"]}
        embedded["state_details"] = state.details | self.state_references(document)
        return self._with_state(document, embedded, now)

    def renew(self, id, flow_run_id, expires_at):
        """Let lease `id` of a flow run last until `expires_at`. Returns whether it still held the run."""
        held = (LEASE.c.id == id, LEASE.c.flow_run_id == flow_run_id, LEASE.c.expires_at > self.clock())
        return bool(self.session.execute(update(LEASE).where(*held).values(expires_at=expires_at)).rowcount)

    def holds(self, id, flow_run_id):
        """Whether lease `id` holds the flow run now."""
        held = (LEASE.c.id == id, LEASE.c.flow_run_id == flow_run_id, LEASE.c.expires_at > self.clock())
        return self.session.execute(select(LEASE.c.id).where(*held)).one_or_none() is not None

    def release(self, flow_run_id):
        """End the lease on a flow run, if there is one."""
        self.session.execute(delete(LEASE).where(LEASE.c.flow_run_id == flow_run_id))

    def lock_expired(self, now, limit):
        """Up to `limit` leases that have run out by `now`, longest first, with `state_type` and `parent_task_run_id` of their runs.

        Leases and runs are locked; those that others hold are passed over, so that nobody waits for anybody here.
        """
        statement = select(LEASE, FLOW_RUN.c.state_type).join(FLOW_RUN, FLOW_RUN.c.id == LEASE.c.flow_run_id)
        statement = statement.where(LEASE.c.expires_at <= now).order_by(LEASE.c.expires_at).limit(limit)
        return self.session.execute(statement.with_for_update(key_share=True, skip_locked=True)).all()

    def scheduled_times(self, ids):
        """When the flow runs `ids` were to start, as the newest SCHEDULED state of each says: {id: instant}."""
        state = FLOW_RUN_STATE.c
        newest = func.row_number().over(partition_by=state.flow_run_id, order_by=(state.timestamp.desc(), state.id.desc()))
        states = select(state.flow_run_id, state.state_details, newest.label("place"))
        states = states.where(state.flow_run_id.in_(ids), state.type == StateType.SCHEDULED).subquery()
        rows = self.session.execute(select(states.c.flow_run_id, states.c.state_details).where(states.c.place == 1))
        return {row.flow_run_id: parse(row.state_details["scheduled_time"]) for row in rows if row.state_details["scheduled_time"]}

    def delete_leases(self, ids):
        """Delete the leases `ids`."""
        self.session.execute(delete(LEASE).where(LEASE.c.id.in_(ids)))

    def lock_all(self, ids):
        """Lock the runs `ids` until the transaction ends, in order of id."""
        self.session.execute(select(FLOW_RUN.c.id).where(FLOW_RUN.c.id.in_(ids)).order_by(FLOW_RUN.c.id).with_for_update(key_share=True))

    def running_below(self, ids):
        """What runs inside the flow runs `ids`, at any depth: rows of flow runs (`id`, `parent_task_run_id`) and rows of task runs (`id`).

        Flow runs that have a lease of their own are left out, with all that is below them.
        """
        flow_runs, task_runs = [], []
        while ids:
            tasks = select(TASK_RUN.c.id).where(TASK_RUN.c.flow_run_id.in_(ids), TASK_RUN.c.state_type == StateType.RUNNING)
            tasks = self.session.execute(tasks).all()
            below = select(FLOW_RUN.c.id, FLOW_RUN.c.parent_task_run_id).where(
                FLOW_RUN.c.parent_task_run_id.in_([row.id for row in tasks]),
                FLOW_RUN.c.state_type.in_(HELD),
                FLOW_RUN.c.id.not_in(select(LEASE.c.flow_run_id)),
            )
            below = self.session.execute(below).all()
            flow_runs += below
            task_runs += tasks
            ids = [row.id for row in below]
        return flow_runs, task_runs

"""Claims: flow runs that are due are taken to a state, each under a new lease, so that every run is handed out once.

What happens to a run is what `app.domain.states.enter` does to one that leaves SCHEDULED for a state that is neither that nor RUNNING nor
terminal; a test compares the two.
"""

from functools import lru_cache

from sqlalchemy import Integer, Text, Uuid, bindparam, func, literal, or_, select, true, update
from sqlalchemy import insert as plain_insert

from app.db.engine import writes_in_with
from app.db.models import FlowRun, FlowRunState, Lease
from app.db.sql import LaterOf, insert, json_with_ids, rows
from app.db.types import JsonRows, UtcDateTime
from app.domain.ids import new_id
from app.domain.states import NO_DETAILS
from app.repositories.filtering import read_filters, where
from app.repositories.flow_runs import COLUMNS, FlowRuns
from app.repositories.starts import IS_MISSED, LIMITED

FLOW_RUN, FLOW_RUN_STATE, LEASE = FlowRun.__table__, FlowRunState.__table__, Lease.__table__

_NOW = bindparam("now", type_=UtcDateTime)
# no column has one of these names: SQLAlchemy would take the value for that column
_TYPE, _NAME = bindparam("new_state_type", type_=Text), bindparam("new_state_name", type_=Text)
_GIVEN = bindparam("given", type_=JsonRows)
_IDS = rows(_GIVEN, place=Integer, state_id=Uuid, lease_id=Uuid)
_FOUND = rows(_GIVEN, id=Uuid, parent_task_run_id=Uuid, entered=UtcDateTime, place=Integer, state_id=Uuid, lease_id=Uuid)


def _write_leases(claimed):
    lease = {
        "id": claimed.c.lease_id,
        "created": _NOW,
        "flow_run_id": claimed.c.id,
        "work_queue_id": bindparam("lease_work_queue_id", type_=Uuid),
        "worker": bindparam("lease_worker", type_=Text),
        "expires_at": bindparam("lease_expires_at", type_=UtcDateTime),
    }
    # SQLite cannot tell ON CONFLICT from a join's ON unless a WHERE stands between
    leases = insert(LEASE).from_select(list(lease), select(*lease.values()).select_from(claimed).where(true()))
    # a run that waits for its start has no holder: a lease that was left behind means nothing
    changes = {name: leases.excluded[name] for name in lease if name != "flow_run_id"}
    return leases.on_conflict_do_update(index_elements=[LEASE.c.flow_run_id], set_=changes)


def _write_states(claimed):
    entry = {
        "id": claimed.c.state_id,
        "created": _NOW,
        "flow_run_id": claimed.c.id,
        "type": _TYPE,
        "name": _NAME,
        "timestamp": claimed.c.entered,
        "message": bindparam("new_message", type_=Text),
        "state_details": json_with_ids(NO_DETAILS, flow_run_id=claimed.c.id, task_run_id=claimed.c.parent_task_run_id),
    }
    source = select(*entry.values()).select_from(claimed)
    return plain_insert(FLOW_RUN_STATE).from_select(list(entry), source, include_defaults=False)


def _update_runs(claimed):
    changes = {
        "updated": claimed.c.entered,
        "state_id": claimed.c.state_id,
        "state_type": _TYPE,
        "state_name": _NAME,
        "expected_start_time": func.coalesce(FLOW_RUN.c.expected_start_time, claimed.c.entered),
        "next_scheduled_start_time": literal(None, UtcDateTime),
        "end_time": literal(None, UtcDateTime),
    }
    return update(FLOW_RUN).where(FLOW_RUN.c.id == claimed.c.id).values(changes).returning(*COLUMNS)


WRITE_LEASES, WRITE_STATES, UPDATE_RUNS = _write_leases(_FOUND), _write_states(_FOUND), _update_runs(_FOUND)


@lru_cache(maxsize=128)
def _due(shape):
    """Return the SELECT that locks the runs to claim, longest due first, and skips those that others hold."""
    columns = (FLOW_RUN.c.id, FLOW_RUN.c.parent_task_run_id, FLOW_RUN.c.next_scheduled_start_time)
    due = select(*columns, LaterOf(_NOW, FLOW_RUN.c.updated).label("entered")).where(*where("flow_runs", shape))
    due = due.order_by(FLOW_RUN.c.next_scheduled_start_time, FLOW_RUN.c.id).limit(bindparam("limit", type_=Integer))
    return due.with_for_update(key_share=True, skip_locked=True)


@lru_cache(maxsize=128)
def _due_by_policies(shape):
    """Return the same of the runs that policies let start: those of `chosen`, and those of deployments without a concurrency limit."""
    may_start = or_(FLOW_RUN.c.id.in_(bindparam("chosen", type_=Uuid, expanding=True)), FLOW_RUN.c.deployment_id.not_in(LIMITED))
    return _due(shape).where(may_start, ~IS_MISSED)


@lru_cache(maxsize=128)
def _claim(shape):
    """Return the statement that claims runs, for a database whose WITH clauses can write."""
    due = _due(shape).cte("due")
    place = func.row_number().over(order_by=(due.c.next_scheduled_start_time, due.c.id)).label("place")
    placed = select(due.c.id, due.c.parent_task_run_id, due.c.entered, place).cte("placed")
    claimed = select(placed, _IDS.c.state_id, _IDS.c.lease_id).join(_IDS, _IDS.c.place == placed.c.place).cte("claimed")
    moved = _update_runs(claimed).cte("moved")
    # SQLAlchemy's names of columns in a WITH clause are not plain strings, and no keys for JSON
    columns = [column.label(str(column.name)) for column in moved.c]
    answer = select(*columns, claimed.c.lease_id).join(claimed, claimed.c.id == moved.c.id).order_by(claimed.c.place)
    leased = _write_leases(claimed).returning(LEASE.c.id).cte("leased")
    return answer.add_cte(leased, _write_states(claimed).returning(FLOW_RUN_STATE.c.id).cte("entered"))


class Claims:
    """Claims of flow runs. `flow_runs` is the repository that makes answers of them."""

    def __init__(self, session, flow_runs):
        self.session, self.flow_runs = session, flow_runs

    def claim(self, filters, limit, state, *, expires_at, work_queue_id, worker, chosen=None):
        """Take up to `limit` due runs that meet `filters` to `state`, each under a new lease; skip those that others hold.

        With `chosen`, ids, only these are taken of deployments with a concurrency limit, and none that is missed. Return pairs of a lease
        id and the run's answer, longest due first. On PostgreSQL, and without `chosen`, this is one statement.
        """
        shape, parameters = read_filters(filters)
        now = state.timestamp
        parameters |= {"limit": limit, "now": now}
        types = {"new_state_type": state.type.value, "new_state_name": state.name}
        entry = types | {"now": now, "new_message": state.message}
        lease = {"now": now, "lease_expires_at": expires_at, "lease_work_queue_id": work_queue_id, "lease_worker": worker}
        if chosen is None and writes_in_with(self.session):
            ids = [{"place": place} | _new_ids() for place in range(1, limit + 1)]
            found = [row._asdict() for row in self.session.execute(_claim(shape), parameters | entry | lease | {"given": ids})]
            pairs = [(run.pop("lease_id"), run) for run in found]
        else:
            statement = _due(shape) if chosen is None else _due_by_policies(shape)
            due = self.session.execute(statement, parameters | ({} if chosen is None else {"chosen": chosen}))
            found = [row._asdict() | {"place": place} | _new_ids() for place, row in enumerate(due, 1)]
            if not found:
                return []
            self.session.execute(WRITE_LEASES, lease | {"given": found})
            self.session.execute(WRITE_STATES, entry | {"given": found})
            runs = {row.id: row._asdict() for row in self.session.execute(UPDATE_RUNS, types | {"given": found})}
            pairs = [(one["lease_id"], runs[one["id"]]) for one in found]
        return [(lease_id, self._answer(run, state, now)) for lease_id, run in pairs]

    def _answer(self, run, state, now):
        members = {"type": state.type, "name": state.name, "timestamp": run["updated"], "message": state.message, "data": state.data}
        members["state_details"] = state.details | FlowRuns.state_references(run)
        return self.flow_runs.with_state(run, members, now)


def _new_ids():
    return {"state_id": new_id(), "lease_id": new_id()}

"""Leases: flow runs as workers hold them, claimed under a lease, kept by renewing it, lost when it runs out."""

from sqlalchemy import Integer, Uuid, bindparam, delete, func, literal, select, update

from app.db.clock import given_now
from app.db.models import FlowRun, FlowRunState, Lease
from app.db.sql import Now, prepared
from app.db.types import UtcDateTime
from app.domain.instants import parse
from app.domain.states import StateType

FLOW_RUN, FLOW_RUN_STATE = FlowRun.__table__, FlowRunState.__table__
LEASE = Lease.__table__

_IDS = bindparam("ids", type_=Uuid, expanding=True)
_HOLDS = (
    LEASE.c.id == bindparam("lease_id"),
    LEASE.c.flow_run_id == bindparam("held"),
    LEASE.c.expires_at > Now(bindparam("now", type_=UtcDateTime)),
)
HOLDING = prepared(select(LEASE.c.id).where(*_HOLDS))
RENEW = prepared(update(LEASE).where(*_HOLDS))
RELEASE = prepared(delete(LEASE).where(LEASE.c.flow_run_id == bindparam("held")))
DELETE = delete(LEASE).where(LEASE.c.id.in_(_IDS))
LOCK_EXPIRED = (
    select(LEASE.c.id, LEASE.c.flow_run_id, LEASE.c.worker, LEASE.c.expires_at, FLOW_RUN.c.state_type)
    .join(FLOW_RUN, FLOW_RUN.c.id == LEASE.c.flow_run_id)
    .where(LEASE.c.expires_at <= Now(bindparam("now", type_=UtcDateTime)))
    .order_by(LEASE.c.expires_at)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(key_share=True, skip_locked=True)
)


def _newest_scheduled_states():
    state = FLOW_RUN_STATE.c
    newest = func.row_number().over(partition_by=state.flow_run_id, order_by=(state.timestamp.desc(), state.id.desc()))
    states = select(state.flow_run_id, state.state_details, newest.label("place"))
    states = states.where(state.flow_run_id.in_(_IDS), state.type == literal(StateType.SCHEDULED.value)).subquery()
    return select(states.c.flow_run_id, states.c.state_details).where(states.c.place == 1)


NEWEST_SCHEDULED_STATES = _newest_scheduled_states()


class Leases:
    """Leases on flow runs. A run has one at most; `app.repositories.claims` makes them."""

    def __init__(self, session, clock):
        self.session, self.clock = session, clock

    def renew(self, id, flow_run_id, expires_at):
        """Let lease `id` of a flow run last until `expires_at`. Return whether it still held the run."""
        held = {"lease_id": id, "held": flow_run_id, "now": given_now(self.clock), "expires_at": expires_at}
        return bool(self.session.execute(RENEW, held).rowcount)

    def holds(self, id, flow_run_id):
        """Return whether lease `id` holds the flow run now."""
        held = {"lease_id": id, "held": flow_run_id, "now": given_now(self.clock)}
        return self.session.execute(HOLDING, held).one_or_none() is not None

    def release(self, flow_run_id):
        """End the lease on a flow run, if there is one."""
        self.session.send(RELEASE, {"held": flow_run_id})

    def lock_expired(self, limit):
        """Lock up to `limit` leases that have run out, longest first, and their runs. Return their rows, with `state_type`.

        Those that others hold are skipped, so that nobody waits for anybody here.
        """
        return self.session.execute(LOCK_EXPIRED, {"now": given_now(self.clock), "limit": limit}).all()

    def scheduled_times(self, flow_run_ids):
        """Return when flow runs were to start, as the newest SCHEDULED state of each says: {id: instant}."""
        rows = self.session.execute(NEWEST_SCHEDULED_STATES, {"ids": flow_run_ids})
        return {row.flow_run_id: parse(row.state_details["scheduled_time"]) for row in rows if row.state_details["scheduled_time"]}

    def delete_many(self, ids):
        """Delete the leases `ids`."""
        self.session.execute(DELETE, {"ids": ids})

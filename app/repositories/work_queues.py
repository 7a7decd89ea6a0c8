"""Work queues, and the agents that poll them."""

from functools import lru_cache

from sqlalchemy import Integer, bindparam, func, or_, select, update

from app.db.models import Agent, FlowRun, FlowRunState, Lease, WorkQueue
from app.db.sql import insert, prepared
from app.db.types import UtcDateTime, raw
from app.domain.ids import new_id
from app.domain.names import random_name
from app.errors import Conflict, NotFound
from app.repositories.base import ListedRepository
from app.repositories.filtering import read_filters, where
from app.repositories.starts import POLICIES_EXIST

WORK_QUEUE = WorkQueue.__table__
AGENT = Agent.__table__
FLOW_RUN = FlowRun.__table__

COLUMNS = (
    *(WORK_QUEUE.c[name] for name in ("id", "created", "updated", "name", "description", "is_paused", "concurrency_limit")),
    raw(WORK_QUEUE.c.filter),
)
SELECTION = select(*COLUMNS)
BY_NAME = prepared(SELECTION.where(WORK_QUEUE.c.name == bindparam("name")))
ROW = prepared(select(WORK_QUEUE, POLICIES_EXIST.label("policies_exist")).where(WORK_QUEUE.c.id == bindparam("wanted")))
LOCK = ROW.with_for_update(key_share=True)
KEEP = prepared(select(WORK_QUEUE.c.id).where(WORK_QUEUE.c.id == bindparam("wanted")).with_for_update(read=True, key_share=True))
INSERT = insert(WORK_QUEUE).on_conflict_do_nothing(index_elements=[WORK_QUEUE.c.name]).returning(*COLUMNS)
UPDATE = update(WORK_QUEUE).where(WORK_QUEUE.c.id == bindparam("wanted"))


# who comes while another one notes it need not
_STALE = select(WORK_QUEUE.c.id).where(
    WORK_QUEUE.c.id == bindparam("wanted"),
    or_(WORK_QUEUE.c.last_polled.is_(None), WORK_QUEUE.c.last_polled < bindparam("before", type_=UtcDateTime)),
)
NOTE_POLL = (
    update(WORK_QUEUE)
    .where(WORK_QUEUE.c.id.in_(_STALE.with_for_update(key_share=True, skip_locked=True)))
    .values(last_polled=bindparam("now", type_=UtcDateTime))
)

_HOLDER = ("id", "name", "deployment_id", "state_type", "state_name")


@lru_cache(maxsize=128)
def _holders(shape, limited):
    state, lease = FlowRunState.__table__.c, Lease.__table__.c
    since = func.coalesce(lease.created, state.timestamp).label("since")
    columns = (*(FLOW_RUN.c[name] for name in _HOLDER), since, lease.worker, lease.expires_at.label("lease_expires_at"))
    holders = select(*columns).outerjoin(Lease, lease.flow_run_id == FLOW_RUN.c.id).outerjoin(FlowRunState, state.id == FLOW_RUN.c.state_id)
    holders = holders.where(*where("flow_runs", shape)).order_by(since, FLOW_RUN.c.id)
    holders = holders.offset(bindparam("offset", type_=Integer))
    return holders.limit(bindparam("limit", type_=Integer)) if limited else holders


def _record_poll():
    statement = insert(AGENT)
    changed = {name: statement.excluded[name] for name in ("updated", "work_queue_id", "last_activity_time")}
    return statement.on_conflict_do_update(index_elements=[AGENT.c.id], set_=changed)


RECORD_POLL = _record_poll()


class WorkQueues(ListedRepository):
    """The work queues, unique by name."""

    table = WORK_QUEUE
    kind = "Work queue"
    selection = SELECTION
    order = (WORK_QUEUE.c.name, WORK_QUEUE.c.id)

    def create(self, values):
        """Create a work queue with the columns `values`. Return its answer. Raise Conflict for a name that is taken."""
        now = self.clock()
        row = self.session.execute(INSERT, {"id": new_id(), "created": now, "updated": now} | values).one_or_none()
        if row is None:
            raise Conflict("A work queue with this name already exists.")
        return self.document(row, now)

    def read_by_name(self, name):
        """Return the work queue called `name`. Raise NotFound."""
        return self._require(BY_NAME, {"name": name})

    def row(self, id, *, lock=False):
        """Return the whole row `id`; with `lock`, lock it against every other `lock` until the transaction ends. Raise NotFound.

        `policies_exist` says whether any deployment has a policy on starts.
        """
        row = self.session.execute(LOCK if lock else ROW, {"wanted": id}).one_or_none()
        if row is None:
            raise NotFound(self.kind)
        return row

    def update(self, id, changes):
        """Set the columns in `changes`. Raise NotFound."""
        if not self.session.execute(UPDATE, changes | {"updated": self.clock(), "wanted": id}).rowcount:
            raise NotFound(self.kind)

    def holders(self, filters, limit, offset=0):
        """Return up to `limit` runs (None: all) that meet `filters` with who holds them since when, the longest held first.

        `since` is when a run was claimed, or, where it has no lease, when it entered the state that it is in.
        """
        shape, parameters = read_filters(filters)
        parameters |= {"offset": offset} | ({} if limit is None else {"limit": limit})
        rows = self.session.execute(_holders(shape, limit is not None), parameters)
        return [row._asdict() for row in rows]

    def note_poll(self, id, before):
        """Note that work queue `id` has just been asked for runs, unless that was noted later than `before`."""
        self.session.execute(NOTE_POLL, {"wanted": id, "before": before, "now": self.clock()})

    def record_poll(self, id, agent_id):
        """Note that an agent has just polled work queue `id`; one that is not known gets a name. Raise NotFound."""
        # kept, so that it cannot be deleted before the agent refers to it
        if self.session.execute(KEEP, {"wanted": id}).one_or_none() is None:
            raise NotFound(self.kind)
        now = self.clock()
        poll = {"updated": now, "work_queue_id": id, "last_activity_time": now}
        self.session.execute(RECORD_POLL, poll | {"id": agent_id, "created": now, "name": random_name()})

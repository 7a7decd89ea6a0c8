"""Work queues, and the agents that poll them."""

from sqlalchemy import bindparam, select, update

from app.db.models import Agent, WorkQueue
from app.db.sql import insert
from app.db.types import raw
from app.domain.ids import new_id
from app.domain.names import random_name
from app.errors import Conflict, NotFound
from app.repositories.base import ListedRepository

WORK_QUEUE = WorkQueue.__table__
AGENT = Agent.__table__

COLUMNS = (
    *(WORK_QUEUE.c[name] for name in ("id", "created", "updated", "name", "description", "is_paused", "concurrency_limit")),
    raw(WORK_QUEUE.c.filter),
)
SELECTION = select(*COLUMNS)
BY_NAME = SELECTION.where(WORK_QUEUE.c.name == bindparam("name"))
ROW = select(WORK_QUEUE).where(WORK_QUEUE.c.id == bindparam("wanted"))
LOCK = ROW.with_for_update(key_share=True)
KEEP = select(WORK_QUEUE.c.id).where(WORK_QUEUE.c.id == bindparam("wanted")).with_for_update(read=True, key_share=True)
INSERT = insert(WORK_QUEUE).on_conflict_do_nothing(index_elements=[WORK_QUEUE.c.name]).returning(*COLUMNS)
UPDATE = update(WORK_QUEUE).where(WORK_QUEUE.c.id == bindparam("wanted"))


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
        """Return the whole row `id`; with `lock`, lock it against every other `lock` until the transaction ends. Raise NotFound."""
        row = self.session.execute(LOCK if lock else ROW, {"wanted": id}).one_or_none()
        if row is None:
            raise NotFound(self.kind)
        return row

    def update(self, id, changes):
        """Set the columns in `changes`. Raise NotFound."""
        if not self.session.execute(UPDATE, changes | {"updated": self.clock(), "wanted": id}).rowcount:
            raise NotFound(self.kind)

    def record_poll(self, id, agent_id):
        """Note that an agent has just polled work queue `id`; one that is not known gets a name. Raise NotFound."""
        # kept, so that it cannot be deleted before the agent refers to it
        if self.session.execute(KEEP, {"wanted": id}).one_or_none() is None:
            raise NotFound(self.kind)
        now = self.clock()
        poll = {"updated": now, "work_queue_id": id, "last_activity_time": now}
        self.session.execute(RECORD_POLL, poll | {"id": agent_id, "created": now, "name": random_name()})

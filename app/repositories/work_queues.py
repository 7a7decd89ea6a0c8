"""Work queues, and the agents that poll them."""

from functools import cache

from sqlalchemy import select, update

from app.db.dialects import insert, raw
from app.db.models import Agent, WorkQueue
from app.domain.ids import new_id
from app.domain.names import random_name
from app.errors import Conflict, NotFound
from app.repositories.base import Repository

WORK_QUEUE = WorkQueue.__table__
AGENT = Agent.__table__
TAKEN = "A work queue with this name already exists."


class WorkQueues(Repository):
    """The work queues, unique by name."""

    table = WORK_QUEUE
    kind = "Work queue"
    sorts = {"NAME_ASC": (WORK_QUEUE.c.name, WORK_QUEUE.c.id)}

    @classmethod
    @cache
    def selection(cls):
        """The columns of an answer."""
        names = ("id", "created", "updated", "name", "description", "is_paused", "concurrency_limit")
        return select(*(WORK_QUEUE.c[name] for name in names), raw(WORK_QUEUE.c.filter))

    def document(self, row, now):
        """A work queue as clients see it."""
        return row._asdict()

    def create(self, values):
        """The document of a new work queue. Raises Conflict for a name that is taken."""
        now = self.clock()
        values = {"id": new_id(), "created": now, "updated": now} | values
        statement = insert(self.session, WORK_QUEUE).values(values).on_conflict_do_nothing(index_elements=[WORK_QUEUE.c.name])
        if not self.session.execute(statement).rowcount:
            raise Conflict(TAKEN)
        return values

    def read_by_name(self, name):
        """The work queue called `name`. Raises NotFound."""
        return self.require_where(WORK_QUEUE.c.name == name)

    def row(self, id, *, lock=False):
        """The whole row `id`; with `lock`, locked against every other `lock` until the transaction ends. Raises NotFound."""
        statement = select(WORK_QUEUE).where(WORK_QUEUE.c.id == id)
        row = self.session.execute(statement.with_for_update(key_share=True) if lock else statement).one_or_none()
        if row is None:
            raise NotFound(self.kind)
        return row

    def update(self, id, changes):
        """Set the columns in `changes`. Raises NotFound, and Conflict for a name that is taken."""
        if not self.session.execute(update(WORK_QUEUE).where(WORK_QUEUE.c.id == id).values(changes | {"updated": self.clock()})).rowcount:
            raise NotFound(self.kind)

    def record_poll(self, id, agent_id):
        """Note that an agent has just polled work queue `id`; one that is not known gets a name. Raises NotFound."""
        # held, so that it cannot go before the agent refers to it
        held = select(WORK_QUEUE.c.id).where(WORK_QUEUE.c.id == id).with_for_update(read=True, key_share=True)
        if self.session.execute(held).one_or_none() is None:
            raise NotFound(self.kind)
        now = self.clock()
        poll = {"updated": now, "work_queue_id": id, "last_activity_time": now}
        statement = insert(self.session, AGENT).values(poll | {"id": agent_id, "created": now, "name": random_name()})
        self.session.execute(statement.on_conflict_do_update(index_elements=[AGENT.c.id], set_=poll))

"""Concurrency limits on tags, and the slots that running task runs hold under them."""

from functools import cache

from sqlalchemy import delete, func, select, update

from app.db.dialects import insert
from app.db.models import ConcurrencyLimit, ConcurrencySlot
from app.domain.ids import new_id
from app.domain.orchestration import TagLimit
from app.errors import NotFound
from app.repositories.base import Repository

LIMIT = ConcurrencyLimit.__table__
SLOT = ConcurrencySlot.__table__


class ConcurrencyLimits(Repository):
    """The limits, unique by tag."""

    table = LIMIT
    kind = "Concurrency limit"

    @classmethod
    @cache
    def selection(cls):
        """The columns of an answer, but for the slots."""
        return select(LIMIT)

    def put(self, tag, limit):
        """The document of the limit on `tag`, which is `limit` from now on. Slots that are taken stay so."""
        now = self.clock()
        values = {"id": new_id(), "created": now, "updated": now, "tag": tag, "concurrency_limit": limit}
        statement = insert(self.session, LIMIT).values(values)
        changed = {"concurrency_limit": statement.excluded.concurrency_limit, "updated": statement.excluded.updated}
        statement = statement.on_conflict_do_update(index_elements=[LIMIT.c.tag], set_=changed).returning(LIMIT)
        return self._with_slots([self.session.execute(statement).one()])[0]

    def list(self, limit, offset):
        """Documents in order of tag."""
        return self._with_slots(self.session.execute(self.selection().order_by(LIMIT.c.tag, LIMIT.c.id).limit(limit).offset(offset)).all())

    def delete_tag(self, tag):
        """Delete the limit on `tag`. Raises NotFound."""
        if not self.session.execute(delete(LIMIT).where(LIMIT.c.tag == tag)).rowcount:
            raise NotFound(self.kind)

    def _documents(self, statement, values=None):
        return self._with_slots(self.session.execute(statement, values).all())

    def _with_slots(self, rows):
        held = {row.id: [] for row in rows}
        taken = select(SLOT.c.concurrency_limit_id, SLOT.c.task_run_id).where(SLOT.c.concurrency_limit_id.in_(held)).order_by(SLOT.c.id)
        for limit_id, task_run_id in self.session.execute(taken):
            held[limit_id].append(task_run_id)
        return [row._asdict() | {"active_slots": held[row.id]} for row in rows]


class Slots:
    """The slots of one locked task run with `tags`."""

    def __init__(self, session, clock, task_run_id, tags):
        self.session, self.clock = session, clock
        self.task_run_id, self.tags = task_run_id, tags
        self._ids = []

    def limits(self):
        """The TagLimits that concern the run, in order of tag, each locked until the transaction ends; its own slots do not count."""
        if not self.tags:
            return []
        # whoever takes a slot holds the limit, so that two cannot both take the last one; in order, so that nobody waits for ever
        statement = select(LIMIT.c.id, LIMIT.c.tag, LIMIT.c.concurrency_limit).where(LIMIT.c.tag.in_(sorted(set(self.tags))))
        rows = self.session.execute(statement.order_by(LIMIT.c.tag).with_for_update(key_share=True)).all()
        self._ids = [row.id for row in rows]
        if not rows:
            return []
        others = select(SLOT.c.concurrency_limit_id, func.count()).where(SLOT.c.concurrency_limit_id.in_(self._ids))
        others = others.where(SLOT.c.task_run_id != self.task_run_id).group_by(SLOT.c.concurrency_limit_id)
        taken = dict(self.session.execute(others).all())
        return [TagLimit(row.tag, row.concurrency_limit, taken.get(row.id, 0)) for row in rows]

    def take(self):
        """Take a slot under each limit that `limits` found."""
        if self._ids:
            now = self.clock()
            rows = [{"id": new_id(), "created": now, "concurrency_limit_id": id, "task_run_id": self.task_run_id} for id in self._ids]
            self.session.execute(insert(self.session, SLOT).on_conflict_do_nothing(), rows)
            # where PostgreSQL is set to a stricter isolation, whoever waited for the limit learns by this that its count is old
            self.session.execute(update(LIMIT).where(LIMIT.c.id.in_(self._ids)).values(updated=now))

    def release(self):
        """Give back every slot that the run holds."""
        if self.tags:
            self.session.execute(delete(SLOT).where(SLOT.c.task_run_id == self.task_run_id))

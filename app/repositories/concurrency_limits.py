"""Concurrency limits on tags, and the slots that running task runs hold under them."""

from sqlalchemy import Text, Uuid, bindparam, delete, func, select, update

from app.db.models import ConcurrencyLimit, ConcurrencySlot
from app.db.sql import insert
from app.domain.ids import new_id
from app.domain.orchestration import TagLimit
from app.errors import NotFound
from app.repositories.base import ListedRepository

LIMIT = ConcurrencyLimit.__table__
SLOT = ConcurrencySlot.__table__

COLUMNS = tuple(LIMIT.c[name] for name in ("id", "created", "updated", "tag", "concurrency_limit"))
SELECTION = select(*COLUMNS)
BY_TAG = SELECTION.where(LIMIT.c.tag == bindparam("tag"))
DELETE_TAG = delete(LIMIT).where(LIMIT.c.tag == bindparam("wanted"))

_LIMIT_IDS = bindparam("limit_ids", type_=Uuid, expanding=True)
_OF_LIMITS = SLOT.c.concurrency_limit_id.in_(_LIMIT_IDS)
ACTIVE_SLOTS = select(SLOT.c.concurrency_limit_id, SLOT.c.task_run_id).where(_OF_LIMITS).order_by(SLOT.c.id)
# whoever takes a slot holds the limit, so that two cannot both take the last one; in order, so that nobody waits for ever
LOCK_OF_TAGS = (
    select(LIMIT.c.id, LIMIT.c.tag, LIMIT.c.concurrency_limit)
    .where(LIMIT.c.tag.in_(bindparam("tags", type_=Text, expanding=True)))
    .order_by(LIMIT.c.tag)
    .with_for_update(key_share=True)
)
TAKEN_BY_OTHERS = (
    select(SLOT.c.concurrency_limit_id, func.count())
    .where(_OF_LIMITS, SLOT.c.task_run_id != bindparam("task_run_id"))
    .group_by(SLOT.c.concurrency_limit_id)
)
TAKE = insert(SLOT).on_conflict_do_nothing()
TOUCH = update(LIMIT).where(LIMIT.c.id.in_(_LIMIT_IDS))
_SLOTS_OF_TAG = (
    select(SLOT.c.id)
    .join(LIMIT, LIMIT.c.id == SLOT.c.concurrency_limit_id)
    .where(LIMIT.c.tag == bindparam("tag"))
    .order_by(SLOT.c.id)
    .with_for_update(of=SLOT)
)
RESET = delete(SLOT).where(SLOT.c.id.in_(_SLOTS_OF_TAG))
RELEASE = delete(SLOT).where(SLOT.c.task_run_id == bindparam("wanted"))


def _put():
    statement = insert(LIMIT)
    changed = {name: statement.excluded[name] for name in ("concurrency_limit", "updated")}
    return statement.on_conflict_do_update(index_elements=[LIMIT.c.tag], set_=changed).returning(*COLUMNS)


PUT = _put()


class ConcurrencyLimits(ListedRepository):
    """The limits, unique by tag."""

    table = LIMIT
    kind = "Concurrency limit"
    selection = SELECTION
    order = (LIMIT.c.tag, LIMIT.c.id)

    def put(self, tag, limit):
        """Set the limit on `tag`. Slots that are taken stay so. Return its answer."""
        now = self.clock()
        values = {"id": new_id(), "created": now, "updated": now, "tag": tag, "concurrency_limit": limit}
        return self._documents(PUT, values)[0]

    def read_by_tag(self, tag):
        """Return the limit on `tag`. Raise NotFound."""
        return self._require(BY_TAG, {"tag": tag})

    def delete_tag(self, tag):
        """Delete the limit on `tag`. Raise NotFound."""
        if not self.session.execute(DELETE_TAG, {"wanted": tag}).rowcount:
            raise NotFound(self.kind)

    def reset(self, tag):
        """Give back every slot under the limit on `tag`, whoever holds it. Return the limit's answer. Raise NotFound."""
        self.session.execute(RESET, {"tag": tag})
        return self.read_by_tag(tag)

    def _documents(self, statement, parameters=None):
        rows = self.session.execute(statement, parameters).all()
        slots = {row.id: [] for row in rows}
        for limit_id, task_run_id in self.session.execute(ACTIVE_SLOTS, {"limit_ids": list(slots)}):
            slots[limit_id].append(task_run_id)
        return [row._asdict() | {"active_slots": slots[row.id]} for row in rows]


class Slots:
    """The slots of one locked task run with `tags`."""

    def __init__(self, session, clock, task_run_id, tags):
        self.session, self.clock = session, clock
        self.task_run_id, self.tags = task_run_id, tags
        self._ids = []

    def limits(self):
        """Lock the limits on the run's tags until the transaction ends. Return a TagLimit for each, in order of tag.

        The run's own slots do not count as taken.
        """
        if not self.tags:
            return []
        rows = self.session.execute(LOCK_OF_TAGS, {"tags": sorted(set(self.tags))}).all()
        self._ids = [row.id for row in rows]
        if not rows:
            return []
        taken = dict(self.session.execute(TAKEN_BY_OTHERS, {"limit_ids": self._ids, "task_run_id": self.task_run_id}).all())
        return [TagLimit(row.tag, row.concurrency_limit, taken.get(row.id, 0)) for row in rows]

    def take(self):
        """Take a slot under each limit that `limits` found."""
        if self._ids:
            now = self.clock()
            rows = [{"id": new_id(), "created": now, "concurrency_limit_id": id, "task_run_id": self.task_run_id} for id in self._ids]
            self.session.execute(TAKE, rows)
            # where PostgreSQL is set to a stricter isolation, whoever waited for the limit learns by this that its count is old
            self.session.execute(TOUCH, {"limit_ids": self._ids, "updated": now})

    def release(self):
        """Give back every slot that the run holds."""
        if self.tags:
            self.session.execute(RELEASE, {"wanted": self.task_run_id})

"""What was made by applying files, by the set that made it."""

from sqlalchemy import bindparam, delete, select, update

from app.db.models import Applied
from app.db.sql import insert
from app.domain.ids import new_id

APPLIED = Applied.__table__
INSERT = insert(APPLIED).on_conflict_do_nothing(index_elements=[APPLIED.c.kind, APPLIED.c.object_id])
TAKE_OVER = update(APPLIED).where(
    APPLIED.c.kind == bindparam("of_kind"), APPLIED.c.object_id == bindparam("wanted"), APPLIED.c.set_name != bindparam("new_set")
)
OF_SET = select(APPLIED.c.kind, APPLIED.c.object_id).where(APPLIED.c.set_name == bindparam("set_name")).order_by(APPLIED.c.id)
FORGET = delete(APPLIED).where(APPLIED.c.kind == bindparam("of_kind"), APPLIED.c.object_id == bindparam("wanted"))


class AppliedObjects:
    """Things that applying files made. A thing is of one set, the one that named it last."""

    def __init__(self, session, clock):
        self.session, self.clock = session, clock

    def record(self, set_name, kind, object_id):
        """Note that applying `set_name` has made a thing."""
        now = self.clock()
        values = {"id": new_id(), "created": now, "updated": now, "set_name": set_name, "kind": kind, "object_id": object_id}
        self.session.execute(INSERT, values)

    def take_over(self, set_name, kind, object_id):
        """Note that `set_name` names a thing now, if applying files had made it."""
        statement = TAKE_OVER.values(set_name=set_name, updated=self.clock())
        self.session.execute(statement, {"of_kind": kind, "wanted": object_id, "new_set": set_name})

    def of_set(self, set_name):
        """Return the kind and the id of each thing of `set_name`, in the order in which they were made."""
        return [tuple(row) for row in self.session.execute(OF_SET, {"set_name": set_name})]

    def forget(self, kind, object_id):
        """Drop the note on a thing."""
        self.session.execute(FORGET, {"of_kind": kind, "wanted": object_id})

"""Flows."""

from sqlalchemy import bindparam, select, update

from app.db.models import Deployment, Flow
from app.db.sql import insert, prepared
from app.db.types import raw
from app.domain.ids import new_id
from app.errors import NotFound
from app.repositories.base import FilteredRepository
from app.repositories.json_text import RowWriter

DEPLOYMENT = Deployment.__table__
FLOW = Flow.__table__
COLUMNS = (FLOW.c.id, FLOW.c.created, FLOW.c.updated, FLOW.c.name, raw(FLOW.c.tags))
SELECTION = select(*COLUMNS)
BY_NAME = prepared(SELECTION.where(FLOW.c.name == bindparam("name")))
INSERT = prepared(insert(FLOW).on_conflict_do_nothing(index_elements=[FLOW.c.name]).returning(*COLUMNS))
UPDATE = update(FLOW).where(FLOW.c.id == bindparam("wanted"))
LOCK = select(FLOW.c.id).where(FLOW.c.id == bindparam("wanted")).with_for_update()
DEPLOYMENTS = select(DEPLOYMENT.c.id).where(DEPLOYMENT.c.flow_id == bindparam("wanted")).order_by(DEPLOYMENT.c.id)
LOCK_DEPLOYMENTS = DEPLOYMENTS.with_for_update()


class Flows(FilteredRepository):
    """The flows of the registry, unique by name."""

    table = FLOW
    entity = "flows"
    kind = "Flow"
    selection = SELECTION
    writer = RowWriter(SELECTION, {name: name for name in SELECTION.selected_columns.keys()})  # noqa: SIM118
    sorts = {
        "NAME_ASC": (FLOW.c.name, FLOW.c.id),
        "NAME_DESC": (FLOW.c.name.desc(), FLOW.c.id.desc()),
        "CREATED_DESC": (FLOW.c.created.desc(), FLOW.c.id.desc()),
        "UPDATED_DESC": (FLOW.c.updated.desc(), FLOW.c.id.desc()),
    }

    def create(self, name, tags):
        """Create the flow called `name`, or find it and leave it as it is. Return its answer, and whether it is new."""
        now = self.clock()
        values = {"id": new_id(), "created": now, "updated": now, "name": name, "tags": tags}
        while True:
            row = self.session.execute(INSERT, values).one_or_none()
            if row is not None:
                return self.document(row, now), True
            existing = self._documents(BY_NAME, {"name": name})
            if existing:
                return existing[0], False
            # it was deleted since the insert

    def read_by_name(self, name):
        """Return the flow called `name`. Raise NotFound."""
        return self._require(BY_NAME, {"name": name})

    def update(self, id, changes):
        """Set the columns in `changes`. Raise NotFound."""
        if not self.session.execute(UPDATE, changes | {"updated": self.clock(), "wanted": id}).rowcount:
            raise NotFound(self.kind)

    def delete(self, id):
        """Delete the flow with its deployments and runs. Raise NotFound."""
        while not self._lock(id):
            pass
        super().delete(id)

    def _lock(self, id):
        """Lock the flow's deployments and then the flow. Return False, the flow not locked, if it got another deployment in between."""
        # deployments first: whoever makes runs of one holds it and then refers to the flow; the other way round both would wait
        held = self.session.scalars(LOCK_DEPLOYMENTS, {"wanted": id}).all()
        savepoint = self.session.begin_nested()
        self.session.execute(LOCK, {"wanted": id})
        complete = self.session.scalars(DEPLOYMENTS, {"wanted": id}).all() == held
        # only a rollback to a savepoint releases a lock before the transaction ends
        (savepoint.commit if complete else savepoint.rollback)()
        return complete

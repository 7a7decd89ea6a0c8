"""Flows."""

from functools import cache

from sqlalchemy import select, update

from app.db.dialects import insert, raw
from app.db.models import Deployment, Flow
from app.domain.ids import new_id
from app.errors import NotFound
from app.repositories.base import Repository

DEPLOYMENT = Deployment.__table__
FLOW = Flow.__table__
COLUMNS = (FLOW.c.id, FLOW.c.created, FLOW.c.updated, FLOW.c.name, raw(FLOW.c.tags))


class Flows(Repository):
    """The flows of the registry, unique by name."""

    table = FLOW
    entity = "flows"
    kind = "Flow"
    sorts = {
        "NAME_ASC": (FLOW.c.name, FLOW.c.id),
        "NAME_DESC": (FLOW.c.name.desc(), FLOW.c.id.desc()),
        "CREATED_DESC": (FLOW.c.created.desc(), FLOW.c.id.desc()),
        "UPDATED_DESC": (FLOW.c.updated.desc(), FLOW.c.id.desc()),
    }

    @classmethod
    @cache
    def selection(cls):
        """The columns of an answer."""
        return select(*COLUMNS)

    def document(self, row, now):
        """A flow as clients see it."""
        return row._asdict()

    def create(self, name, tags):
        """The flow called `name`, and whether it was made now; one that exists stays as it is."""
        now = self.clock()
        values = {"id": new_id(), "created": now, "updated": now, "name": name, "tags": tags}
        statement = insert(self.session, FLOW).on_conflict_do_nothing(index_elements=[FLOW.c.name]).returning(*COLUMNS)
        while True:
            row = self.session.execute(statement, values).one_or_none()
            if row is not None:
                return self.document(row, now), True
            existing = self._documents(self.selection().where(FLOW.c.name == name))
            if existing:
                return existing[0], False
            # it was deleted since the insert

    def read_by_name(self, name):
        """The flow called `name`. Raises NotFound."""
        return self.require_where(FLOW.c.name == name)

    def update(self, id, changes):
        """Set the columns in `changes`. Raises NotFound."""
        if not self.session.execute(update(FLOW).where(FLOW.c.id == id).values(changes | {"updated": self.clock()})).rowcount:
            raise NotFound(self.kind)

    def delete(self, id):
        """Delete the flow with its deployments and runs. Raises NotFound."""
        while not self._hold(id):
            pass
        super().delete(id)

    def _hold(self, id):
        """Lock the flow's deployments and then the flow. False, and the flow not locked, if it got another deployment in between."""
        # deployments first: whoever makes runs of one holds it and then refers to the flow; the other way round both would wait
        own = select(DEPLOYMENT.c.id).where(DEPLOYMENT.c.flow_id == id).order_by(DEPLOYMENT.c.id)
        held = self.session.scalars(own.with_for_update()).all()
        savepoint = self.session.begin_nested()
        self.session.execute(select(FLOW.c.id).where(FLOW.c.id == id).with_for_update())
        complete = self.session.scalars(own).all() == held
        # only going back to a savepoint lets go of a lock before the transaction ends
        (savepoint.commit if complete else savepoint.rollback)()
        return complete

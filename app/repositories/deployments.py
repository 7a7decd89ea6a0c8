"""Deployments, and the columns by which the scheduler knows which of them are due."""

from functools import cache

from sqlalchemy import Integer, Text, Uuid, select, update

from app.db.dialects import UtcDateTime, insert, raw, rows_of
from app.db.models import Deployment, Flow
from app.domain.ids import new_id
from app.errors import NotFound
from app.repositories.base import Repository

DEPLOYMENT = Deployment.__table__
FLOW = Flow.__table__
COLUMNS = (
    *(DEPLOYMENT.c[name] for name in ("id", "created", "updated", "name", "flow_id")),
    raw(DEPLOYMENT.c.flow_data),
    raw(DEPLOYMENT.c.schedule),
    DEPLOYMENT.c.is_schedule_active,
    raw(DEPLOYMENT.c.parameters),
    raw(DEPLOYMENT.c.tags),
    DEPLOYMENT.c.flow_runner_type,
    raw(DEPLOYMENT.c.flow_runner_config),
)


class Deployments(Repository):
    """The deployments of the registry, unique by flow and name."""

    table = DEPLOYMENT
    entity = "deployments"
    kind = "Deployment"
    sorts = {"NAME_ASC": (DEPLOYMENT.c.name, DEPLOYMENT.c.id)}

    @classmethod
    @cache
    def selection(cls):
        """The columns of an answer."""
        return select(*COLUMNS)

    def document(self, row, now):
        """A deployment as clients see it: the flow runner is always an object."""
        document = row._asdict()
        document["flow_runner"] = {"type": document.pop("flow_runner_type"), "config": document.pop("flow_runner_config")}
        return document

    def read_by_names(self, flow_name, name):
        """The deployment `name` of the flow `flow_name`. Raises NotFound."""
        flow_id = select(FLOW.c.id).where(FLOW.c.name == flow_name).scalar_subquery()
        return self.require_where(DEPLOYMENT.c.name == name, DEPLOYMENT.c.flow_id == flow_id)

    def lock(self, *conditions, for_delete=False):
        """The whole row that meets `conditions`, locked until the transaction ends, or None.

        Who makes or removes runs of a schedule holds this lock, so that runs of two versions of it never mix. It does not hold up
        those who only refer to the row, unless it is `for_delete`.
        """
        statement = select(DEPLOYMENT).where(*conditions).with_for_update(key_share=not for_delete)
        return self.session.execute(statement).one_or_none()

    def require_lock(self, id, for_delete=False):
        """`lock` by id. Raises NotFound."""
        row = self.lock(DEPLOYMENT.c.id == id, for_delete=for_delete)
        if row is None:
            raise NotFound(self.kind)
        return row

    def require_for_run(self, id):
        """The whole row `id`, kept from being deleted until the transaction ends. Raises NotFound."""
        statement = select(DEPLOYMENT).where(DEPLOYMENT.c.id == id).with_for_update(read=True, key_share=True)
        row = self.session.execute(statement).one_or_none()
        if row is None:
            raise NotFound(self.kind)
        return row

    def insert(self, values):
        """The document of a new row, or None when the flow has a deployment of that name already."""
        now = self.clock()
        statement = (
            insert(self.session, DEPLOYMENT)
            .values({"id": new_id(), "created": now, "updated": now} | values)
            .on_conflict_do_nothing(index_elements=[DEPLOYMENT.c.flow_id, DEPLOYMENT.c.name])
            .returning(*COLUMNS)
        )
        row = self.session.execute(statement).one_or_none()
        return row and self.document(row, now)

    def update(self, id, changes):
        """Set the columns in `changes`, and when they changed. Returns the row's document."""
        now = self.clock()
        statement = update(DEPLOYMENT).where(DEPLOYMENT.c.id == id).values({"updated": now} | changes).returning(*COLUMNS)
        return self.document(self.session.execute(statement).one(), now)

    def claim_due(self, now, limit):
        """Whole rows of up to `limit` deployments due for a top-up at `now`, longest due first, locked.

        Those that others hold are passed over.
        """
        statement = select(DEPLOYMENT).where(DEPLOYMENT.c.top_up_due <= now).order_by(DEPLOYMENT.c.top_up_due, DEPLOYMENT.c.id)
        return self.session.execute(statement.limit(limit).with_for_update(key_share=True, skip_locked=True)).all()

    def lock_active_after(self, last_id, limit):
        """Whole rows of up to `limit` deployments with an active schedule, in order of id, beyond `last_id` (None to begin), locked."""
        statement = select(DEPLOYMENT).where(DEPLOYMENT.c.is_schedule_active, DEPLOYMENT.c.schedule.is_not(None))
        if last_id is not None:
            statement = statement.where(DEPLOYMENT.c.id > last_id)
        return self.session.execute(statement.order_by(DEPLOYMENT.c.id).limit(limit).with_for_update(key_share=True)).all()

    def record_top_ups(self, outcomes):
        """Write when each deployment is due again.

        `outcomes` are mappings of `id`, `top_up_due` (an instant or None), `schedule_error` (text or None) and `schedule_failures`.
        """
        if not outcomes:
            return
        given = rows_of(self.session, outcomes, id=Uuid, top_up_due=UtcDateTime, schedule_error=Text, schedule_failures=Integer)
        columns = ("top_up_due", "schedule_error", "schedule_failures")
        statement = update(DEPLOYMENT).where(DEPLOYMENT.c.id == given.c.id).values({name: given.c[name] for name in columns})
        self.session.execute(statement)

"""Deployments, and the columns by which the scheduler knows which of them are due."""

from functools import cache

from sqlalchemy import Integer, Text, Uuid, bindparam, select, update

from app.db.dialects import UtcDateTime, insert, raw, rows_from, rows_text
from app.db.models import Deployment, Flow
from app.domain.ids import new_id
from app.errors import NotFound
from app.repositories.base import Repository, built_once

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
ACTIVE = (DEPLOYMENT.c.is_schedule_active, DEPLOYMENT.c.schedule.is_not(None))


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
        return self._the_one(self._by_names(), {"flow_name": flow_name, "name": name})

    @classmethod
    @cache
    def _by_names(cls):
        flow_id = select(FLOW.c.id).where(FLOW.c.name == bindparam("flow_name")).scalar_subquery()
        return cls.selection().where(DEPLOYMENT.c.name == bindparam("name"), DEPLOYMENT.c.flow_id == flow_id)

    def lock(self, *, for_delete=False, **identity):
        """The whole row whose columns have the values `identity`, locked until the transaction ends, or None.

        Who makes or removes runs of a schedule holds this lock, so that runs of two versions of it never mix. It does not hold up
        those who only refer to the row, unless it is `for_delete`.
        """
        return self.session.execute(self._row(tuple(identity), key_share=not for_delete), identity).one_or_none()

    def require_lock(self, id, for_delete=False):
        """`lock` by id. Raises NotFound."""
        row = self.lock(id=id, for_delete=for_delete)
        if row is None:
            raise NotFound(self.kind)
        return row

    def require_for_run(self, id):
        """The whole row `id`, kept from being deleted until the transaction ends. Raises NotFound."""
        row = self.session.execute(self._row(("id",), read=True, key_share=True), {"id": id}).one_or_none()
        if row is None:
            raise NotFound(self.kind)
        return row

    @staticmethod
    @cache
    def _row(names, **lock):
        identity = (DEPLOYMENT.c[name] == bindparam(name) for name in names)
        return select(DEPLOYMENT).where(*identity).with_for_update(**lock)

    def insert(self, values):
        """The document of a new row, or None when the flow has a deployment of that name already."""
        now = self.clock()
        values = {"id": new_id(), "created": now, "updated": now} | values
        row = self.session.execute(self._insertion(self.session), values).one_or_none()
        return row and self.document(row, now)

    @staticmethod
    @built_once
    def _insertion(session):
        key = [DEPLOYMENT.c.flow_id, DEPLOYMENT.c.name]
        return insert(session, DEPLOYMENT).on_conflict_do_nothing(index_elements=key).returning(*COLUMNS)

    def update(self, id, changes):
        """Set the columns in `changes`, and when they changed. Returns the row's document."""
        now = self.clock()
        return self.document(self.session.execute(self._change(), {"updated": now} | changes | {"wanted": id}).one(), now)

    @staticmethod
    @cache
    def _change():
        return update(DEPLOYMENT).where(DEPLOYMENT.c.id == bindparam("wanted")).returning(*COLUMNS)

    def claim_due(self, now, limit):
        """Whole rows of up to `limit` deployments due for a top-up at `now`, longest due first, locked.

        Those that others hold are passed over.
        """
        statement = select(DEPLOYMENT).where(DEPLOYMENT.c.top_up_due <= now).order_by(DEPLOYMENT.c.top_up_due, DEPLOYMENT.c.id)
        return self.session.execute(statement.limit(limit).with_for_update(key_share=True, skip_locked=True)).all()

    def claim(self, ids):
        """Whole rows of those deployments of `ids` that have an active schedule, in order of id, locked.

        Those that others hold are passed over.
        """
        statement = select(DEPLOYMENT).where(DEPLOYMENT.c.id.in_(ids), *ACTIVE).order_by(DEPLOYMENT.c.id)
        return self.session.execute(statement.with_for_update(key_share=True, skip_locked=True)).all()

    def active_after(self, last_id, limit):
        """The ids of up to `limit` deployments with an active schedule, in order, beyond `last_id` (None to begin)."""
        statement = select(DEPLOYMENT.c.id).where(*ACTIVE)
        if last_id is not None:
            statement = statement.where(DEPLOYMENT.c.id > last_id)
        return self.session.scalars(statement.order_by(DEPLOYMENT.c.id).limit(limit)).all()

    def record_top_ups(self, outcomes):
        """Write when each deployment is due again.

        `outcomes` are mappings of `id`, `top_up_due` (an instant or None), `schedule_error` (text or None) and `schedule_failures`.
        """
        if not outcomes:
            return
        self.session.execute(_top_ups(self.session), {"outcomes": rows_text(self.session, outcomes)})


@built_once
def _top_ups(session):
    columns = {"top_up_due": UtcDateTime, "schedule_error": Text, "schedule_failures": Integer}
    given = rows_from(session, bindparam("outcomes", type_=Text), id=Uuid, **columns)
    return update(DEPLOYMENT).where(DEPLOYMENT.c.id == given.c.id).values({name: given.c[name] for name in columns})

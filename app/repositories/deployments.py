"""Deployments, and the columns by which the scheduler knows which of them are due."""

from dataclasses import fields

from sqlalchemy import Integer, Text, Uuid, bindparam, select, update
from sqlalchemy.exc import IntegrityError

from app.db.models import Deployment as DeploymentModel
from app.db.models import Flow
from app.db.sql import insert, rows
from app.db.types import JsonRows, UtcDateTime, raw
from app.domain.deployments import Deployment, stored_schedule
from app.domain.unset import UNSET, given
from app.errors import Conflict, NotFound
from app.repositories.base import FilteredRepository

DEPLOYMENT = DeploymentModel.__table__
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
SELECTION = select(*COLUMNS)
_FLOW_ID = select(FLOW.c.id).where(FLOW.c.name == bindparam("flow_name")).scalar_subquery()
BY_NAMES = SELECTION.where(DEPLOYMENT.c.name == bindparam("name"), DEPLOYMENT.c.flow_id == _FLOW_ID)

# What a `Deployment` is made of
STORED = select(*(DEPLOYMENT.c[field.name] for field in fields(Deployment) if field.name != "flow_data"))
_BY_ID = STORED.where(DEPLOYMENT.c.id == bindparam("id"))
_BY_NAME = STORED.where(DEPLOYMENT.c.flow_id == bindparam("flow_id"), DEPLOYMENT.c.name == bindparam("name"))
# these do not hold up those who only refer to the row
LOCK, LOCK_BY_NAME = _BY_ID.with_for_update(key_share=True), _BY_NAME.with_for_update(key_share=True)
LOCK_FOR_DELETE = _BY_ID.with_for_update()
KEEP = _BY_ID.with_for_update(read=True, key_share=True)

_IS_ACTIVE = (DEPLOYMENT.c.is_schedule_active, DEPLOYMENT.c.schedule.is_not(None))
CLAIM_DUE = (
    STORED.where(DEPLOYMENT.c.top_up_due <= bindparam("now", type_=UtcDateTime))
    .order_by(DEPLOYMENT.c.top_up_due, DEPLOYMENT.c.id)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(key_share=True, skip_locked=True)
)
CLAIM = (
    STORED.where(DEPLOYMENT.c.id.in_(bindparam("ids", type_=Uuid, expanding=True)), *_IS_ACTIVE)
    .order_by(DEPLOYMENT.c.id)
    .with_for_update(key_share=True, skip_locked=True)
)
ACTIVE = select(DEPLOYMENT.c.id).where(*_IS_ACTIVE).order_by(DEPLOYMENT.c.id).limit(bindparam("limit", type_=Integer))
ACTIVE_AFTER = ACTIVE.where(DEPLOYMENT.c.id > bindparam("last_id", type_=Uuid))

INSERT = insert(DEPLOYMENT).on_conflict_do_nothing(index_elements=[DEPLOYMENT.c.flow_id, DEPLOYMENT.c.name]).returning(*COLUMNS)
RENAME = update(DEPLOYMENT).where(DEPLOYMENT.c.id == bindparam("wanted")).values(name=bindparam("new_name"))
UPDATE = update(DEPLOYMENT).where(DEPLOYMENT.c.id == bindparam("wanted")).returning(*COLUMNS)

_TOP_UPS = rows(
    bindparam("top_ups", type_=JsonRows), deployment_id=Uuid, top_up_due=UtcDateTime, schedule_error=Text, schedule_failures=Integer
)
RECORD_TOP_UPS = (
    update(DEPLOYMENT)
    .where(DEPLOYMENT.c.id == _TOP_UPS.c.deployment_id)
    .values({name: _TOP_UPS.c[name] for name in ("top_up_due", "schedule_error", "schedule_failures")})
)
NEVER_DUE = {"top_up_due": None, "schedule_error": None, "schedule_failures": 0}


class Deployments(FilteredRepository):
    """The deployments of the registry, unique by flow and name."""

    table = DEPLOYMENT
    entity = "deployments"
    kind = "Deployment"
    selection = SELECTION
    sorts = {"NAME_ASC": (DEPLOYMENT.c.name, DEPLOYMENT.c.id)}

    def document(self, row, now):
        """Return a deployment as clients see it: the flow runner is always an object."""
        document = row._asdict()
        document["flow_runner"] = {"type": document.pop("flow_runner_type"), "config": document.pop("flow_runner_config")}
        return document

    def read_by_names(self, flow_name, name):
        """Return the deployment `name` of the flow `flow_name`. Raise NotFound."""
        return self._require(BY_NAMES, {"flow_name": flow_name, "name": name})

    def lock_by_name(self, flow_id, name):
        """Lock the deployment `name` of a flow until the transaction ends. Return the `Deployment`, or None.

        Whoever makes or removes runs of a schedule holds this lock, so that runs of two versions of it never mix.
        """
        row = self.session.execute(LOCK_BY_NAME, {"flow_id": flow_id, "name": name}).one_or_none()
        return row and _stored(row)

    def lock(self, id, *, for_delete=False):
        """Lock the deployment `id` until the transaction ends. Return the `Deployment`. Raise NotFound."""
        return self._require_stored(LOCK_FOR_DELETE if for_delete else LOCK, id)

    def require_for_run(self, id):
        """Return the `Deployment` `id`, and keep it from being deleted until the transaction ends. Raise NotFound."""
        return self._require_stored(KEEP, id)

    def _require_stored(self, statement, id):
        row = self.session.execute(statement, {"id": id}).one_or_none()
        if row is None:
            raise NotFound(self.kind)
        return _stored(row)

    def insert(self, deployment):
        """Insert a `Deployment`. Return its answer, or None when the flow has a deployment of that name already."""
        now = self.clock()
        values = _columns({field.name: getattr(deployment, field.name) for field in fields(deployment)})
        row = self.session.execute(INSERT, {"created": now, "updated": now} | values).one_or_none()
        return row and self.document(row, now)

    def update(self, id, changes, *, never_due=False):
        """Set what the `DeploymentChanges` name, but for the identity; with `never_due`, let it have no runs made. Return the answer."""
        now = self.clock()
        values = _columns(given(changes)) | (NEVER_DUE if never_due else {})
        values = {name: value for name, value in values.items() if name not in ("flow_id", "name")}
        return self.document(self.session.execute(UPDATE, values | {"updated": now, "wanted": id}).one(), now)

    def rename(self, id, name):
        """Give the deployment `id` another name. Raise Conflict where its flow has a deployment of that name."""
        try:
            self.session.execute(RENAME, {"wanted": id, "new_name": name})
        except IntegrityError:
            raise Conflict(f"The flow has another deployment named {name}.") from None

    def claim_due(self, now, limit):
        """Lock up to `limit` deployments due for a top-up at `now`, longest due first, and skip those that others hold.

        Return each as a `Deployment`.
        """
        return [_stored(row) for row in self.session.execute(CLAIM_DUE, {"now": now, "limit": limit})]

    def claim(self, ids):
        """Lock those deployments of `ids` that have an active schedule, in order of id, and skip those that others hold.

        Return each as a `Deployment`.
        """
        return [_stored(row) for row in self.session.execute(CLAIM, {"ids": ids})]

    def active_after(self, last_id, limit):
        """Return the ids of up to `limit` deployments with an active schedule, in order, beyond `last_id` (None to begin)."""
        if last_id is None:
            return self.session.scalars(ACTIVE, {"limit": limit}).all()
        return self.session.scalars(ACTIVE_AFTER, {"limit": limit, "last_id": last_id}).all()

    def record_top_ups(self, top_ups):
        """Write what the `TopUp`s say."""
        if not top_ups:
            return
        values = [
            {
                "deployment_id": top_up.deployment_id,
                "top_up_due": top_up.due,
                "schedule_error": top_up.error,
                "schedule_failures": top_up.failures,
            }
            for top_up in top_ups
        ]
        self.session.execute(RECORD_TOP_UPS, {"top_ups": values})


def _stored(row):
    return Deployment(**row._asdict() | {"schedule": stored_schedule(row.schedule)})


def _columns(values):
    """Return the columns for `values`, fields of a deployment by name."""
    columns = {name: value for name, value in values.items() if value is not UNSET}
    if columns.get("schedule") is not None:
        columns["schedule"] = columns["schedule"].to_document()
    return columns

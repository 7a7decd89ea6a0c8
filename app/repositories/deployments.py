"""Deployments. Their schedules are rows of their own (`app.repositories.deployment_schedules`)."""

from dataclasses import fields

from sqlalchemy import Boolean, Integer, Text, Uuid, bindparam, literal, null, select, update
from sqlalchemy.exc import IntegrityError

from app.db.clock import given_now
from app.db.models import Deployment as DeploymentModel
from app.db.models import DeploymentSchedule, Flow
from app.db.sql import Now, insert, prepared, rows
from app.db.types import JsonRows, UtcDateTime, raw
from app.domain.deployment_schedules import DEFAULT
from app.domain.deployments import Deployment, own_changes
from app.domain.unset import UNSET
from app.errors import Conflict, NotFound
from app.repositories.base import FilteredRepository
from app.repositories.filtering import read_filters, where
from app.repositories.json_text import RowWriter, with_flow_runner

DEPLOYMENT = DeploymentModel.__table__
SCHEDULE = DeploymentSchedule.__table__
FLOW = Flow.__table__


def _columns_with(schedule):
    """Return the columns of an answer, with the document of the default schedule among them."""
    return (
        *(DEPLOYMENT.c[name] for name in ("id", "created", "updated", "name", "flow_id")),
        raw(DEPLOYMENT.c.flow_data),
        schedule,
        DEPLOYMENT.c.is_schedule_active,
        raw(DEPLOYMENT.c.parameters),
        raw(DEPLOYMENT.c.tags),
        DEPLOYMENT.c.flow_runner_type,
        raw(DEPLOYMENT.c.flow_runner_config),
    )


_DEFAULT_SCHEDULE = select(SCHEDULE.c.schedule).where(SCHEDULE.c.deployment_id == DEPLOYMENT.c.id, SCHEDULE.c.slug == literal(DEFAULT))
# no join: PostgreSQL plans this in a third of the time
SELECTION = select(*_columns_with(raw(_DEFAULT_SCHEDULE.correlate(DEPLOYMENT).scalar_subquery().label("schedule"))))
# what a statement that writes the row returns: the schedule is written by another one
_WRITTEN = _columns_with(null().label("schedule"))
_FLOW_ID = select(FLOW.c.id).where(FLOW.c.name == bindparam("flow_name")).scalar_subquery()
BY_NAMES = prepared(SELECTION.where(DEPLOYMENT.c.name == bindparam("name"), DEPLOYMENT.c.flow_id == _FLOW_ID))

# What a `Deployment` is made of
STORED_COLUMNS = tuple(DEPLOYMENT.c[field.name] for field in fields(Deployment) if field.name != "flow_data")
STORED = select(*STORED_COLUMNS)
_BY_ID = prepared(STORED.where(DEPLOYMENT.c.id == bindparam("id")))
_BY_NAME = prepared(STORED.where(DEPLOYMENT.c.flow_id == bindparam("flow_id"), DEPLOYMENT.c.name == bindparam("name")))
# these do not hold up those who only refer to the row
LOCK, LOCK_BY_NAME = _BY_ID.with_for_update(key_share=True), _BY_NAME.with_for_update(key_share=True)
LOCK_WHOLE, LOCK_WHOLE_BY_NAME = (statement.add_columns(DEPLOYMENT.c.flow_data) for statement in (LOCK, LOCK_BY_NAME))
LOCK_FOR_DELETE = _BY_ID.with_for_update()
KEEP = _BY_ID.with_for_update(read=True, key_share=True)

INSERT = prepared(insert(DEPLOYMENT).on_conflict_do_nothing(index_elements=[DEPLOYMENT.c.flow_id, DEPLOYMENT.c.name]).returning(*_WRITTEN))
SET = prepared(update(DEPLOYMENT).where(DEPLOYMENT.c.id == bindparam("wanted")))
UPDATE = SET.returning(*_WRITTEN)
RENAME = SET.values(name=bindparam("new_name"))
PAUSE = ("pause_note", "paused_until", "paused_since", "failures_in_a_row")

PAUSE_ENDED = (
    STORED.where(DEPLOYMENT.c.paused_until <= Now(bindparam("now", type_=UtcDateTime)))
    .order_by(DEPLOYMENT.c.paused_until, DEPLOYMENT.c.id)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(key_share=True, skip_locked=True)
)
_ACTIVITIES = rows(
    bindparam("deployments", type_=JsonRows),
    deployment_id=Uuid,
    is_schedule_active=Boolean,
    pause_note=Text,
    paused_until=UtcDateTime,
    paused_since=UtcDateTime,
    failures_in_a_row=Integer,
)
ACTIVITY = ("is_schedule_active", *PAUSE)
SET_ACTIVITIES = (
    update(DEPLOYMENT)
    .where(DEPLOYMENT.c.id == _ACTIVITIES.c.deployment_id)
    .values({name: _ACTIVITIES.c[name] for name in ACTIVITY} | {"updated": bindparam("now", type_=UtcDateTime)})
)


class Deployments(FilteredRepository):
    """The deployments of the registry, unique by flow and name."""

    table = DEPLOYMENT
    entity = "deployments"
    kind = "Deployment"
    selection = SELECTION
    sorts = {"NAME_ASC": (DEPLOYMENT.c.name, DEPLOYMENT.c.id)}
    writer = RowWriter(SELECTION, with_flow_runner(SELECTION))
    text_by_names = writer.selecting(BY_NAMES)

    def document(self, row, now):
        """Return a deployment as clients see it: the flow runner is always an object."""
        document = row._asdict()
        document["flow_runner"] = {"type": document.pop("flow_runner_type"), "config": document.pop("flow_runner_config")}
        return document

    def read_by_names(self, flow_name, name):
        """Return the deployment `name` of the flow `flow_name`. Raise NotFound."""
        return self._require(BY_NAMES, {"flow_name": flow_name, "name": name})

    def read_json_by_names(self, flow_name, name):
        """Return what `read_by_names` does, for a client, as `require_json` does. Raise NotFound."""
        if self._is_slow:
            return self.read_by_names(flow_name, name)
        return self._require_text(self.text_by_names, {"flow_name": flow_name, "name": name})

    def lock_by_name(self, flow_id, name, *, whole=False):
        """Lock the deployment `name` of a flow until the transaction ends. Return the `Deployment`, or None; its flow data if `whole`.

        Whoever makes or removes runs of a schedule holds this lock, so that runs of two versions of it never mix.
        """
        row = self.session.execute(LOCK_WHOLE_BY_NAME if whole else LOCK_BY_NAME, {"flow_id": flow_id, "name": name}).one_or_none()
        return row and Deployment(**row._asdict())

    def lock(self, id, *, whole=False, for_delete=False):
        """Lock the deployment `id` until the transaction ends. Return the `Deployment`, its flow data if `whole`. Raise NotFound."""
        return self._require_stored(LOCK_FOR_DELETE if for_delete else LOCK_WHOLE if whole else LOCK, id)

    def require_for_run(self, id):
        """Return the `Deployment` `id`, and keep it from being deleted until the transaction ends. Raise NotFound."""
        return self._require_stored(KEEP, id)

    def _require_stored(self, statement, id):
        row = self.session.execute(statement, {"id": id}).one_or_none()
        if row is None:
            raise NotFound(self.kind)
        return Deployment(**row._asdict())

    def insert(self, deployment, schedule):
        """Insert a `Deployment`. Return its answer, or None when the flow has a deployment of that name already.

        `schedule` is what the answer shows as its schedule: a document, or None.
        """
        now = self.clock()
        values = {field.name: getattr(deployment, field.name) for field in fields(deployment)}
        values = {name: value for name, value in values.items() if value is not UNSET}
        row = self.session.execute(INSERT, {"created": now, "updated": now} | values).one_or_none()
        return row and self.document(row, now) | {"schedule": schedule}

    def update(self, deployment, changes, schedule):
        """Set what the `DeploymentChanges` name, but for the identity, and the pause, as they are in `deployment`. Return the answer.

        `schedule` is what it shows as the schedule: a document, or None.
        """
        now = self.clock()
        names = {*own_changes(changes), *PAUSE} - {"flow_id", "name"}
        values = {name: getattr(deployment, name) for name in names}
        row = self.session.execute(UPDATE, values | {"updated": now, "wanted": deployment.id}).one()
        return self.document(row, now) | {"schedule": schedule}

    def rename(self, id, name):
        """Give the deployment `id` another name. Raise Conflict where its flow has a deployment of that name."""
        try:
            self.session.execute(RENAME, {"wanted": id, "new_name": name})
        except IntegrityError:
            raise Conflict(f"The flow has another deployment named {name}.") from None

    def set_activities(self, deployments):
        """Write whether the schedules of `Deployment`s are active, and their pauses."""
        if deployments:
            values = [{"deployment_id": one.id} | {name: getattr(one, name) for name in ACTIVITY} for one in deployments]
            self.session.execute(SET_ACTIVITIES, {"deployments": values, "now": self.clock()})

    def set_start_policy(self, id, policy, failures):
        """Write the `StartPolicy` of the deployment `id`, and how many failures in a row it has seen."""
        values = {"failures_in_a_row": failures, "updated": self.clock()} | vars(policy)
        self.session.execute(SET, values | {"wanted": id})

    def set_failures(self, id, number):
        """Write how many runs of the deployment `id` have failed in a row."""
        self.session.execute(SET, {"wanted": id, "failures_in_a_row": number})

    def stored(self, id):
        """Return the `Deployment` `id`, unlocked. Raise NotFound."""
        return self._require_stored(_BY_ID, id)

    def start_policy_of(self, id):
        """Return the `StartPolicy` of the deployment `id`. Raise NotFound."""
        return self.stored(id).start_policy

    def lock_found(self, filters):
        """Lock the deployments that meet `filters`, in order of id. Return the `Deployment`s."""
        shape, parameters = read_filters(filters)
        statement = STORED.where(*where(self.entity, shape)).order_by(DEPLOYMENT.c.id).with_for_update(key_share=True, of=DEPLOYMENT)
        return [Deployment(**row._asdict()) for row in self.session.execute(statement, parameters)]

    def lock_pause_ended(self, limit):
        """Lock up to `limit` deployments whose pause has reached its end, skipping those that others hold. Return the `Deployment`s."""
        parameters = {"now": given_now(self.clock), "limit": limit}
        return [Deployment(**row._asdict()) for row in self.session.execute(PAUSE_ENDED, parameters)]

    def pause_of(self, id):
        """Return whether a deployment is paused, why, until when and since when. Raise NotFound."""
        deployment = self.stored(id)
        return {
            "paused": not deployment.is_schedule_active,
            "note": deployment.pause_note,
            "until": deployment.paused_until,
            "since": deployment.paused_since,
        }

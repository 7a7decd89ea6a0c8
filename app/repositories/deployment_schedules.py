"""The schedules of deployments, and the columns by which the scheduler knows which of them are due."""

from dataclasses import fields

from sqlalchemy import Integer, Text, Uuid, bindparam, delete, func, null, or_, select, update

from app.db.clock import given_now
from app.db.models import Deployment as DeploymentModel
from app.db.models import DeploymentSchedule as ScheduleModel
from app.db.models import FlowRun
from app.db.sql import Now, insert, prepared, rows
from app.db.types import JsonRows, UtcDateTime
from app.domain.deployment_schedules import SHAPE, DeploymentSchedule, RunTemplate, UnreadableSchedule, schedule_key, shaped
from app.domain.deployments import Deployment
from app.domain.instants import isoformat, parse
from app.domain.schedules import describe
from app.domain.states import StateType
from app.errors import NotFound
from app.repositories.deployments import STORED_COLUMNS

SCHEDULE, DEPLOYMENT, FLOW_RUN = ScheduleModel.__table__, DeploymentModel.__table__, FlowRun.__table__

KIND = "Schedule"
# what a `DeploymentSchedule` keeps in its members
_MEMBERS = ("schedule", *SHAPE)
_INSTANTS = ("starts_at", "ends_at")
_OWN = tuple(field.name for field in fields(DeploymentSchedule) if field.name not in ("members", "schedule"))
_STORED = tuple(SCHEDULE.c[name] for name in (*_OWN, *_MEMBERS))

_OF_DEPLOYMENT = SCHEDULE.c.deployment_id == bindparam("wanted")
_OF_DEPLOYMENTS = SCHEDULE.c.deployment_id.in_(bindparam("wanted", type_=Uuid, expanding=True))
OF_DEPLOYMENT = prepared(select(*_STORED).where(_OF_DEPLOYMENT).order_by(SCHEDULE.c.slug))
OF_DEPLOYMENTS = select(*_STORED).where(_OF_DEPLOYMENTS, SCHEDULE.c.is_active).order_by(SCHEDULE.c.deployment_id, SCHEDULE.c.slug)
ANSWERS = select(*_STORED, SCHEDULE.c.created, SCHEDULE.c.updated).where(_OF_DEPLOYMENT).order_by(SCHEDULE.c.slug)
NEXT_RUNS = (
    select(FLOW_RUN.c.schedule_id, func.min(FLOW_RUN.c.next_scheduled_start_time))
    .where(
        FLOW_RUN.c.deployment_id == bindparam("deployment_id"),
        FLOW_RUN.c.expected_start_time >= bindparam("now", type_=UtcDateTime),
        FLOW_RUN.c.state_type == StateType.SCHEDULED.value,
        FLOW_RUN.c.schedule_id.is_not(None),
    )
    .group_by(FLOW_RUN.c.schedule_id)
)

# Both rows are locked: a schedule that somebody has changed since the statement began is then looked at once more
_PAIRS = select(*(column.label(f"owner_{column.name}") for column in STORED_COLUMNS), *_STORED).join_from(
    SCHEDULE, DEPLOYMENT, DEPLOYMENT.c.id == SCHEDULE.c.deployment_id
)
_LOCKED = {"of": [DEPLOYMENT, SCHEDULE], "key_share": True, "skip_locked": True}
_IS_ACTIVE = (DEPLOYMENT.c.is_schedule_active, SCHEDULE.c.is_active)
CLAIM_DUE = (
    _PAIRS.where(SCHEDULE.c.top_up_due <= Now(bindparam("now", type_=UtcDateTime)))
    .where(SCHEDULE.c.top_up_due <= bindparam("until", type_=UtcDateTime))
    .order_by(SCHEDULE.c.top_up_due, SCHEDULE.c.id)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(**_LOCKED)
)
CLAIM = (
    _PAIRS.where(SCHEDULE.c.id.in_(bindparam("ids", type_=Uuid, expanding=True)), *_IS_ACTIVE)
    .order_by(SCHEDULE.c.id)
    .with_for_update(**_LOCKED)
)
ACTIVE = (
    select(SCHEDULE.c.id)
    .join(DEPLOYMENT, DEPLOYMENT.c.id == SCHEDULE.c.deployment_id)
    .where(*_IS_ACTIVE)
    .order_by(SCHEDULE.c.id)
    .limit(bindparam("limit", type_=Integer))
)
ACTIVE_AFTER = ACTIVE.where(SCHEDULE.c.id > bindparam("last_id", type_=Uuid))
RULES_VERSIONS = select(SCHEDULE.c.rules_version).where(SCHEDULE.c.top_up_due.is_not(None)).distinct()

_INSERT = insert(SCHEDULE)
_KEPT = ("id", "created", "deployment_id", "slug")
WRITE = prepared(
    _INSERT.on_conflict_do_update(
        index_elements=[SCHEDULE.c.deployment_id, SCHEDULE.c.slug],
        set_={column.name: _INSERT.excluded[column.name] for column in SCHEDULE.c if column.name not in _KEPT},
    )
)
DELETE = delete(SCHEDULE).where(SCHEDULE.c.id.in_(bindparam("ids", type_=Uuid, expanding=True)))
NEVER_DUE = update(SCHEDULE).where(_OF_DEPLOYMENTS).values(top_up_due=null(), schedule_error=null(), schedule_failures=0)
DUE_AT = update(SCHEDULE).where(_OF_DEPLOYMENTS, SCHEDULE.c.is_active).values(top_up_due=bindparam("due", type_=UtcDateTime))

_TOP_UPS = rows(
    bindparam("top_ups", type_=JsonRows),
    schedule_id=Uuid,
    top_up_due=UtcDateTime,
    schedule_error=Text,
    schedule_failures=Integer,
    rules_version=Text,
)
RECORD_TOP_UPS = (
    update(SCHEDULE)
    .where(SCHEDULE.c.id == _TOP_UPS.c.schedule_id)
    .values({name: _TOP_UPS.c[name] for name in ("top_up_due", "schedule_error", "schedule_failures", "rules_version")})
)


class DeploymentSchedules:
    """The schedules of deployments, unique by deployment and slug. Whoever changes one holds its deployment's row."""

    def __init__(self, session, clock):
        self.session, self.clock = session, clock

    def of(self, deployment_id):
        """Return the `DeploymentSchedule`s of a deployment, in order of slug."""
        return [_stored(row._asdict()) for row in self.session.execute(OF_DEPLOYMENT, {"wanted": deployment_id})]

    def active_of(self, deployment_ids):
        """Return the `DeploymentSchedule`s of deployments that are active themselves."""
        return [_stored(row._asdict()) for row in self.session.execute(OF_DEPLOYMENTS, {"wanted": deployment_ids})]

    def answers(self, deployment_id):
        """Return what clients see of a deployment's schedules, in order of slug."""
        now = self.clock()
        next_runs = dict(self.session.execute(NEXT_RUNS, {"deployment_id": deployment_id, "now": now}).all())
        found = self.session.execute(ANSWERS, {"wanted": deployment_id})
        return [_answer(row, next_runs.get(row.id)) for row in found]

    def answer(self, deployment_id, slug):
        """Return what clients see of one schedule. Raise NotFound."""
        for found in self.answers(deployment_id):
            if found["slug"] == slug:
                return found
        raise NotFound(KIND)

    def write(self, schedules):
        """Insert `DeploymentSchedule`s, or change those with the same deployment and slug."""
        now = self.clock()
        for schedule in schedules:
            self.session.send(WRITE, {"created": now, "updated": now} | _columns(schedule))

    def delete(self, ids):
        """Delete the schedules `ids`."""
        if ids:
            self.session.execute(DELETE, {"ids": ids})

    def never_due(self, deployment_ids):
        """Let no runs be made of the deployments' schedules, and forget their failures."""
        self.session.execute(NEVER_DUE, {"wanted": deployment_ids})

    def due_at(self, deployment_ids, now):
        """Let the scheduler make the runs of the deployments' active schedules as soon as it is `now`."""
        self.session.execute(DUE_AT, {"wanted": deployment_ids, "due": now})

    def claim_due(self, until, limit):
        """Lock up to `limit` schedules that were due for a top-up by `until`, longest due first, with their deployments.

        Skip what others hold.

        Return each as a `RunTemplate`.
        """
        values = {"now": given_now(self.clock), "until": until, "limit": limit}
        return [_template(row) for row in self.session.execute(CLAIM_DUE, values)]

    def claim(self, ids):
        """Lock those schedules of `ids` that are active, in order of id, and their deployments; skip what others hold.

        Return each as a `RunTemplate`.
        """
        return [_template(row) for row in self.session.execute(CLAIM, {"ids": ids})]

    def active_after(self, last_id, limit):
        """Return the ids of up to `limit` active schedules, in order, beyond `last_id` (None to begin)."""
        if last_id is None:
            return self.session.scalars(ACTIVE, {"limit": limit}).all()
        return self.session.scalars(ACTIVE_AFTER, {"limit": limit, "last_id": last_id}).all()

    def rules_versions(self):
        """Return the versions of zones' rules by which the runs of active schedules were made."""
        return self.session.scalars(RULES_VERSIONS).all()

    def made_by(self, versions, last_id, limit):
        """Return the ids of up to `limit` active schedules, in order, beyond `last_id`, whose runs were made by rules of `versions`."""
        known = [version for version in versions if version is not None]
        outdated = [SCHEDULE.c.rules_version.in_(known)] + [SCHEDULE.c.rules_version.is_(None)] * (None in versions)
        statement = (ACTIVE if last_id is None else ACTIVE_AFTER).where(SCHEDULE.c.top_up_due.is_not(None), or_(*outdated))
        return self.session.scalars(statement, {"limit": limit} | ({} if last_id is None else {"last_id": last_id})).all()

    def record_top_ups(self, top_ups):
        """Write what the `TopUp`s say."""
        if not top_ups:
            return
        values = [
            {
                "schedule_id": top_up.schedule_id,
                "top_up_due": top_up.due,
                "schedule_error": top_up.error,
                "schedule_failures": top_up.failures,
                "rules_version": top_up.rules_version,
            }
            for top_up in top_ups
        ]
        self.session.execute(RECORD_TOP_UPS, {"top_ups": values})


def _template(row):
    values = row._asdict()
    names = [column.name for column in STORED_COLUMNS]
    deployment = Deployment(**{name: values.pop(f"owner_{name}") for name in names})
    return RunTemplate(deployment, _stored(values))


def _stored(values):
    own = {name: values[name] for name in _OWN}
    members = {name: values[name] for name in _MEMBERS}
    for name in _INSTANTS:
        members[name] = members[name] and isoformat(members[name])
    key = schedule_key(own["deployment_id"], own["slug"])
    return DeploymentSchedule(**own, members=members, schedule=shaped(members, key))


def _columns(schedule):
    values = {name: getattr(schedule, name) for name in _OWN} | {name: schedule.members[name] for name in _MEMBERS}
    return values | {name: values[name] and parse(values[name]) for name in _INSTANTS}


def _answer(row, next_run):
    stored = _stored(row._asdict())
    return {
        "id": row.id,
        "created": row.created,
        "updated": row.updated,
        "deployment_id": row.deployment_id,
        "slug": row.slug,
        "schedule": row.schedule,
        "is_active": row.is_active,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "exclude": row.exclude,
        "jitter_seconds": row.jitter_seconds,
        "gap": row.gap,
        "fold": row.fold,
        "parameters": row.parameters,
        "max_scheduled_runs": row.max_scheduled_runs,
        "description": None if isinstance(stored.schedule, UnreadableSchedule) else describe(stored.schedule),
        "schedule_error": row.schedule_error,
        "next_run": next_run,
    }

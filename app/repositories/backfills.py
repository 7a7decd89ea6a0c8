"""Backfills, and the flow runs that they make. The first state of these is what `app.domain.states.enter` makes of a new run."""

from functools import lru_cache

from sqlalchemy import Integer, Text, Uuid, bindparam, case, delete, exists, false, func, literal, select, true, update
from sqlalchemy import insert as plain_insert

from app.db.models import Backfill, Deployment, FlowRun, FlowRunState
from app.db.sql import insert, rows
from app.db.types import Json, JsonRows, UtcDateTime, raw
from app.domain.backfills import BackfillState, run_key, run_tag
from app.domain.deployment_schedules import occurrence_of
from app.domain.ids import new_id
from app.domain.names import random_name
from app.domain.states import HELD, NO_DETAILS, StateType
from app.errors import NotFound
from app.repositories.base import NO_LIMIT, part_of
from app.repositories.filtering import read_filters, where

BACKFILL, DEPLOYMENT, FLOW_RUN, FLOW_RUN_STATE = (model.__table__ for model in (Backfill, Deployment, FlowRun, FlowRunState))

KIND = "Backfill"
ACTIVE = (StateType.SCHEDULED, *HELD)
# What the runs of a backfill are called in its counts
COUNTS = {
    "scheduled": (StateType.SCHEDULED,),
    "running": HELD,
    "completed": (StateType.COMPLETED,),
    "failed": (StateType.FAILED,),
    "cancelled": (StateType.CANCELLED,),
}

_COLUMNS = (
    "id",
    "created",
    "updated",
    "deployment_id",
    "slug",
    "start",
    "end",
    "order",
    "max_active",
    "reprocess",
    "state",
    "total",
    "made",
)
_ANSWER = select(*(BACKFILL.c[name] for name in _COLUMNS), raw(BACKFILL.c.parameters))
_BY_ID = BACKFILL.c.id == bindparam("wanted", type_=Uuid)
ANSWER = _ANSWER.where(_BY_ID)
ROW = select(BACKFILL).where(_BY_ID)
LOCK = ROW.with_for_update(key_share=True)
LOCK_FREE = ROW.where(BACKFILL.c.state == literal(BackfillState.RUNNING.value)).with_for_update(key_share=True, skip_locked=True)
INSERT = plain_insert(BACKFILL)
UPDATE = update(BACKFILL).where(_BY_ID)
RUNNING = (
    select(BACKFILL.c.id)
    .where(BACKFILL.c.state == literal(BackfillState.RUNNING.value), BACKFILL.c.id > bindparam("after", type_=Uuid))
    .order_by(BACKFILL.c.id)
    .limit(bindparam("limit", type_=Integer))
)

_OF_BACKFILL = FLOW_RUN.c.backfill_id == bindparam("wanted", type_=Uuid)
_ACTIVE_ONES = (
    select(FLOW_RUN.c.id)
    .where(_OF_BACKFILL, FLOW_RUN.c.state_type.in_([kind.value for kind in ACTIVE]))
    .limit(bindparam("most", type_=Integer))
    .subquery("active")
)
COUNT_ACTIVE = select(func.count()).select_from(_ACTIVE_ONES)
COUNTS_OF = (
    select(
        FLOW_RUN.c.backfill_id,
        *(func.count(case((FLOW_RUN.c.state_type.in_([kind.value for kind in kinds]), 1))).label(name) for name, kinds in COUNTS.items()),
    )
    .where(FLOW_RUN.c.backfill_id.in_(bindparam("ids", type_=Uuid, expanding=True)))
    .group_by(FLOW_RUN.c.backfill_id)
)
_IS_ANOTHER_STATE = FLOW_RUN_STATE.c.type != literal(StateType.SCHEDULED.value)
_UNSTARTED = (
    _OF_BACKFILL,
    FLOW_RUN.c.state_type == literal(StateType.SCHEDULED.value),
    FLOW_RUN.c.run_count == 0,
    ~exists().where(FLOW_RUN_STATE.c.flow_run_id == FLOW_RUN.c.id, _IS_ANOTHER_STATE),
)
LOCK_UNSTARTED = select(FLOW_RUN.c.id).where(*_UNSTARTED).order_by(FLOW_RUN.c.id).with_for_update()
DELETE_UNSTARTED = delete(FLOW_RUN).where(*_UNSTARTED)

# The runs of a schedule that start in a window, whoever made them, the newest last
MADE = (
    select(FLOW_RUN.c.idempotency_key, FLOW_RUN.c.expected_start_time, FLOW_RUN.c.backfill_id, FLOW_RUN.c.state_type)
    .where(
        FLOW_RUN.c.deployment_id == bindparam("deployment_id", type_=Uuid),
        FLOW_RUN.c.schedule_slug == bindparam("slug", type_=Text),
        FLOW_RUN.c.expected_start_time.between(bindparam("first", type_=UtcDateTime), bindparam("last", type_=UtcDateTime)),
    )
    .order_by(FLOW_RUN.c.created, FLOW_RUN.c.id)
)

_NOW = bindparam("now", type_=UtcDateTime)
_RUNS = rows(
    bindparam("runs", type_=JsonRows), id=Uuid, state_id=Uuid, name=Text, key=Text, occurrence=UtcDateTime, due=UtcDateTime, details=Json
)


def _of_all(name, type):
    return bindparam(f"of_all_{name}", type_=type)


def _insert_runs():
    columns = {
        "id": _RUNS.c.id,
        "created": _NOW,
        "updated": _NOW,
        "name": _RUNS.c.name,
        "flow_id": _of_all("flow_id", Uuid),
        "deployment_id": _of_all("deployment_id", Uuid),
        "schedule_id": _of_all("schedule_id", Uuid),
        "schedule_slug": _of_all("slug", Text),
        "backfill_id": _of_all("backfill_id", Uuid),
        "parameters": _of_all("parameters", Json),
        "tags": _of_all("tags", Json),
        "flow_runner_type": _of_all("flow_runner_type", Text),
        "flow_runner_config": _of_all("flow_runner_config", Json),
        "idempotency_key": _RUNS.c.key,
        "auto_scheduled": false(),
        "state_id": _RUNS.c.state_id,
        "state_type": literal(StateType.SCHEDULED.value),
        "state_name": literal("Scheduled"),
        "expected_start_time": _RUNS.c.occurrence,
        "next_scheduled_start_time": _RUNS.c.due,
    }
    # SQLite cannot tell ON CONFLICT from a join's ON unless a WHERE stands between
    new = insert(FLOW_RUN).from_select(list(columns), select(*columns.values()).where(true()), include_defaults=False)
    return new.on_conflict_do_nothing(index_elements=[FLOW_RUN.c.flow_id, FLOW_RUN.c.idempotency_key])


def _insert_states():
    columns = {
        "id": _RUNS.c.state_id,
        "created": _NOW,
        "flow_run_id": _RUNS.c.id,
        "type": literal(StateType.SCHEDULED.value),
        "name": literal("Scheduled"),
        "timestamp": _NOW,
        "message": literal("Flow run scheduled by a backfill"),
        "state_details": _RUNS.c.details,
    }
    # a run that existed before has another id
    source = select(*columns.values()).select_from(_RUNS.join(FLOW_RUN, FLOW_RUN.c.id == _RUNS.c.id))
    return plain_insert(FLOW_RUN_STATE).from_select(list(columns), source, include_defaults=False)


INSERT_RUNS, INSERT_STATES = _insert_runs(), _insert_states()


@lru_cache(maxsize=64)
def _meeting(statement, shape, by_state):
    """Return `statement`, one of those below, for backfills of deployments that meet filters of a shape, in one of `states`."""
    if shape:
        statement = statement.where(BACKFILL.c.deployment_id.in_(select(DEPLOYMENT.c.id).where(*where("deployments", shape))))
    return statement.where(BACKFILL.c.state.in_(bindparam("states", type_=Text, expanding=True))) if by_state else statement


FIND = part_of(_ANSWER.order_by(BACKFILL.c.id.desc()))
COUNT = select(func.count()).select_from(BACKFILL)


class Backfills:
    """The backfills of deployments."""

    def __init__(self, session, clock):
        self.session, self.clock = session, clock

    def require(self, id):
        """Return the answer for the backfill `id`. Raise NotFound."""
        row = self.session.execute(ANSWER, {"wanted": id}).one_or_none()
        if row is None:
            raise NotFound(KIND)
        return self._documents([row])[0]

    def find(self, filters, limit, offset=0, sort=None):
        """Return the answers for up to `limit` (None: all) backfills that meet `filters`, the newest first.

        They are on their `deployments` and their `state`.
        """
        statement, parameters = self._filtered(FIND, filters)
        part = {"limit": NO_LIMIT if limit is None else limit, "offset": offset}
        return self._documents(self.session.execute(statement, parameters | part).all())

    def count(self, filters):
        """Return how many backfills meet `filters`."""
        return self.session.scalar(*self._filtered(COUNT, filters))

    def _filtered(self, statement, filters):
        states = (filters.get("state") or {}).get("any_")
        shape, parameters = read_filters({"deployments": filters.get("deployments")})
        return _meeting(statement, shape, states is not None), parameters | ({} if states is None else {"states": states})

    def _documents(self, found):
        counts = {row.backfill_id: row for row in self.session.execute(COUNTS_OF, {"ids": [row.id for row in found]})} if found else {}
        none = dict.fromkeys(COUNTS, 0)
        return [
            row._asdict() | {"counts": {name: getattr(counts[row.id], name) for name in COUNTS} if row.id in counts else none}
            for row in found
        ]

    def insert(self, values):
        """Insert a backfill with the columns `values`. Return its row."""
        now = self.clock()
        new = {"id": new_id(), "created": now, "updated": now} | values
        self.session.execute(INSERT, new)
        return self.row(new["id"])

    def row(self, id, *, lock=False):
        """Return the whole row `id`; with `lock`, lock it until the transaction ends. Raise NotFound."""
        row = self.session.execute(LOCK if lock else ROW, {"wanted": id}).one_or_none()
        if row is None:
            raise NotFound(KIND)
        return row

    def lock_free(self, id):
        """Lock the row `id` of a RUNNING backfill. Return it, or None where it is not or somebody else holds it."""
        return self.session.execute(LOCK_FREE, {"wanted": id}).one_or_none()

    def update(self, id, **changes):
        """Set the columns `changes` of the backfill `id`."""
        self.session.execute(UPDATE, {"wanted": id, "updated": self.clock()} | changes)

    def running(self, after, limit):
        """Return the ids of up to `limit` RUNNING backfills, in order, greater than `after`."""
        return self.session.scalars(RUNNING, {"after": after, "limit": limit}).all()

    def active(self, id, most):
        """Return how many runs of the backfill `id` are SCHEDULED, PENDING or RUNNING, or `most` if they are more."""
        return self.session.scalar(COUNT_ACTIVE, {"wanted": id, "most": most})

    def delete_unstarted(self, id, *, lock_only=False):
        """Delete the runs of the backfill `id` that have never been started; with `lock_only`, do no more than lock them."""
        self.session.execute(LOCK_UNSTARTED, {"wanted": id}).all()
        if not lock_only:
            self.session.execute(DELETE_UNSTARTED, {"wanted": id})

    def newest(self, deployment_id, slug, occurrences, longest_offset):
        """Return, of those `occurrences` of a schedule that have a run, the type of the newest one's state: {occurrence: type}."""
        if not occurrences:
            return {}
        window = {"first": min(occurrences), "last": max(occurrences) + longest_offset}
        asked, found = set(occurrences), {}
        for row in self.session.execute(MADE, {"deployment_id": deployment_id, "slug": slug} | window):
            # of a run that starts later than its occurrence, by jitter, the key tells that
            occurrence = row.expected_start_time if row.backfill_id is not None else occurrence_of(row.idempotency_key)
            if occurrence in asked:
                found[occurrence] = row.state_type
        return found

    def insert_runs(self, backfill, deployment, parameters, schedule_id, occurrences):
        """Insert the runs of a backfill, a row, for `occurrences`; those that exist stay as they are. Return how many were inserted."""
        now = self.clock()
        runs = []
        for occurrence in occurrences:
            # one whose time has passed is due now, behind what has been waiting
            due = max(occurrence, now)
            runs.append(
                {
                    "id": new_id(),
                    "state_id": new_id(),
                    "name": random_name(),
                    "key": run_key(backfill.id, occurrence),
                    "occurrence": occurrence,
                    "due": due,
                    "details": NO_DETAILS | {"scheduled_time": due.isoformat()},
                }
            )
        of_all = {
            "flow_id": deployment.flow_id,
            "deployment_id": deployment.id,
            "schedule_id": schedule_id,
            "slug": backfill.slug,
            "backfill_id": backfill.id,
            "parameters": parameters,
            "tags": [run_tag(backfill.id), *deployment.tags],
            "flow_runner_type": deployment.flow_runner_type,
            "flow_runner_config": deployment.flow_runner_config,
        }
        # in the order of the key, as all who insert runs
        values = {"runs": sorted(runs, key=lambda run: run["key"]), "now": now} | {f"of_all_{name}": one for name, one in of_all.items()}
        inserted = self.session.execute(INSERT_RUNS, values).rowcount
        self.session.execute(INSERT_STATES, {"runs": values["runs"], "now": now})
        return inserted

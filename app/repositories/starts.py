"""Whether due runs start, by the policies of their deployments: who holds room, which runs are due, and which of them may start.

Locks are taken in one order: deployments in order of id, then flow runs. Whoever lets a run take up room under a concurrency limit holds
the row of its deployment, so that those who come after count it.
"""

from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Integer, Uuid, and_, bindparam, case, exists, func, literal, literal_column, or_, select, true

from app.db.models import Deployment, FlowRun
from app.db.sql import EarlierBy, prepared
from app.db.types import UtcDateTime
from app.domain.start_policy import COUNTED, Overlap, Room, RunFacts, StartPolicy
from app.domain.states import HELD, TERMINAL, StateType
from app.errors import NotFound
from app.repositories.filtering import read_filters, where
from app.repositories.runs import LOCKED, TIMES

DEPLOYMENT, FLOW_RUN = Deployment.__table__, FlowRun.__table__

_NOW = bindparam("now", type_=UtcDateTime)
_FACTS = (FLOW_RUN.c.id, FLOW_RUN.c.name, FLOW_RUN.c.backfill_id)
_IS_LIMITED = DEPLOYMENT.c.concurrency_limit.is_not(None)
_HAS_CATCHUP = DEPLOYMENT.c.catchup_window_seconds.is_not(None)
# written out, for SQLite uses an index on some rows alone only where it can read the condition
_IS_HELD = FLOW_RUN.c.state_type.in_([literal_column(f"'{kind.value}'") for kind in HELD])
_IS_SCHEDULED = FLOW_RUN.c.state_type == literal_column(f"'{StateType.SCHEDULED.value}'")
_IS_DUE = and_(_IS_SCHEDULED, FLOW_RUN.c.next_scheduled_start_time <= _NOW)
_IS_NO_BACKFILL = FLOW_RUN.c.backfill_id.is_(None)
_OF_DEPLOYMENT = FLOW_RUN.c.deployment_id == bindparam("deployment_id", type_=Uuid)
_LONGEST_DUE_FIRST = (FLOW_RUN.c.next_scheduled_start_time, FLOW_RUN.c.id)
_CUTOFF = EarlierBy(_NOW, DEPLOYMENT.c.catchup_window_seconds)
# `StartPolicy.is_missed` in SQL
_IS_MISSED = and_(
    _HAS_CATCHUP,
    FLOW_RUN.c.next_scheduled_start_time < _CUTOFF,
    FLOW_RUN.c.created < _CUTOFF,
    FLOW_RUN.c.run_count == 0,
    _IS_NO_BACKFILL,
)

# Whether there is any deployment whose runs do not all start when they are due
POLICIES_EXIST = exists(select(DEPLOYMENT.c.id).where(or_(_IS_LIMITED, _HAS_CATCHUP)))
LIMITED = select(DEPLOYMENT.c.id).where(_IS_LIMITED)
IS_MISSED = exists(select(DEPLOYMENT.c.id).where(DEPLOYMENT.c.id == FLOW_RUN.c.deployment_id, _IS_MISSED))


def _lock_after_owner(condition, of_owner, of_run):
    """Return the SELECT that locks the deployment of the run `wanted`, where it meets `condition`, and then the run.

    `of_owner` and `of_run` name columns, the latter besides those that every transition needs.
    """
    asked = FLOW_RUN.alias("asked")
    owner_id = select(asked.c.deployment_id).where(asked.c.id == bindparam("wanted")).scalar_subquery()
    owner = select(*(DEPLOYMENT.c[name] for name in ("id", *of_owner)))
    owner = owner.where(DEPLOYMENT.c.id == owner_id, condition).with_for_update(key_share=True).cte("owner")
    run = (*LOCKED, "parent_task_run_id", "backfill_id", *of_run)
    columns = (*(FLOW_RUN.c[name] for name in run), *(column.label(f"owner_{column.name}") for column in owner.c))
    statement = select(*columns).select_from(FLOW_RUN.outerjoin(owner, true())).where(FLOW_RUN.c.id == bindparam("wanted"))
    # a row is locked when it has been put together, and by then the WITH clause has been read
    return prepared(statement.with_for_update(key_share=True, of=FLOW_RUN))


_START_POLICY = ("concurrency_limit", "overlap", "catchup_window_seconds")
_FAILURE_POLICY = ("pause_after_failures", "failures_in_a_row")
LOCK_TO_START = _lock_after_owner(or_(_IS_LIMITED, _HAS_CATCHUP), _START_POLICY, ("created",))
LOCK_TO_END = _lock_after_owner(DEPLOYMENT.c.pause_after_failures.is_not(None), _FAILURE_POLICY, ())

_BY_IDS = select(*(DEPLOYMENT.c[name] for name in ("id", *_START_POLICY))).where(
    DEPLOYMENT.c.id.in_(bindparam("ids", type_=Uuid, expanding=True)), or_(_IS_LIMITED, _HAS_CATCHUP)
)
LOCK_OWNERS = _BY_IDS.order_by(DEPLOYMENT.c.id).with_for_update(key_share=True)
LOCK_FREE_OWNERS = _BY_IDS.order_by(DEPLOYMENT.c.id).with_for_update(key_share=True, skip_locked=True)
HOLDERS = (
    select(*_FACTS)
    .where(_OF_DEPLOYMENT, _IS_HELD)
    .order_by(func.coalesce(FLOW_RUN.c.start_time, FLOW_RUN.c.expected_start_time), FLOW_RUN.c.id)
)
DUE = select(*_FACTS).where(_OF_DEPLOYMENT, _IS_DUE, _IS_NO_BACKFILL).order_by(*_LONGEST_DUE_FIRST)
MISSED = (
    select(*_FACTS, FLOW_RUN.c.next_scheduled_start_time, DEPLOYMENT.c.catchup_window_seconds)
    .join(DEPLOYMENT, DEPLOYMENT.c.id == FLOW_RUN.c.deployment_id)
    .where(_OF_DEPLOYMENT, _IS_DUE, _IS_MISSED)
    .order_by(*_LONGEST_DUE_FIRST)
)
LOCK_TO_END_MANY = (
    select(*(FLOW_RUN.c[name] for name in ("id", "parent_task_run_id", "backfill_id", "state_id", "state_type", *TIMES)))
    .where(FLOW_RUN.c.id.in_(bindparam("ids", type_=Uuid, expanding=True)), FLOW_RUN.c.state_type.not_in(sorted(TERMINAL)))
    .order_by(FLOW_RUN.c.id)
    .with_for_update(key_share=True)
)

_OVERLAPPING = and_(_IS_LIMITED, DEPLOYMENT.c.overlap != literal(Overlap.BUFFER_ALL.value))
UNSETTLED = (
    select(DEPLOYMENT.c.id)
    .where(
        or_(_IS_LIMITED, _HAS_CATCHUP),
        DEPLOYMENT.c.id > bindparam("after", type_=Uuid),
        exists()
        .where(FLOW_RUN.c.deployment_id == DEPLOYMENT.c.id, _IS_DUE, _IS_NO_BACKFILL, or_(_OVERLAPPING, _IS_MISSED))
        .correlate(DEPLOYMENT),
    )
    .order_by(DEPLOYMENT.c.id)
    .limit(bindparam("limit", type_=Integer))
)


@lru_cache(maxsize=128)
def _offered(shape, restricted):
    """Return the SELECT of due runs of deployments with a concurrency limit that could start now, the longest due first."""
    held = (
        select(FLOW_RUN.c.deployment_id, func.count().label("runs"), func.count(FLOW_RUN.c.backfill_id).label("of_backfills"))
        .where(_IS_HELD, FLOW_RUN.c.deployment_id.in_(LIMITED))
        .group_by(FLOW_RUN.c.deployment_id)
        .cte("held")
    )
    # those that a due run would cancel take up no room for it
    may_cancel = and_(DEPLOYMENT.c.overlap == literal(Overlap.CANCEL_OTHER.value), _IS_NO_BACKFILL)
    room = DEPLOYMENT.c.concurrency_limit - func.coalesce(case((may_cancel, held.c.of_backfills), else_=held.c.runs), 0)
    place = func.row_number().over(partition_by=FLOW_RUN.c.deployment_id, order_by=_LONGEST_DUE_FIRST)
    due = (
        select(FLOW_RUN.c.id, FLOW_RUN.c.deployment_id, FLOW_RUN.c.next_scheduled_start_time, place.label("place"), room.label("room"))
        .join(DEPLOYMENT, DEPLOYMENT.c.id == FLOW_RUN.c.deployment_id)
        .outerjoin(held, held.c.deployment_id == DEPLOYMENT.c.id)
        .where(*where("flow_runs", shape), _IS_LIMITED, room > 0, ~_IS_MISSED)
    )
    if restricted:
        due = due.where(DEPLOYMENT.c.id.in_(bindparam("owners", type_=Uuid, expanding=True)))
    found = due.subquery("due")
    statement = select(found.c.id, found.c.deployment_id, found.c.next_scheduled_start_time).where(found.c.place <= found.c.room)
    return statement.order_by(found.c.next_scheduled_start_time, found.c.id).limit(bindparam("limit", type_=Integer))


@lru_cache(maxsize=128)
def _unlimited(shape):
    """Return the SELECT of due runs of the other deployments, the longest due first."""
    due = select(FLOW_RUN.c.id, FLOW_RUN.c.next_scheduled_start_time).where(
        *where("flow_runs", shape), FLOW_RUN.c.deployment_id.not_in(LIMITED), ~IS_MISSED
    )
    return due.order_by(*_LONGEST_DUE_FIRST).limit(bindparam("limit", type_=Integer))


class Owner(NamedTuple):
    """A deployment whose row is locked, with as much of its `StartPolicy` as is needed, and how many of its runs have failed in a row."""

    id: UUID
    policy: StartPolicy
    failures_in_a_row: int = 0


class Starts:
    """Due runs and room, by the policies of deployments. `flow_runs` is the repository of flow runs."""

    def __init__(self, session, clock, flow_runs):
        self.session, self.clock, self.flow_runs = session, clock, flow_runs

    def lock_run(self, id, type, is_leased=False):
        """Lock a flow run for which a state of `type` is proposed, after its deployment where the policy of that has a say in it.

        A run that `is_leased` has its room already. Return what transitions need of the run, its current `State` or None, and the `Owner`
        or None. Raise NotFound.
        """
        if type in HELD and not is_leased:
            statement, read = LOCK_TO_START, _starting
        elif type in COUNTED:
            statement, read = LOCK_TO_END, _ending
        else:
            return *self.flow_runs.lock(id), None
        run = self.session.execute(statement, {"wanted": id}).one_or_none()
        if run is None:
            raise NotFound(self.flow_runs.kind)
        return run, self.flow_runs.current_state(run), None if run.owner_id is None else read(run)

    def lock_owners(self, ids, skip_locked=False):
        """Lock those of the deployments `ids` that have a policy on starts. Return `Owner`s by id."""
        statement = LOCK_FREE_OWNERS if skip_locked else LOCK_OWNERS
        return {row.id: Owner(row.id, _policy(row)) for row in self.session.execute(statement, {"ids": list(ids)})}

    def room(self, owner):
        """Return the `Room` of a locked `Owner` with a concurrency limit."""
        holders = self.session.execute(HOLDERS, {"deployment_id": owner.id})
        return Room(owner.policy.concurrency_limit, owner.policy.overlap, tuple(map(_facts, holders)))

    def due(self, deployment_id, now):
        """Return the `RunFacts` of a deployment's due runs, the longest due first, without those of backfills."""
        return [_facts(row) for row in self.session.execute(DUE, {"deployment_id": deployment_id, "now": now})]

    def missed(self, deployment_id, now):
        """Return the rows of a deployment's runs that have been due for longer than its catch-up window."""
        return self.session.execute(MISSED, {"deployment_id": deployment_id, "now": now}).all()

    def unsettled(self, now, after, limit):
        """Return the ids of up to `limit` deployments, greater than `after`, of whose due runs some may have to end."""
        return self.session.scalars(UNSETTLED, {"now": now, "after": after, "limit": limit}).all()

    def lock_to_end(self, ids):
        """Lock those of the flow runs `ids` that are not over, in order of id. Return their rows."""
        return self.session.execute(LOCK_TO_END_MANY, {"ids": list(ids)}).all()

    def offered(self, filters, limit, now, owners=None):
        """Return rows of up to `limit` due runs that meet `filters` and could start now under the limits of their deployments.

        `owners` restricts the deployments.
        """
        shape, parameters = read_filters(filters)
        parameters |= {"limit": limit, "now": now} | ({} if owners is None else {"owners": list(owners)})
        return self.session.execute(_offered(shape, owners is not None), parameters).all()

    def unlimited(self, filters, limit, now):
        """Return rows of up to `limit` due runs that meet `filters` of deployments without a limit."""
        shape, parameters = read_filters(filters)
        return self.session.execute(_unlimited(shape), parameters | {"limit": limit, "now": now}).all()


def _facts(row):
    return RunFacts(row.id, row.name, row.backfill_id is not None)


def _policy(row):
    return StartPolicy(
        concurrency_limit=row.concurrency_limit,
        overlap=Overlap(row.overlap),
        catchup_window_seconds=row.catchup_window_seconds,
    )


def _starting(run):
    policy = StartPolicy(
        concurrency_limit=run.owner_concurrency_limit,
        overlap=Overlap(run.owner_overlap),
        catchup_window_seconds=run.owner_catchup_window_seconds,
    )
    return Owner(run.owner_id, policy)


def _ending(run):
    return Owner(run.owner_id, StartPolicy(pause_after_failures=run.owner_pause_after_failures), run.owner_failures_in_a_row)

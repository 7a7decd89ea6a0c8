"""Deleting what is old: finished flow runs with all that is inside them, lines of logs, and entries of the audit trail."""

from typing import NamedTuple

from sqlalchemy import Integer, Uuid, bindparam, column, delete, exists, func, literal_column, or_, select, tuple_

from app.db.kept import retention
from app.db.models import AuditEntry, CachedResult, FlowRun, Log, TaskRun, TaskRunState
from app.db.types import UtcDateTime
from app.domain.states import TERMINAL
from app.repositories.filtering import read_filters, where

FLOW_RUN, TASK_RUN, TASK_RUN_STATE = FlowRun.__table__, TaskRun.__table__, TaskRunState.__table__
CACHED, LOG, ENTRY = CachedResult.__table__, Log.__table__, AuditEntry.__table__

# SQLite takes 32,766 parameters in a statement
IDS_PER_STATEMENT = 10_000

_BEFORE, _LIMIT = bindparam("before", type_=UtcDateTime), bindparam("limit", type_=Integer)
_IDS = bindparam("ids", type_=Uuid, expanding=True)
# as the partial index of those that never started has it
_FINISHED = FLOW_RUN.c.state_type.in_([literal_column(f"'{kind}'") for kind in sorted(TERMINAL)])

# When a run ended. One that ended before it started has no end time; it was changed last when it ended, or later
STARTED, UNSTARTED = "started", "unstarted"
ENDED = {STARTED: FLOW_RUN.c.end_time, UNSTARTED: FLOW_RUN.c.updated}
_WHICH = {STARTED: FLOW_RUN.c.end_time.is_not(None), UNSTARTED: FLOW_RUN.c.end_time.is_(None)}
_OLD = or_(
    FLOW_RUN.c.end_time < _BEFORE,
    FLOW_RUN.c.end_time.is_(None) & (FLOW_RUN.c.updated < _BEFORE),
)

BELOW = (
    select(FLOW_RUN.c.id, TASK_RUN.c.flow_run_id.label("parent"), (_FINISHED & _OLD).label("is_over"))
    .join(TASK_RUN, FLOW_RUN.c.parent_task_run_id == TASK_RUN.c.id)
    .where(TASK_RUN.c.flow_run_id.in_(_IDS))
)
TASKS = select(TASK_RUN.c.flow_run_id, func.count()).where(TASK_RUN.c.flow_run_id.in_(_IDS)).group_by(TASK_RUN.c.flow_run_id)
LOCK = select(FLOW_RUN.c.id).where(FLOW_RUN.c.id.in_(_IDS), _FINISHED, _OLD).order_by(FLOW_RUN.c.id).with_for_update(skip_locked=True)
DELETE = delete(FLOW_RUN).where(FLOW_RUN.c.id.in_(_IDS))


def _in_use():
    """Return the SELECT of those flow runs whose tasks have a result that others will be given: the newest of its key, not expired."""
    newer = CACHED.alias("newer")
    replaced = exists().where(newer.c.key_digest == CACHED.c.key_digest, newer.c.created > CACHED.c.created)
    valid = or_(CACHED.c.cache_expiration.is_(None), CACHED.c.cache_expiration > bindparam("now", type_=UtcDateTime))
    states = select(TASK_RUN.c.flow_run_id).join(TASK_RUN_STATE, TASK_RUN_STATE.c.task_run_id == TASK_RUN.c.id)
    results = states.join(CACHED, CACHED.c.task_run_state_id == TASK_RUN_STATE.c.id)
    return results.where(TASK_RUN.c.flow_run_id.in_(_IDS), valid, ~replaced).distinct()


IN_USE = _in_use()

_OLD_LOGS = LOG.c.timestamp < _BEFORE
COUNT_LOGS = select(func.count()).select_from(LOG).where(_OLD_LOGS)
_LOGS = select(LOG.c.id).where(_OLD_LOGS).order_by(LOG.c.timestamp).limit(_LIMIT).with_for_update(skip_locked=True)
DELETE_LOGS = delete(LOG).where(LOG.c.id.in_(_LOGS))

_OLD_ENTRIES = ENTRY.c.created < _BEFORE
COUNT_ENTRIES = select(func.count()).select_from(ENTRY).where(_OLD_ENTRIES)
_ENTRIES = select(ENTRY.c.id).where(_OLD_ENTRIES).order_by(ENTRY.c.created, ENTRY.c.id).limit(_LIMIT).with_for_update(skip_locked=True)
DELETE_ENTRIES = delete(ENTRY).where(ENTRY.c.id.in_(_ENTRIES))


class Tree(NamedTuple):
    """A flow run `root` with the flow runs inside it, at any depth: their `ids`, its own among them, and the number of `tasks` in all."""

    root: object
    ids: tuple
    tasks: int

    @property
    def size(self):
        """The number of runs in it."""
        return len(self.ids) + self.tasks


class Retention:
    """What is old enough to be deleted, and its deletion."""

    def __init__(self, session, clock):
        self.session, self.clock = session, clock

    def finished(self, kind, before, filters, position, limit):
        """Return up to `limit` flow runs that ended before `before`, are inside no other and meet `filters`, those that ended first first.

        `kind` is STARTED or UNSTARTED. Each is a row of `id` and `ended`; go on after the last one's with that as `position`.
        """
        shape, parameters = read_filters(filters)
        ended = ENDED[kind]
        found = select(FLOW_RUN.c.id, ended.label("ended")).where(
            _WHICH[kind], _FINISHED, ended < _BEFORE, FLOW_RUN.c.parent_task_run_id.is_(None), *where("flow_runs", shape)
        )
        if position is not None:
            after = tuple_(bindparam("last_ended", type_=UtcDateTime), bindparam("last_id", type_=Uuid))
            # the first condition is one that an index on the time serves
            found = found.where(ended >= bindparam("last_ended", type_=UtcDateTime), tuple_(ended, FLOW_RUN.c.id) > after)
            parameters = parameters | {"last_ended": position.ended, "last_id": position.id}
        found = found.order_by(column("ended"), FLOW_RUN.c.id).limit(_LIMIT)
        return self.session.execute(found, parameters | {"before": before, "limit": limit}).all()

    def trees(self, roots, before):
        """Return the `Tree` of each of the flow runs `roots` that can be deleted.

        Left out is one with a flow run inside that is not over, or ended after `before`, or with a result that is in use.
        """
        root_of = {id: id for id in roots}
        kept, level = set(), list(roots)
        while level:
            below = self._all(BELOW, level, before=before)
            root_of |= {row.id: root_of[row.parent] for row in below}
            kept |= {root_of[row.id] for row in below if not row.is_over}
            level = [row.id for row in below]
        everything = list(root_of)
        kept |= {root_of[row.flow_run_id] for row in self._all(IN_USE, everything, now=self.clock())}
        ids, tasks = {root: [] for root in roots}, dict.fromkeys(roots, 0)
        for id, root in root_of.items():
            ids[root].append(id)
        for id, number in self._all(TASKS, everything):
            tasks[root_of[id]] += number
        return [Tree(root, tuple(ids[root]), tasks[root]) for root in roots if root not in kept]

    def delete(self, trees, before):
        """Delete the trees that nobody holds and that are still over, each as a whole. Return those that were deleted."""
        locked = {row.id for row in self._all(LOCK, [id for tree in trees for id in tree.ids], before=before)}
        free = [tree for tree in trees if locked.issuperset(tree.ids)]
        ids = [id for tree in free for id in tree.ids]
        for part in _parts(ids):
            # task runs, states and leases go with them
            self.session.execute(DELETE, {"ids": part})
        return free

    def count_logs(self, before):
        """Return how many lines of logs are older than `before`."""
        return self.session.execute(COUNT_LOGS, {"before": before}).scalar_one()

    def delete_logs(self, before, limit):
        """Delete up to `limit` of the lines of logs that are older than `before`, the oldest first. Return how many."""
        return self.session.execute(DELETE_LOGS, {"before": before, "limit": limit}).rowcount

    def count_audit_entries(self, before):
        """Return how many entries of the audit trail are older than `before`."""
        return self.session.execute(COUNT_ENTRIES, {"before": before}).scalar_one()

    def delete_audit_entries(self, before, limit):
        """Delete up to `limit` of the entries of the audit trail that are older than `before`, the oldest first. Return how many."""
        with retention(self.session):
            return self.session.execute(DELETE_ENTRIES, {"before": before, "limit": limit}).rowcount

    def _all(self, statement, ids, **parameters):
        return [row for part in _parts(ids) for row in self.session.execute(statement, {"ids": part} | parameters)]


def _parts(ids):
    return [ids[start : start + IDS_PER_STATEMENT] for start in range(0, len(ids), IDS_PER_STATEMENT)]

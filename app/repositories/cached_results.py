"""Completed states by cache key."""

from hashlib import sha256

from sqlalchemy import insert, or_, select

from app.db.models import CachedResult, TaskRunState
from app.domain.ids import new_id

CACHED = CachedResult.__table__
STATE = TaskRunState.__table__


class CachedResults:
    """What task runs have computed already."""

    def __init__(self, session, clock):
        self.session, self.clock = session, clock

    def find(self, key):
        """The newest row of `task_run_state` that stands for `key` and has not expired, or None."""
        unexpired = or_(CACHED.c.cache_expiration.is_(None), CACHED.c.cache_expiration > self.clock())
        statement = select(STATE).join(CACHED, CACHED.c.task_run_state_id == STATE.c.id)
        statement = statement.where(CACHED.c.key_digest == _digest(key), unexpired).order_by(CACHED.c.created.desc(), CACHED.c.id.desc())
        return self.session.execute(statement.limit(1)).one_or_none()

    def add(self, key, state_id, expiration):
        """Let the state `state_id` stand for `key`, up to the instant `expiration` (None: for ever)."""
        values = {"id": new_id(), "created": self.clock(), "key_digest": _digest(key)}
        self.session.execute(insert(CACHED).values(values | {"cache_expiration": expiration, "task_run_state_id": state_id}))


def _digest(key):
    return sha256(key.encode()).hexdigest()

"""Completed states by cache key."""

from hashlib import sha256

from sqlalchemy import bindparam, insert, or_, select

from app.db.models import CachedResult, TaskRunState
from app.db.types import UtcDateTime
from app.domain.ids import new_id

CACHED = CachedResult.__table__
STATE = TaskRunState.__table__

_UNEXPIRED = or_(CACHED.c.cache_expiration.is_(None), CACHED.c.cache_expiration > bindparam("now", type_=UtcDateTime))
NEWEST = (
    select(STATE)
    .join(CACHED, CACHED.c.task_run_state_id == STATE.c.id)
    .where(CACHED.c.key_digest == bindparam("digest"), _UNEXPIRED)
    .order_by(CACHED.c.created.desc(), CACHED.c.id.desc())
    .limit(1)
)
INSERT = insert(CACHED)


class CachedResults:
    """What task runs have computed already."""

    def __init__(self, session, clock):
        self.session, self.clock = session, clock

    def find(self, key):
        """Return the newest row of `task_run_state` that stands for `key` and has not expired, or None."""
        return self.session.execute(NEWEST, {"digest": _digest(key), "now": self.clock()}).one_or_none()

    def add(self, key, state_id, expiration):
        """Let the state `state_id` stand for `key`, up to the instant `expiration` (None: for ever)."""
        values = {"id": new_id(), "created": self.clock(), "key_digest": _digest(key)}
        self.session.execute(INSERT, values | {"cache_expiration": expiration, "task_run_state_id": state_id})


def _digest(key):
    return sha256(key.encode()).hexdigest()

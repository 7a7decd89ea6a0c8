"""The database's clock, for all processes to go by: their own may differ, and jump."""

import time
from datetime import datetime, timedelta

from app.domain.instants import UTC

# Seconds after which the database is asked again
STALE_AFTER = 10.0


def _elapsed():
    """Return seconds that nobody can set. Those in which the machine sleeps count too, where the system tells them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class DatabaseClock:
    """Tells PostgreSQL's time: what it said last, and what has elapsed since. The clock of this process is not read.

    Transactions ask again as they begin, one in ten seconds, so that telling the time asks nobody. `ask` makes an empty one, for the first
    time.
    """

    def __init__(self, ask):
        self._ask = ask
        self._base: datetime | None = None
        self._asked: float | None = None

    def __call__(self):
        """Return the current instant."""
        while self._base is None:
            self._ask()
        return self._base + timedelta(seconds=_elapsed())

    def hear(self, connection):
        """Ask the server at the other end of `connection` for its time, unless somebody has just done so."""
        before = _elapsed()
        if self._asked is not None and before - self._asked < STALE_AFTER:
            return
        told = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
        after = _elapsed()
        # the answer is as old as its way back took
        self._base, self._asked = told.astimezone(UTC) - timedelta(seconds=(before + after) / 2), after


def given_now(clock):
    """Return the value of the parameter of `app.db.sql.Now`: None where a statement is to go by the database's own clock."""
    return None if isinstance(clock, DatabaseClock) else clock()

"""The parts of an application, put together for tests that use no application."""

from app import Parts
from app.config import Settings
from app.domain.clock import utcnow
from app.domain.planning import Policy
from app.metrics import Metrics
from app.repositories.heartbeats import SCHEDULER
from app.scheduler.heartbeats import Heartbeat
from app.services.unit_of_work import UnitOfWork


def make_parts(database=None, clock=utcnow, policy=None):
    """Return what `create_app` puts together, with `database` and without a key for blocks."""
    return Parts(Settings(), clock, database, policy or Policy(), vault=None, metrics=Metrics())


def monthly_heartbeat(parts):
    """Make a pass of a scheduler that makes one a month, and return its `Heartbeat`."""
    heartbeat = Heartbeat(parts)
    heartbeat.after(SCHEDULER, 30 * 86_400, lambda: None)()
    return heartbeat


def unit_of_work(session, clock=utcnow):
    """Return the unit of work of `session`."""
    return UnitOfWork(session, make_parts(clock=clock))

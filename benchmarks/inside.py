"""Passes of the scheduler process, made in this process, so that what is timed is the pass and not a start."""

from contextlib import contextmanager

from app import create_app
from app.config import Settings
from app.scheduler.late_runs import LateRunMarker
from app.scheduler.loop import Scheduler


class Passes:
    """Makes passes on the database of an application, each of which returns a report with `seconds`."""

    def __init__(self, services):
        settings = services.settings
        self.scheduler = Scheduler(services, settings.scheduler_batch_size)
        self.late_runs = LateRunMarker(services, settings.late_runs_after_seconds)

    def schedule(self):
        """Top up the deployments that are due."""
        return self.scheduler.run_once()

    def mark_late(self):
        """Mark the runs that are overdue."""
        return self.late_runs.run_once()


@contextmanager
def passes(database_url, **settings):
    """`Passes` on the migrated database at `database_url`."""
    services = create_app(Settings(database_url=database_url, log_level="warning", **settings)).extensions["mintaka"]
    try:
        yield Passes(services)
    finally:
        services.database.dispose()

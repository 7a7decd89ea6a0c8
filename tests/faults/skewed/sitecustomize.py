"""Makes the wall clock of a process another, where this folder is on its PYTHONPATH: Python imports this module as it starts.

The clock is ahead by as many seconds as the file says that SKEW_FILE names, and behind by them in a process with an odd id.
"""

import os
from datetime import datetime, timedelta
from pathlib import Path

from app.domain import clock

FILE = Path(os.environ["SKEW_FILE"])


class Wall(datetime):
    """A clock that goes wrong."""

    @classmethod
    def now(cls, tz=None):
        """Return what it says."""
        seconds = float(FILE.read_text() or 0)
        return datetime.now(tz) + timedelta(seconds=-seconds if os.getpid() % 2 else seconds)


setattr(clock, "datetime", Wall)  # noqa: B010 -- it is no attribute that a module is to have

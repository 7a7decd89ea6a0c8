"""Heartbeats: a scheduler process says after every pass that it is there, so that others know who runs where."""

import os
import socket

from app.domain.ids import new_id
from app.errors import Unavailable
from app.services.unit_of_work import UnitOfWork


class Heartbeat:
    """The heartbeats of this process: one row for each of its services."""

    def __init__(self, parts):
        self.parts = parts
        self.host, self.pid = socket.gethostname(), os.getpid()
        self._ids = []

    def after(self, service, loop_seconds, work):
        """Return a function that calls `work()` and then notes that `service`, which makes a pass every `loop_seconds`, has made one."""
        id, began = new_id(), self.parts.clock()
        self._ids.append(id)

        def beat():
            result = work()
            self._run(lambda heartbeats: heartbeats.beat(id, service, self.host, self.pid, loop_seconds, began))
            return result

        return beat

    def end(self):
        """Forget this process. Where the database does not answer, others see that it is silent."""
        try:
            self._run(lambda heartbeats: heartbeats.end(self._ids))
        except Unavailable:
            return

    def _run(self, work):
        self.parts.database.run(lambda session: work(UnitOfWork(session, self.parts).heartbeats))

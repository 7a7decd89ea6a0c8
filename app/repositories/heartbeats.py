"""Heartbeats of what runs beside the web server."""

from datetime import timedelta

from sqlalchemy import Uuid, bindparam, delete, select, update
from sqlalchemy import insert as plain_insert

from app.db.models import Heartbeat
from app.db.types import UtcDateTime

HEARTBEAT = Heartbeat.__table__

# The service that makes runs
SCHEDULER = "scheduler"

# Loops without a pass after which a service is silent, and the time after which its row goes
MISSED_LOOPS = 3
FORGOTTEN_AFTER = timedelta(days=1)

BEAT = update(HEARTBEAT).where(HEARTBEAT.c.id == bindparam("wanted")).values(last_pass=bindparam("now", type_=UtcDateTime))
INSERT = plain_insert(HEARTBEAT)
FORGET = delete(HEARTBEAT).where(HEARTBEAT.c.last_pass < bindparam("before", type_=UtcDateTime))
DELETE = delete(HEARTBEAT).where(HEARTBEAT.c.id.in_(bindparam("ids", type_=Uuid, expanding=True)))
ALL = select(HEARTBEAT).order_by(HEARTBEAT.c.service, HEARTBEAT.c.created, HEARTBEAT.c.id)


class Heartbeats:
    """What runs beside the web server: where, since when, and when it last made a pass."""

    def __init__(self, session, clock):
        self.session, self.clock = session, clock

    def beat(self, id, service, host, pid, loop_seconds, began):
        """Note that a service made a pass now. `id` is that of the process's service, which `began` then."""
        now = self.clock()
        if not self.session.execute(BEAT, {"wanted": id, "now": now}).rowcount:
            values = {"service": service, "host": host[:255], "pid": pid, "loop_seconds": loop_seconds, "last_pass": now}
            self.session.execute(INSERT, {"id": id, "created": began} | values)
            self.session.execute(FORGET, {"before": now - FORGOTTEN_AFTER})

    def end(self, ids):
        """Forget services that have ended."""
        self.session.execute(DELETE, {"ids": ids})

    def last_of(self, service):
        """Return the document of a service of the process that made its pass last, if possible of one that is not silent, or None."""
        found = [one for one in self.list() if one["service"] == service]
        return max(found, key=lambda one: (not one["silent"], one["last_pass"]), default=None)

    def list(self):
        """Return a document for each service of each process, `silent` where it has made no pass within three loops."""
        now = self.clock()
        return [
            {
                "service": row.service,
                "host": row.host,
                "pid": row.pid,
                "since": row.created,
                "last_pass": row.last_pass,
                "silent": (now - row.last_pass).total_seconds() > MISSED_LOOPS * row.loop_seconds,
            }
            for row in self.session.execute(ALL)
        ]

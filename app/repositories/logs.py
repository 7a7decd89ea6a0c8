"""Logs: lines that runs logged, which come in long batches."""

from functools import cache

from sqlalchemy import Integer, Text, Uuid, literal, select
from sqlalchemy import insert as plain_insert

from app.db.dialects import UtcDateTime, rows_of
from app.db.models import Log
from app.domain.ids import new_id
from app.repositories.base import Repository

LOG = Log.__table__
GIVEN = {"id": Uuid, "name": Text, "level": Integer, "message": Text, "timestamp": UtcDateTime, "flow_run_id": Uuid, "task_run_id": Uuid}


class Logs(Repository):
    """Lines that runs logged. Nothing ties them to their runs, which may not exist here, or no more."""

    table = LOG
    entity = "logs"
    kind = "Log"
    sorts = {
        "TIMESTAMP_ASC": (LOG.c.timestamp, LOG.c.id),
        "TIMESTAMP_DESC": (LOG.c.timestamp.desc(), LOG.c.id.desc()),
        "LEVEL_ASC": (LOG.c.level, LOG.c.timestamp, LOG.c.id),
        "LEVEL_DESC": (LOG.c.level.desc(), LOG.c.timestamp.desc(), LOG.c.id.desc()),
        "FLOW_RUN_ID_ASC": (LOG.c.flow_run_id, LOG.c.timestamp, LOG.c.id),
        "FLOW_RUN_ID_DESC": (LOG.c.flow_run_id.desc(), LOG.c.timestamp.desc(), LOG.c.id.desc()),
        "TASK_RUN_ID_ASC": (LOG.c.task_run_id.asc().nulls_last(), LOG.c.timestamp, LOG.c.id),
        "TASK_RUN_ID_DESC": (LOG.c.task_run_id.desc().nulls_last(), LOG.c.timestamp.desc(), LOG.c.id.desc()),
    }

    @classmethod
    @cache
    def selection(cls):
        """The columns of an answer. A log never changes: it was updated when it was made."""
        return select(*LOG.c, LOG.c.created.label("updated"))

    def document(self, row, now):
        """A log as clients see it."""
        return row._asdict()

    def create(self, logs):
        """Keep `logs`, mappings of the columns that clients give. Those of one instant are listed in the order given."""
        if not logs:
            return
        given = rows_of(self.session, [{"id": new_id(), **log} for log in logs], **GIVEN)
        source = select(literal(self.clock(), UtcDateTime), *given.c)
        self.session.execute(plain_insert(LOG).from_select(["created", *GIVEN], source, include_defaults=False))

"""Logs: lines that runs logged, which come in long batches."""

from sqlalchemy import Integer, Text, Uuid, bindparam, select
from sqlalchemy import insert as plain_insert

from app.db.models import Log
from app.db.sql import prepared, rows
from app.db.types import JsonRows, UtcDateTime
from app.domain.ids import new_id
from app.repositories.base import FilteredRepository
from app.repositories.json_text import RowWriter

LOG = Log.__table__

_TYPES = {"id": Uuid, "name": Text, "level": Integer, "message": Text, "timestamp": UtcDateTime, "flow_run_id": Uuid, "task_run_id": Uuid}
_LOGS = rows(bindparam("logs", type_=JsonRows), **_TYPES)
_ROWS = select(bindparam("now", type_=UtcDateTime), *_LOGS.c)
INSERT = prepared(plain_insert(LOG).from_select(["created", *_TYPES], _ROWS, include_defaults=False))
# a log never changes: it was updated when it was made
SELECTION = select(LOG.c.id, LOG.c.created, LOG.c.created.label("updated"), *(LOG.c[name] for name in _TYPES if name != "id"))


class Logs(FilteredRepository):
    """Lines that runs logged. Nothing ties them to their runs, which may not exist here, or no more."""

    table = LOG
    entity = "logs"
    kind = "Log"
    selection = SELECTION
    writer = RowWriter(SELECTION, {name: name for name in SELECTION.selected_columns.keys()})  # noqa: SIM118
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

    def create(self, logs):
        """Keep `logs`, mappings of the columns that clients give. Those of one instant are listed in the order given."""
        if logs:
            self.session.execute(INSERT, {"logs": [{"id": new_id(), **log} for log in logs], "now": self.clock()})

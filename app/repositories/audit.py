"""The audit trail: who changed what, and when."""

from sqlalchemy import insert as plain_insert
from sqlalchemy import select

from app.db.models import AuditEntry
from app.db.sql import prepared
from app.db.types import raw
from app.domain.ids import new_id
from app.repositories.base import FilteredRepository
from app.repositories.json_text import RowWriter

ENTRY = AuditEntry.__table__
PLAIN = (
    "id",
    "created",
    "via",
    "actor",
    "key_id",
    "address",
    "request_id",
    "action",
    "object_kind",
    "object_id",
    "object_name",
)
SELECTION = select(*(ENTRY.c[name] for name in PLAIN), raw(ENTRY.c.changes), raw(ENTRY.c.details))
INSERT = prepared(plain_insert(ENTRY))
NEWEST_FIRST, OLDEST_FIRST = "CREATED_DESC", "CREATED_ASC"


class AuditEntries(FilteredRepository):
    """Entries of the trail, the newest first."""

    table = ENTRY
    entity = "audit_entries"
    kind = "Audit entry"
    selection = SELECTION
    writer = RowWriter(SELECTION, {name: name for name in SELECTION.selected_columns.keys()})  # noqa: SIM118
    sorts = {NEWEST_FIRST: (ENTRY.c.created.desc(), ENTRY.c.id.desc()), OLDEST_FIRST: (ENTRY.c.created, ENTRY.c.id)}

    def add(self, actor, entry):
        """Record what an `Entry` says that an `Actor` changed."""
        values = {
            "id": new_id(),
            "created": self.clock(),
            "via": actor.via,
            "actor": actor.name,
            "key_id": actor.key_id,
            "address": actor.address,
            "request_id": actor.request_id,
            "action": entry.action,
            "object_kind": entry.object_kind,
            "object_id": entry.object_id,
            "object_name": entry.object_name,
            "changes": entry.changes or {},
            "details": entry.details or {},
        }
        self.session.send(INSERT, values)

"""Saved searches."""

from sqlalchemy import Integer, bindparam, select

from app.db.models import SavedSearch
from app.db.sql import insert
from app.db.types import raw
from app.domain.ids import new_id
from app.repositories.base import Repository

SAVED_SEARCH = SavedSearch.__table__
COLUMNS = (SAVED_SEARCH.c.id, SAVED_SEARCH.c.created, SAVED_SEARCH.c.updated, SAVED_SEARCH.c.name, raw(SAVED_SEARCH.c.filters))
SELECTION = select(*COLUMNS)
PAGE = (
    SELECTION.order_by(SAVED_SEARCH.c.name, SAVED_SEARCH.c.id)
    .limit(bindparam("limit", type_=Integer))
    .offset(bindparam("offset", type_=Integer))
)


def _put():
    statement = insert(SAVED_SEARCH)
    changed = {name: statement.excluded[name] for name in ("updated", "filters")}
    return statement.on_conflict_do_update(index_elements=[SAVED_SEARCH.c.name], set_=changed).returning(*COLUMNS)


PUT = _put()


class SavedSearches(Repository):
    """Sets of filters that dashboards keep, unique by name."""

    table = SAVED_SEARCH
    kind = "Saved search"
    selection = SELECTION

    def list(self, limit, offset):
        """Return saved searches by name."""
        return self._documents(PAGE, {"limit": limit, "offset": offset})

    def put(self, name, filters):
        """Create the saved search called `name`, or replace its filters. Return its answer, and whether it is new."""
        id, now = new_id(), self.clock()
        row = self.session.execute(PUT, {"id": id, "created": now, "updated": now, "name": name, "filters": filters}).one()
        return self.document(row, now), row.id == id

"""Saved searches."""

from sqlalchemy import select

from app.db.models import SavedSearch
from app.db.sql import insert
from app.db.types import raw
from app.domain.ids import new_id
from app.repositories.base import ListedRepository

SAVED_SEARCH = SavedSearch.__table__
COLUMNS = (SAVED_SEARCH.c.id, SAVED_SEARCH.c.created, SAVED_SEARCH.c.updated, SAVED_SEARCH.c.name, raw(SAVED_SEARCH.c.filters))
SELECTION = select(*COLUMNS)


def _put():
    statement = insert(SAVED_SEARCH)
    changed = {name: statement.excluded[name] for name in ("updated", "filters")}
    return statement.on_conflict_do_update(index_elements=[SAVED_SEARCH.c.name], set_=changed).returning(*COLUMNS)


PUT = _put()


class SavedSearches(ListedRepository):
    """Sets of filters that dashboards keep, unique by name."""

    table = SAVED_SEARCH
    kind = "Saved search"
    selection = SELECTION
    order = (SAVED_SEARCH.c.name, SAVED_SEARCH.c.id)

    def put(self, name, filters):
        """Create the saved search called `name`, or replace its filters. Return its answer, and whether it is new."""
        id, now = new_id(), self.clock()
        row = self.session.execute(PUT, {"id": id, "created": now, "updated": now, "name": name, "filters": filters}).one()
        return self.document(row, now), row.id == id

"""Saved searches."""

from functools import cache

from sqlalchemy import select

from app.db.dialects import insert, raw
from app.db.models import SavedSearch
from app.domain.ids import new_id
from app.repositories.base import Repository

SAVED_SEARCH = SavedSearch.__table__
COLUMNS = (SAVED_SEARCH.c.id, SAVED_SEARCH.c.created, SAVED_SEARCH.c.updated, SAVED_SEARCH.c.name, raw(SAVED_SEARCH.c.filters))


class SavedSearches(Repository):
    """Sets of filters that dashboards keep, unique by name."""

    table = SAVED_SEARCH
    kind = "Saved search"
    sorts = {"NAME_ASC": (SAVED_SEARCH.c.name, SAVED_SEARCH.c.id)}

    @classmethod
    @cache
    def selection(cls):
        """The columns of an answer."""
        return select(*COLUMNS)

    def document(self, row, now):
        """A saved search as clients see it."""
        return row._asdict()

    def put(self, name, filters):
        """The saved search called `name`, with `filters` from now on, and whether it was made now."""
        id, now = new_id(), self.clock()
        statement = insert(self.session, SAVED_SEARCH).values(id=id, created=now, updated=now, name=name, filters=filters)
        statement = statement.on_conflict_do_update(index_elements=[SAVED_SEARCH.c.name], set_={"updated": now, "filters": filters})
        row = self.session.execute(statement.returning(*COLUMNS)).one()
        return self.document(row, now), row.id == id

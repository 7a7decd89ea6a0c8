"""What every repository does the same way: find, count, read and delete rows of one table."""

from functools import cache, wraps

from sqlalchemy import bindparam, delete, func, select

from app.errors import NotFound
from app.repositories.filtering import where


def built_once(build):
    """Decorate a function that builds statements for the dialect of a session, its last argument: each is built once, and kept.

    To build a statement takes longer than to look up what it was compiled to. Values reach it as parameters.
    """
    kept = {}

    @wraps(build)
    def built(*arguments):
        *owner, session = arguments
        key = (*owner, session.get_bind().dialect.name)
        if key not in kept:
            kept[key] = build(*arguments)
        return kept[key]

    return built


class Repository:
    """Rows of one table as the documents that clients are answered. Takes a session, flushes nothing of its own, never commits.

    A subclass names its `table`, its `entity` in filters, its `kind` in errors, its `sorts` (name to ORDER BY expressions, the first
    being the default), and how a row becomes a document.
    """

    table = None
    entity = None
    kind = None
    sorts = {}

    def __init__(self, session, clock):
        self.session = session
        self.clock = clock

    @classmethod
    def selection(cls):
        """The SELECT whose rows `document` understands."""
        raise NotImplementedError

    def document(self, row, now):
        """The answer for one row, as a dict that JSON can be made of."""
        raise NotImplementedError

    def find(self, filters, limit, offset=0, sort=None):
        """Documents of the rows that meet `filters`, totally ordered."""
        order = self.sorts[sort] if sort else next(iter(self.sorts.values()))
        statement = self.selection().where(*where(self.session, self.entity, filters)).order_by(*order).limit(limit).offset(offset)
        return self._documents(statement)

    def count(self, filters):
        """How many rows meet `filters`."""
        conditions = where(self.session, self.entity, filters)
        return self.session.execute(select(func.count()).select_from(self.table).where(*conditions)).scalar_one()

    def require(self, id):
        """The document of row `id`. Raises NotFound."""
        return self._the_one(self._by_id(), {"wanted": id})

    def require_where(self, *conditions):
        """The document of the one row that meets `conditions`. Raises NotFound."""
        return self._the_one(self.selection().where(*conditions))

    def delete(self, id):
        """Delete row `id`. Raises NotFound."""
        if not self.session.execute(delete(self.table).where(self.table.c.id == id)).rowcount:
            raise NotFound(self.kind)

    @classmethod
    @cache  # to build a statement takes longer than to look up what it was compiled to
    def _by_id(cls):
        return cls.selection().where(cls.table.c.id == bindparam("wanted"))

    def _the_one(self, statement, values=None):
        found = self._documents(statement, values)
        if not found:
            raise NotFound(self.kind)
        return found[0]

    def _documents(self, statement, values=None):
        now = self.clock()
        return [self.document(row, now) for row in self.session.execute(statement, values)]

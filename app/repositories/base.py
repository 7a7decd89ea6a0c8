"""What every repository does the same way: read and delete the rows of one table, and find and count those that can be filtered."""

from functools import lru_cache

from sqlalchemy import Integer, bindparam, delete, func, select

from app.errors import NotFound
from app.repositories.filtering import read_filters, where


class Repository:
    """Rows of one table as the objects that clients are answered. It takes a session, and never commits.

    A subclass names its `table`, its `kind` in errors, and `selection`, the SELECT of the columns of an answer.
    """

    table = None
    kind = None
    selection = None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if cls.table is not None:
            cls.selection_by_id = cls.selection.where(cls.table.c.id == bindparam("wanted"))
            cls.deletion_by_id = delete(cls.table).where(cls.table.c.id == bindparam("wanted"))

    def __init__(self, session, clock):
        self.session = session
        self.clock = clock

    def document(self, row, now):
        """Return the answer for one row: a dict that becomes JSON."""
        return row._asdict()

    def require(self, id):
        """Return the row `id`. Raise NotFound."""
        return self._require(self.selection_by_id, {"wanted": id})

    def delete(self, id):
        """Delete the row `id`. Raise NotFound."""
        if not self.session.execute(self.deletion_by_id, {"wanted": id}).rowcount:
            raise NotFound(self.kind)

    def _require(self, statement, parameters):
        found = self._documents(statement, parameters)
        if not found:
            raise NotFound(self.kind)
        return found[0]

    def _documents(self, statement, parameters=None):
        now = self.clock()
        return [self.document(row, now) for row in self.session.execute(statement, parameters)]


class FilteredRepository(Repository):
    """A repository whose rows can be filtered.

    A subclass names its `entity` in filters, and its `sorts`: ORDER BY expressions by name, the first being the default.
    """

    entity = None
    sorts = {}

    def find(self, filters, limit, offset=0, sort=None):
        """Return the rows that meet `filters`, in a total order: at most `limit` (None: all), after the first `offset`."""
        shape, parameters = read_filters(filters)
        statement = _find(type(self), shape, sort or next(iter(self.sorts)), limit is not None)
        return self._documents(statement, parameters | {"offset": offset} | ({} if limit is None else {"limit": limit}))

    def count(self, filters):
        """Return how many rows meet `filters`."""
        shape, parameters = read_filters(filters)
        return self.session.execute(_count(type(self), shape), parameters).scalar_one()


# Building a statement takes longer than looking up how it was compiled. Clients ask for few shapes, again and again
@lru_cache(maxsize=512)
def _find(repository, shape, sort, limited):
    statement = repository.selection.where(*where(repository.entity, shape)).order_by(*repository.sorts[sort])
    statement = statement.offset(bindparam("offset", type_=Integer))
    return statement.limit(bindparam("limit", type_=Integer)) if limited else statement


@lru_cache(maxsize=512)
def _count(repository, shape):
    return select(func.count()).select_from(repository.table).where(*where(repository.entity, shape))

"""What every repository does the same way: read and delete the rows of one table, and find and count those that can be filtered."""

from functools import lru_cache

from sqlalchemy import BigInteger, bindparam, delete, func, select

from app.errors import NotFound
from app.repositories.cursors import Order
from app.repositories.filtering import read_filters, where

# LIMIT NULL is an error on SQLite, so that a list without a limit has this one
NO_LIMIT = 2**63 - 1


def part_of(statement):
    """Return `statement` with the parameters `limit` and `offset`."""
    return statement.limit(bindparam("limit", type_=BigInteger)).offset(bindparam("offset", type_=BigInteger))


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


class ListedRepository(Repository):
    """A repository that is listed as a whole. A subclass names its `order`, the ORDER BY expressions."""

    order = ()

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.page = part_of(cls.selection.order_by(*cls.order))

    def list(self, limit=None, offset=0):
        """Return the rows in order: at most `limit` (None: all), after the first `offset`."""
        return self._documents(self.page, {"limit": NO_LIMIT if limit is None else limit, "offset": offset})


class FilteredRepository(Repository):
    """A repository whose rows can be filtered.

    A subclass names its `entity` in filters, and its `sorts`: ORDER BY expressions by name, the first being the default.
    """

    entity = None
    sorts = {}
    orders = {}

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.orders = {name: Order(name, expressions) for name, expressions in cls.sorts.items()}

    def find(self, filters, limit, offset=0, sort=None):
        """Return the rows that meet `filters`, in a total order: at most `limit` (None: all), after the first `offset`."""
        shape, parameters = read_filters(filters)
        statement = _find(type(self), shape, sort or next(iter(self.sorts)))
        return self._documents(statement, parameters | {"offset": offset, "limit": NO_LIMIT if limit is None else limit})

    def page(self, filters, limit, offset=0, sort=None, cursor=None):
        """Return the rows that `find` would, and the cursor that stands after them, or None where there are no more.

        With a `cursor` (`cursors.START` to begin) the page begins after it, and costs what the first page does. Raise InvalidField for a
        cursor of another list or order.
        """
        sort = sort or next(iter(self.sorts))
        order = self.orders[sort]
        if cursor is None:
            found = self.find(filters, limit + 1, offset, sort)
        else:
            found = self._find_after(filters, limit + 1, order, order.read(self.entity, cursor))
        more, found = len(found) > limit > 0, found[:limit]
        return found, order.write(self.entity, found[-1]) if more else None

    def _find_after(self, filters, limit, order, position):
        shape, parameters = read_filters(filters)
        found = []
        for part in order.parts(position):
            asked = parameters | order.parameters(position, part) | {"limit": limit - len(found)}
            found += self._documents(_find_part(type(self), shape, order.name, part), asked)
            if len(found) == limit:
                break
        return found

    def count(self, filters):
        """Return how many rows meet `filters`."""
        shape, parameters = read_filters(filters)
        return self.session.execute(_count(type(self), shape), parameters).scalar_one()


# Building a statement takes longer than looking up how it was compiled. Clients ask for few shapes, again and again
@lru_cache(maxsize=512)
def _find(repository, shape, sort):
    return part_of(repository.selection.where(*where(repository.entity, shape)).order_by(*repository.sorts[sort]))


@lru_cache(maxsize=512)
def _find_part(repository, shape, sort, part):
    statement = repository.selection.where(*where(repository.entity, shape))
    return repository.orders[sort].narrowed(statement, part).limit(bindparam("limit", type_=BigInteger))


@lru_cache(maxsize=512)
def _count(repository, shape):
    return select(func.count()).select_from(repository.table).where(*where(repository.entity, shape))

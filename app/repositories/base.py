"""What every repository does the same way: read and delete the rows of one table, and find and count those that can be filtered."""

from functools import lru_cache

import orjson
from sqlalchemy import BigInteger, Select, Table, bindparam, delete, func, select

from app.db.engine import is_sqlite
from app.db.sql import prepared
from app.errors import NotFound
from app.repositories.cursors import Order
from app.repositories.filtering import read_filters, where
from app.repositories.json_text import RowWriter

# LIMIT NULL is an error on SQLite, so that a list without a limit has this one
NO_LIMIT = 2**63 - 1


def part_of(statement):
    """Return `statement` with the parameters `limit` and `offset`."""
    return statement.limit(bindparam("limit", type_=BigInteger)).offset(bindparam("offset", type_=BigInteger))


class Repository:
    """Rows of one table as the objects that clients are answered. It takes a session, and never commits.

    A subclass names its `table`, its `kind` in errors, and `selection`, the SELECT of the columns of an answer.
    """

    table: Table
    kind: str
    selection: Select

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "table"):
            cls.selection_by_id = prepared(cls.selection.where(cls.table.c.id == bindparam("wanted")))
            cls.deletion_by_id = prepared(delete(cls.table).where(cls.table.c.id == bindparam("wanted")))

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

    A subclass names its `entity` in filters, its `sorts`: ORDER BY expressions by name, the first being the default, and `writer`, which
    writes its rows as JSON text.
    """

    entity: str
    sorts = {}
    orders = {}
    writer: RowWriter
    text_by_id: Select

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.orders = {name: Order(name, expressions) for name, expressions in cls.sorts.items()}
        if hasattr(cls, "writer"):
            cls.text_by_id = cls.writer.selecting(cls.selection_by_id)

    def require_json(self, id):
        """Return what `require` does, for a client: on PostgreSQL as JSON text, without an object for each value. Raise NotFound."""
        return self.require(id) if self._is_slow else self._require_text(self.text_by_id, {"wanted": id})

    def page(self, filters, limit, offset=0, sort=None, cursor=None):
        """Return what `find` does, for a client, and the cursor that stands after it, or None where there is no more.

        With a `cursor` (`cursors.START` to begin) the page begins after it, and costs what the first page does. On PostgreSQL the rows are
        JSON text, made from columns that come as text: a list of 200 takes about half of the CPU here that `find` and the making of its
        JSON take, and little more of PostgreSQL's. Raise InvalidField for a cursor of another list or order.
        """
        order = self.orders[sort or next(iter(self.sorts))]
        now, as_text = self.clock(), not self._is_slow
        rows = self._rows(filters, limit + 1, offset, order, cursor, as_text)
        more, rows = len(rows) > limit > 0, rows[:limit]
        if as_text:
            found = orjson.Fragment(f"[{','.join(self.writer.write(rows, now))}]")
        else:
            found = [self.document(row, now) for row in rows]
        if not more:
            return found, None
        names = [column.name for column in order.columns]
        last = self.writer.values(rows[-1], names) if as_text else [rows[-1]._mapping[name] for name in names]
        return found, order.write(self.entity, last)

    def _rows(self, filters, limit, offset, order, cursor, as_text):
        shape, parameters = read_filters(filters)
        if cursor is None:
            statement = (_find_text if as_text else _find)(type(self), shape, order.name)
            return self.session.execute(statement, parameters | {"offset": offset, "limit": limit}).all()
        position, rows = order.read(self.entity, cursor), []
        for part in order.parts(position):
            asked = parameters | order.parameters(position, part) | {"limit": limit - len(rows)}
            rows += self.session.execute(_find_part(type(self), shape, order.name, part, as_text), asked).all()
            if len(rows) == limit:
                break
        return rows

    def find(self, filters, limit, offset=0, sort=None):
        """Return the rows that meet `filters`, in a total order: at most `limit` (None: all), after the first `offset`."""
        shape, parameters = read_filters(filters)
        statement = _find(type(self), shape, sort or next(iter(self.sorts)))
        return self._documents(statement, parameters | {"offset": offset, "limit": NO_LIMIT if limit is None else limit})

    def count(self, filters):
        """Return how many rows meet `filters`."""
        shape, parameters = read_filters(filters)
        return self.session.execute(_count(type(self), shape), parameters).scalar_one()

    @property
    def _is_slow(self):
        return is_sqlite(self.session.get_bind())

    def _texts(self, statement, parameters):
        now = self.clock()
        return self.writer.write(self.session.execute(statement, parameters).all(), now)

    def _require_text(self, statement, parameters):
        found = self._texts(statement, parameters)
        if not found:
            raise NotFound(self.kind)
        return orjson.Fragment(found[0])


# Building a statement takes longer than looking up how it was compiled. Clients ask for few shapes, again and again
@lru_cache(maxsize=512)
def _find(repository, shape, sort):
    return part_of(repository.selection.where(*where(repository.entity, shape)).order_by(*repository.sorts[sort]))


@lru_cache(maxsize=512)
def _find_text(repository, shape, sort):
    return repository.writer.selecting(_find(repository, shape, sort))


@lru_cache(maxsize=512)
def _find_part(repository, shape, sort, part, as_text):
    statement = repository.selection.where(*where(repository.entity, shape))
    statement = repository.orders[sort].narrowed(statement, part).limit(bindparam("limit", type_=BigInteger))
    return repository.writer.selecting(statement) if as_text else statement


@lru_cache(maxsize=512)
def _count(repository, shape):
    return select(func.count()).select_from(repository.table).where(*where(repository.entity, shape))

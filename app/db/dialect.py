"""PostgreSQL through psycopg2 with fewer messages, and with less work for PostgreSQL in each.

What a short transaction costs is mostly what goes to and fro, and what PostgreSQL does before it begins with a statement. Therefore

- BEGIN goes along with the first statement of a transaction: one round trip less;
- a statement marked DEFERRED, whose result nobody needs, goes along with the next one, or with COMMIT: one less for each;
- a statement marked PREPARED is parsed, analyzed and, in time, planned once for each connection (PREPARE of the PostgreSQL manual): reading
  a deployment by its names takes PostgreSQL 0.4 of the time then, by its id 0.5.

All of it is text of the simple query protocol, which psycopg2 speaks. On SQLite the marks mean nothing: what runs there is the slow twin.
"""

import hashlib
import logging
import re
from weakref import WeakKeyDictionary

from psycopg2 import errors, extensions
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

from app.db.sql import DEFERRED, PREPARED

log = logging.getLogger("mintaka.database")

# Statements that one connection keeps prepared; the one that has not been used for longest makes room
MAX_PREPARED = 100

# What a connection says of a prepared statement that it does not have, or has already
MIXED_UP = (errors.InvalidSqlStatementName, errors.DuplicatePreparedStatement)

PARAMETER = re.compile(r"%\((\w+)\)s")


class Connection(extensions.connection):
    """A connection whose transactions begin with their first statement.

    psycopg2 would send BEGIN by itself, as a message of its own. Hence autocommit mode; libpq knows where a transaction is.
    """

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.autocommit = True
        # what begins a transaction; None where each statement is one
        self.begin: str | None = "BEGIN"
        # names of prepared statements, the one used last at the end
        self.prepared = {}
        self._deferred = []

    def run(self, cursor, statement, parameters=None):
        """Execute a statement, after what was deferred and, as the first one of a transaction, after its BEGIN."""
        if self._deferred:
            statement, parameters = _joined([*self._take_deferred(), (statement, parameters)])
        self.send(cursor, self._begun(statement), parameters)

    def run_many(self, cursor, statement, parameters):
        """Execute a statement once for each of the `parameters`."""
        before = _joined(self._take_deferred())
        if message := self._begun(before[0]).removesuffix("; "):
            self.send(cursor, message, before[1])
        cursor.executemany(statement, parameters)

    def defer(self, statement, parameters):
        """Execute a statement along with the next one, or with COMMIT."""
        self._deferred.append((statement, parameters))

    def send(self, cursor, message, parameters=None):
        """Send one message and wait for the answer."""
        try:
            cursor.execute(message, parameters)
        except (*MIXED_UP, errors.FeatureNotSupported):
            # A migration has changed columns of what was prepared, or it is not there. A connection that is closed makes the pool make new
            # ones, and the transaction run again.
            self.close()
            raise

    def commit(self):
        """Commit the transaction, if one has begun, with what was deferred."""
        if self._deferred or self.get_transaction_status() != extensions.TRANSACTION_STATUS_IDLE:
            with self.cursor() as cursor:
                self.run(cursor, "COMMIT")

    def rollback(self):
        """Roll the transaction back, if one has begun."""
        self._deferred = []
        if self.get_transaction_status() != extensions.TRANSACTION_STATUS_IDLE:
            with self.cursor() as cursor:
                self.send(cursor, "ROLLBACK")

    def _begun(self, statement):
        """Return a statement with the BEGIN of its transaction, if it is the first one of that."""
        begins = self.begin and self.get_transaction_status() == extensions.TRANSACTION_STATUS_IDLE
        return f"{self.begin}; {statement}" if begins else statement

    def _take_deferred(self):
        deferred, self._deferred = self._deferred, []
        return deferred


def _joined(statements):
    """Return statements, as pairs of text and parameters, as one pair. Of the parameters, those of each but the last get other names.

    The values stay out of the text, which traces and logs show.
    """
    texts, together = [], {}
    for place, (text, parameters) in enumerate(statements, 1):
        if place < len(statements) and parameters:
            text = text.replace("%(", f"%(s{place}_")
            parameters = {f"s{place}_{name}": value for name, value in parameters.items()}
        # without parameters a % stands for itself
        texts.append(text.replace("%", "%%") if parameters is None else text)
        together |= parameters or {}
    return "; ".join(texts), together


class Prepared:
    """A statement that was compiled, as PREPARE and EXECUTE have it."""

    def __init__(self, compiled, dialect):
        places = {}
        for name in PARAMETER.findall(compiled.string):
            places.setdefault(name, f"${len(places) + 1}")
        text = PARAMETER.sub(lambda match: places[match[1]], compiled.string).replace("%%", "%")
        types = ", ".join(dialect.parameter_type(compiled.binds[name]) for name in places)
        definition = f"{f' ({types})' if types else ''} AS {text}"
        # by what it is: whoever has prepared another statement on a connection of a pooler has another name for it
        self.name = f"mintaka_{hashlib.blake2b(definition.encode(), digest_size=8).hexdigest()}"
        self.prepare = f"PREPARE {self.name}{definition}"
        given = ", ".join(f"%({name})s" for name in places)
        self.execute = f"EXECUTE {self.name}{f' ({given})' if given else ''}"


class Dialect(PGDialect_psycopg2):
    """SQLAlchemy's dialect for psycopg2, with `Connection`. `prepare_statements` says whether statements marked PREPARED are."""

    supports_statement_cache = True

    def __init__(self, prepare_statements=True, **options):
        super().__init__(**options)
        self._prepares = prepare_statements
        self._prepared = WeakKeyDictionary()

    def create_connect_args(self, url):
        """Return the arguments of psycopg2.connect."""
        arguments, options = super().create_connect_args(url)
        return arguments, options | {"connection_factory": Connection}

    def set_isolation_level(self, dbapi_connection, level):
        """Have the transactions of a connection begin so; with AUTOCOMMIT there are none."""
        dbapi_connection.begin = None if level == "AUTOCOMMIT" else f"BEGIN ISOLATION LEVEL {level}"

    def do_execute(self, cursor, statement, parameters, context=None):
        """Execute a statement."""
        connection, options = cursor.connection, context.execution_options if context else {}
        compiled = context.compiled if context and options.get(PREPARED) and self._prepares else None
        if compiled is not None and statement == compiled.string:
            statement = self._prepare(connection, cursor, compiled)
        if options.get(DEFERRED):
            connection.defer(statement, parameters)
        else:
            connection.run(cursor, statement, parameters)

    def do_execute_no_params(self, cursor, statement, context=None):
        """Execute a statement that has no parameters."""
        cursor.connection.run(cursor, statement)

    def do_executemany(self, cursor, statement, parameters, context=None):
        """Execute a statement once for each of the parameters."""
        cursor.connection.run_many(cursor, statement, parameters)

    def is_disconnect(self, e, connection, cursor):
        """Return whether an error means that the connection is over."""
        is_mixed_up = isinstance(e, MIXED_UP)
        if is_mixed_up and self._prepares:
            log.warning("a pooler between here and PostgreSQL mixes connections up; MINTAKA_DATABASE_POOLER=true is for such")
            self._prepares = False
        return super().is_disconnect(e, connection, cursor)

    def parameter_type(self, parameter):
        """Return the type of a parameter in SQL; one that SQLAlchemy does not know PostgreSQL finds out."""
        return "unknown" if parameter.type._isnull else self.type_compiler_instance.process(parameter.type)

    def _prepare(self, connection, cursor, compiled):
        """Return what executes the statement `compiled`, which is prepared on the connection unless it is already."""
        found = self._prepared.get(compiled)
        if found is None:
            found = self._prepared[compiled] = Prepared(compiled, self)
        if connection.prepared.pop(found.name, None) is None:
            if len(connection.prepared) >= MAX_PREPARED:
                oldest = next(iter(connection.prepared))
                del connection.prepared[oldest]
                connection.send(cursor, f"DEALLOCATE {oldest}")
            connection.send(cursor, found.prepare)
        connection.prepared[found.name] = True
        return found.execute

"""SQL that PostgreSQL and SQLite write differently, as constructs that learn the dialect when they are compiled.

A statement made of them is the same object for both databases, so that it can be a constant of its module.
"""

from sqlalchemy import BigInteger, Boolean, Text, Uuid, column, literal
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from app.db.types import Json, UtcDateTime

# Execution options of statements; what they do is in `app.db.dialect`
PREPARED, DEFERRED = "mintaka_prepared", "mintaka_deferred"


def prepared(statement):
    """Return `statement` to be prepared on each connection to PostgreSQL.

    That is for statements which are executed often and for which one plan is good whatever the parameters are: by id, or by what is unique.
    """
    return statement.execution_options(**{PREPARED: True})


def insert(table):
    """Return an INSERT that has `on_conflict_do_nothing` and `on_conflict_do_update`.

    SQLAlchemy's SQLite compiler renders PostgreSQL's clauses too: the two databases share their syntax.
    """
    return postgresql_insert(table)


def _texts(element, compiler, options):
    return [compiler.process(clause, **options) for clause in element.clauses]


class ContainsText(FunctionElement):
    """The condition that a text column contains a text, in upper or lower case; `ContainsText(column, parameter of type Substring)`."""

    name = "contains_text"
    type = Boolean()
    inherit_cache = True


@compiles(ContainsText)
def _like(element, compiler, **options):
    held, pattern = _texts(element, compiler, options)
    # ILIKE would fold the pattern again for every row
    return f"(lower({held}) LIKE lower({pattern}) ESCAPE '/')"


@compiles(ContainsText, "sqlite")
def _instr(element, compiler, **options):
    held, wanted = _texts(element, compiler, options)
    # SQLite's LIKE fails on a pattern of more than 50,000 bytes
    return f"(instr(lower({held}), lower({wanted})) > 0)"


class ArrayContainsAll(FunctionElement):
    """The condition that a JSON array column holds every member of another; `ArrayContainsAll(column, parameter of type Json)`."""

    name = "array_contains_all"
    type = Boolean()
    inherit_cache = True


@compiles(ArrayContainsAll)
def _superset(element, compiler, **options):
    held, wanted = _texts(element, compiler, options)
    return f"({held} @> CAST({wanted} AS JSONB))"


@compiles(ArrayContainsAll, "sqlite")
def _none_is_missing(element, compiler, **options):
    held, wanted = _texts(element, compiler, options)
    # one condition however many values: SQLite refuses expressions deeper than 1,000
    missing = f"wanted.value NOT IN (SELECT held.value FROM json_each({held}) AS held)"
    return f"(NOT EXISTS (SELECT 1 FROM json_each({wanted}) AS wanted WHERE {missing}))"


class ArrayUnion(FunctionElement):
    """The members of two JSON arrays, each once, in the order in which they come first. PostgreSQL only."""

    name = "array_union"
    type = Json()
    inherit_cache = True


@compiles(ArrayUnion, "postgresql")
def _first_places(element, compiler, **options):
    one, other = _texts(element, compiler, options)
    members = f"jsonb_array_elements({one} || CAST({other} AS JSONB)) WITH ORDINALITY AS member (value, place)"
    firsts = f"(SELECT value, min(place) AS place FROM {members} GROUP BY value) AS first"
    return f"(SELECT coalesce(jsonb_agg(value ORDER BY place), '[]') FROM {firsts})"


class IsEmptyArray(FunctionElement):
    """The condition that a JSON array column is `[]`."""

    name = "is_empty_array"
    type = Boolean()
    inherit_cache = True


@compiles(IsEmptyArray)
def _is_empty_jsonb(element, compiler, **options):
    (held,) = _texts(element, compiler, options)
    return f"({held} = CAST('[]' AS JSONB))"


@compiles(IsEmptyArray, "sqlite")
def _has_no_length(element, compiler, **options):
    (held,) = _texts(element, compiler, options)
    return f"(json_array_length({held}) = 0)"


class EpochMicroseconds(FunctionElement):
    """The whole microseconds from the beginning of 1970 to an instant column."""

    name = "epoch_microseconds"
    type = BigInteger()
    inherit_cache = True


@compiles(EpochMicroseconds)
def _extracted(element, compiler, **options):
    (instant,) = _texts(element, compiler, options)
    return f"CAST(EXTRACT(epoch FROM {instant}) * 1000000 AS BIGINT)"


@compiles(EpochMicroseconds, "sqlite")
def _from_text(element, compiler, **options):
    (instant,) = _texts(element, compiler, options)
    # given a fraction, strftime would round it to milliseconds
    return f"(CAST(strftime('%s', substr({instant}, 1, 19)) AS BIGINT) * 1000000 + CAST(substr({instant}, 21) AS BIGINT))"


class Now(FunctionElement):
    """`Now(instant, seconds)`: the instant, or, where that is null, the database's now less the seconds; of a parameter and a constant.

    The database's now is that of the statement's begin, which an index can be asked for. On SQLite the instant must be given.
    """

    name = "now_given"
    type = UtcDateTime()
    inherit_cache = True


@compiles(Now)
def _statement_timestamp(element, compiler, **options):
    instant, *seconds = _texts(element, compiler, options)
    before = f" - make_interval(secs => CAST({seconds[0]} AS DOUBLE PRECISION))" if seconds else ""
    return f"coalesce(CAST({instant} AS TIMESTAMP WITH TIME ZONE), statement_timestamp(){before})"


@compiles(Now, "sqlite")
def _now_of_the_process(element, compiler, **options):
    return _texts(element, compiler, options)[0]


class EarlierBy(FunctionElement):
    """`EarlierBy(instant, seconds)`: the instant less so many seconds, a whole number. On SQLite, to the millisecond."""

    name = "earlier_by"
    type = UtcDateTime()
    inherit_cache = True


@compiles(EarlierBy)
def _less_interval(element, compiler, **options):
    instant, seconds = _texts(element, compiler, options)
    return f"({instant} - make_interval(secs => CAST({seconds} AS DOUBLE PRECISION)))"


@compiles(EarlierBy, "sqlite")
def _modified(element, compiler, **options):
    instant, seconds = _texts(element, compiler, options)
    return f"strftime('%Y-%m-%d %H:%M:%f000', {instant}, '-' || {seconds} || ' seconds')"


class LaterOf(FunctionElement):
    """`LaterOf(instant, column)`: the instant, or the smallest one after the column's value where that is later.

    On PostgreSQL a statement that has waited for a lock may find a row that was changed after its own clock was read. On SQLite
    transactions that write take turns, and none reads its clock before it is its turn.
    """

    name = "later_of"
    type = UtcDateTime()
    inherit_cache = True


@compiles(LaterOf)
def _greatest(element, compiler, **options):
    instant, changed = _texts(element, compiler, options)
    return f"greatest({instant}, {changed} + interval '1 microsecond')"


@compiles(LaterOf, "sqlite")
def _instant_alone(element, compiler, **options):
    return _texts(element, compiler, options)[0]


class UuidText(FunctionElement):
    """A UUID as text with hyphens."""

    name = "uuid_text"
    type = Text()
    inherit_cache = True


@compiles(UuidText)
def _cast_to_text(element, compiler, **options):
    (id,) = _texts(element, compiler, options)
    return f"CAST({id} AS TEXT)"


@compiles(UuidText, "sqlite")
def _with_hyphens(element, compiler, **options):
    (id,) = _texts(element, compiler, options)
    # SQLAlchemy's form of a UUID in SQLite is its 32 digits
    parts = [f"substr({id}, {start}, {length})" for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))]
    return "(" + " || '-' || ".join(parts) + ")"


class JsonWithMembers(FunctionElement):
    """`JsonWithMembers(JSON parameter, name, value, ...)`: a JSON object with members set to texts, or to null."""

    name = "json_with_members"
    type = Json()
    inherit_cache = True


@compiles(JsonWithMembers)
def _concatenated(element, compiler, **options):
    document, *members = _texts(element, compiler, options)
    return f"(CAST({document} AS JSONB) || jsonb_build_object({', '.join(members)}))"


@compiles(JsonWithMembers, "sqlite")
def _json_set(element, compiler, **options):
    document, *members = _texts(element, compiler, options)
    paths = [f"'$.' || {member}" if place % 2 == 0 else member for place, member in enumerate(members)]
    return f"json_set({document}, {', '.join(paths)})"


def json_with_ids(document, **ids):
    """Return the JSON object `document` in SQL, with the UUIDs `ids` (columns, which may be null) as members."""
    members = [part for name, id in ids.items() for part in (literal(name, Text), UuidText(id))]
    return JsonWithMembers(literal(document, Json), *members)


class _Rows(FunctionElement):
    """The rows of a parameter of type JsonRows; the other clauses are the columns."""

    name = "rows"
    inherit_cache = True


@compiles(_Rows)
def _recordset(element, compiler, **options):
    rows, *columns = element.clauses
    type_of = compiler.dialect.type_compiler_instance.process
    members = ", ".join(f"{compiler.preparer.format_column(member)} {type_of(member.type)}" for member in columns)
    return f"(SELECT * FROM jsonb_to_recordset(CAST({compiler.process(rows, **options)} AS JSONB)) AS element ({members}))"


@compiles(_Rows, "sqlite")
def _each(element, compiler, **options):
    rows, *columns = element.clauses
    members = []
    for member in columns:
        value = f"json_extract(element.value, '$.{member.name}')"
        if isinstance(member.type, Uuid):
            value = f"replace({value}, '-', '')"
        members.append(f"{value} AS {compiler.preparer.format_column(member)}")
    return f"(SELECT {', '.join(members)} FROM json_each({compiler.process(rows, **options)}) AS element)"


def rows(parameter, **types):
    """Return a FROM clause, named `given`, of the mappings in `parameter`, which is of type JsonRows.

    They are sent as one parameter, so that a statement's text does not grow with them. `types` names the members that become columns, and
    their SQL types.
    """
    columns = [column(name, kind) for name, kind in types.items()]
    return _Rows(parameter, *columns).table_valued(*columns, name="given")

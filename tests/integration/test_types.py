"""Values on their way through a database: what comes back is what was stored, on either kind."""

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, Uuid, delete, insert, select

from app.db.types import Json, UtcDateTime
from app.domain.ids import new_id

VALUE = Table("value", MetaData(), Column("number", Integer), Column("id", Uuid), Column("instant", UtcDateTime), Column("document", Json))

# the one database of a test serves all its examples
SHARED_DATABASE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)

ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(datetime(1970, 1, 2), datetime(2200, 12, 30), timezones=ZONES)
# what the API lets in: no NUL, no half of a surrogate pair, no infinities
STRINGS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats(allow_nan=False, allow_infinity=False) | STRINGS
MEMBERS = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(STRINGS, inner, max_size=4), max_leaves=12)
# a document is an object or a list; SQLite would take the text of a bare number for that number
DOCUMENTS = st.lists(MEMBERS, max_size=4) | st.dictionaries(STRINGS, MEMBERS, max_size=4)
NUMBERS = [10**400, -(10**30), 2**63, 0.1, 5e-324, 1.7976931348623157e308, 0, 1.0, -0.0]
TEXTS = ["Łódź 🦦 ﷽", "", "\\u0000", "\x7f\u2028", '"']


def same(found, given):
    """Whether `found` is the JSON value `given`. PostgreSQL writes a float without a fraction, such as 1e300, as a whole number."""
    if isinstance(given, dict):
        return found.keys() == given.keys() and all(same(found[key], given[key]) for key in given)
    if isinstance(given, list):
        return len(found) == len(given) and all(map(same, found, given))
    if isinstance(given, float):
        return float(found) == given
    return type(found) is type(given) and found == given


@pytest.fixture
def values(database):
    """`database` with an empty table VALUE."""
    with database.transaction() as session:
        VALUE.create(session.connection())
    return database


def stored(database, rows, *order):
    """The rows that come back when only `rows` are in the table."""

    def work(session):
        session.execute(delete(VALUE))
        session.execute(insert(VALUE), rows)
        return session.execute(select(VALUE).order_by(*order)).all()

    return database.run(work)


@SHARED_DATABASE
@given(st.lists(INSTANTS, min_size=1, max_size=20))
@example([datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 12, 31, 23, 59, 59, 999999, UTC)])
@example([datetime(2022, 6, 1, 12, 0, 0, 1, UTC), datetime(2022, 6, 1, 12, tzinfo=UTC)])
def test_an_instant_comes_back_in_utc_to_the_microsecond_and_sorts_by_time(values, instants):
    rows = stored(values, [{"number": number, "instant": instant} for number, instant in enumerate(instants)], VALUE.c.instant)
    assert [row.instant for row in rows] == sorted(instants)
    assert {row.instant.utcoffset() for row in rows} == {timedelta(0)}
    assert all(row.instant == instants[row.number] for row in rows)


@SHARED_DATABASE
@given(INSTANTS, st.timedeltas(timedelta(microseconds=-2), timedelta(microseconds=2)))
def test_instants_of_different_zones_compare_by_the_instant(values, instant, apart):
    bound = (instant + apart).astimezone(timezone(timedelta(hours=-7)))

    def work(session):
        session.execute(delete(VALUE))
        session.execute(insert(VALUE).values(instant=instant))
        return [session.execute(select(condition)).scalar() for condition in (VALUE.c.instant <= bound, VALUE.c.instant >= bound)]

    assert [bool(answer) for answer in values.run(work)] == [instant <= bound, instant >= bound]


@SHARED_DATABASE
@given(st.lists(DOCUMENTS, min_size=1, max_size=10))
@example([NUMBERS, TEXTS, {"é": {"": [{}]}}, [], {}, [None, True, False], {"a": None}])
def test_a_json_document_comes_back_equal(values, documents):
    rows = stored(values, [{"number": number, "document": document} for number, document in enumerate(documents)], VALUE.c.number)
    assert len(rows) == len(documents)
    assert all(same(row.document, document) for row, document in zip(rows, documents, strict=True))


def test_no_instant_and_no_document_come_back_as_none_and_are_sql_nulls(values):
    [row] = stored(values, [{"number": 1, "instant": None, "document": None}])
    assert (row.instant, row.document) == (None, None)
    condition = VALUE.c.instant.is_(None) & VALUE.c.document.is_(None)
    assert values.run(lambda session: session.execute(select(VALUE.c.number).where(condition)).scalars().all()) == [1]


def test_ids_are_version_7_and_sort_in_the_order_they_were_made_in_the_database_too(values):
    ids = [new_id() for _ in range(2000)]
    assert {(id.version, id.variant) for id in ids} == {(7, "specified in RFC 4122")}
    assert ids == sorted(ids)
    assert len({*ids}) == len(ids)
    rows = stored(values, [{"number": number, "id": id} for number, id in reversed([*enumerate(ids)])], VALUE.c.id)
    assert [row.number for row in rows] == [*range(2000)]


def test_ids_made_by_many_threads_are_all_different():
    made = [[] for _ in range(8)]
    threads = [threading.Thread(target=lambda own=own: own.extend(new_id() for _ in range(2000))) for own in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id for own in made for id in own}) == 8 * 2000
    assert all(own == sorted(own) for own in made)

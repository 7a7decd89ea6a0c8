"""`app.db.sql`: the constructs mean the same on both databases, whatever the values."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Float, Integer, Text, Uuid, bindparam, cast, func, literal, select

from app.config import Settings
from app.db.session import Database
from app.db.sql import ArrayContainsAll, ContainsText, EarlierBy, EpochMicroseconds, IsEmptyArray, Now, UuidText, json_with_ids, rows
from app.db.types import Json, JsonRows, Substring, UtcDateTime
from app.domain.instants import microseconds

SHARED_DATABASE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
# each of its letters has one counterpart in lower case, the same in Python, in the tests' PostgreSQL and in SQLite
ASCII = st.text("aAbBzZ%_/\\ '\"", max_size=6)
INSTANTS = st.datetimes(datetime(1970, 1, 2), datetime(2200, 12, 30), timezones=st.just(UTC))
ROW = st.fixed_dictionaries(
    {
        "id": st.none() | st.uuids(),
        "number": st.none() | st.integers(-(2**31), 2**31 - 1),
        "text": st.none() | TEXTS,
        "instant": st.none() | INSTANTS,
        "document": st.none() | st.dictionaries(TEXTS, st.none() | st.booleans() | st.integers(-(10**30), 10**30) | TEXTS, max_size=3),
    }
)

GIVEN = rows(bindparam("rows", type_=JsonRows), id=Uuid, number=Integer, text=Text, instant=UtcDateTime, document=Json)


def value_of(database, expression, **parameters):
    return database.run(lambda session: session.scalar(select(expression.label("value")), parameters), read_only=True)


@given(given_rows=st.lists(ROW, max_size=4))
@example(given_rows=[{"id": UUID(int=1), "number": 1, "text": "1", "instant": datetime(2022, 6, 1, tzinfo=UTC), "document": {"1": 2**70}}])
@SHARED_DATABASE
def test_rows_come_back_as_they_were_given(database, given_rows):
    found = database.run(lambda session: session.execute(select(GIVEN), {"rows": given_rows}).all(), read_only=True)
    assert [row._asdict() for row in found] == given_rows


@given(held=ASCII, wanted=ASCII)
@SHARED_DATABASE
def test_a_text_is_contained_as_it_is_whatever_its_characters_mean_in_a_pattern(database, held, wanted):
    condition = ContainsText(cast(literal(held), Text), bindparam("wanted", type_=Substring))
    assert bool(value_of(database, condition, wanted=wanted)) == (wanted.lower() in held.lower())


@given(held=st.lists(TEXTS, max_size=4), wanted=st.lists(TEXTS, max_size=3))
@SHARED_DATABASE
def test_an_array_contains_all_members_of_another(database, held, wanted):
    column = literal(held, Json)
    assert bool(value_of(database, ArrayContainsAll(column, bindparam("wanted", type_=Json)), wanted=wanted)) == (set(wanted) <= set(held))
    assert bool(value_of(database, IsEmptyArray(column))) == (held == [])


@given(instant=INSTANTS)
@SHARED_DATABASE
def test_now_is_what_is_given(database, instant):
    assert value_of(database, Now(bindparam("now", type_=UtcDateTime)), now=instant) == instant
    parameters = {"now": instant, "seconds": 60.0}
    assert value_of(database, Now(bindparam("now", type_=UtcDateTime), bindparam("seconds", type_=Float)), **parameters) == instant


def test_now_is_the_databases_where_none_is_given(postgres_url):
    database = Database(postgres_url, Settings())
    now = Now(bindparam("now", type_=UtcDateTime), bindparam("seconds", type_=Float))
    told, ago = database.run(lambda session: session.execute(select(func.now(), now), {"now": None, "seconds": 60.0}).one(), read_only=True)
    database.dispose()
    assert (told - ago).total_seconds() == 60


@given(instant=INSTANTS, id=st.uuids())
@SHARED_DATABASE
def test_instants_are_microseconds_and_ids_are_text_with_hyphens(database, instant, id):
    given_rows = [{"id": id, "instant": instant}]
    assert value_of(database, EpochMicroseconds(GIVEN.c.instant), rows=given_rows) == microseconds(instant)
    assert value_of(database, UuidText(GIVEN.c.id), rows=given_rows) == str(id)
    document = value_of(database, json_with_ids({"a": 1, "id": None}, id=GIVEN.c.id), rows=given_rows)
    assert document == {"a": 1, "id": str(id)}


@given(instant=st.datetimes(datetime(1990, 1, 1), datetime(2190, 1, 1), timezones=st.just(UTC)), seconds=st.integers(1, 600_000_000))
@SHARED_DATABASE
def test_an_instant_less_seconds_is_what_python_says_to_the_millisecond(database, instant, seconds):
    instant = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
    found = value_of(database, EarlierBy(bindparam("instant", type_=UtcDateTime), cast(literal(seconds), Integer)), instant=instant)
    assert found == instant - timedelta(seconds=seconds)

"""Instants: what is read as one, what is refused, and how one is written."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import instants


@pytest.mark.parametrize(
    "text, expected",
    [
        ("2022-06-01T09:00:00", datetime(2022, 6, 1, 9, tzinfo=UTC)),
        ("2022-06-01", datetime(2022, 6, 1, tzinfo=UTC)),
        ("2022-06-01 09:00", datetime(2022, 6, 1, 9, tzinfo=UTC)),
    ],
)
def test_a_naive_instant_is_read_as_utc(text, expected):
    assert instants.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2022-06-01T09:00:00+02:00",
        "2022-06-01T07:00:00Z",
        "2022-06-01T07:00:00+00:00",
        "2022-05-31T21:30:00-09:30",
        "20220601T070000Z",
        "2022-W22-3T07:00:00Z",
    ],
)
def test_an_offset_is_converted_to_utc(text):
    assert instants.parse(text) == datetime(2022, 6, 1, 7, tzinfo=UTC)
    assert instants.parse(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00-23:00",
        "1969-12-31T23:00:00-02:00",
        "2200-12-31T23:59:59.999999Z",
        "2201-01-01T01:00:00+02:00",
    ],
)
def test_the_years_1970_to_2200_count_after_conversion_and_are_accepted(text):
    assert instants.EARLIEST <= instants.parse(text) <= instants.LATEST


@pytest.mark.parametrize(
    "text",
    [
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:30:00+01:00",
        "2201-01-01T00:00:00Z",
        "2200-12-31T23:30:00-01:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_other_years_are_refused_after_conversion(text):
    with pytest.raises(ValueError, match="1970 to 2200"):
        instants.parse(text)


@pytest.mark.parametrize(
    "text", ["", "now", "2022-13-01", "2022-02-30T00:00:00", "1654074000", "2022-06-01T25:00", "2022-06-01T09:00:00+2"]
)
def test_text_that_is_no_instant_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="2022-06-01T09:00:00"):
        instants.parse(text)


def test_an_instant_is_written_in_utc_with_its_offset():
    local = datetime(2022, 6, 1, 9, tzinfo=timezone(timedelta(hours=2)))
    assert instants.isoformat(local) == "2022-06-01T07:00:00+00:00"


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2200, 12, 30)),
    st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_what_is_written_reads_back_as_the_same_instant(naive, offset):
    instant = naive.replace(tzinfo=offset)
    assert instants.parse(instant.isoformat()) == instant
    assert instants.parse(instants.isoformat(instant)) == instant

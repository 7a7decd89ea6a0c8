"""Reading documents and giving them back."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.schedules import InvalidSchedule, documents, parse, validate
from tests.unit.domain.schedules.strategies import cron_documents, interval_documents, moments, rrule_documents

START = datetime(2024, 1, 1, tzinfo=UTC)
LATER = datetime(2024, 4, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "echo"),
    [
        ({"interval": 3600}, {"interval": 3600.0, "anchor_date": "2020-01-01T00:00:00+00:00", "timezone": None}),
        (
            {"interval": 86400, "timezone": "America/New_York"},
            {"interval": 86400.0, "anchor_date": "2020-01-01T05:00:00+00:00", "timezone": "America/New_York"},
        ),
        (
            {"interval": 1.5, "anchor_date": "2021-02-03T04:05:06.789-05:00"},
            {"interval": 1.5, "anchor_date": "2021-02-03T09:05:06.789000+00:00", "timezone": None},
        ),
        ({"interval": 60, "anchor_date": "2021-02-03"}, {"interval": 60.0, "anchor_date": "2021-02-03T00:00:00+00:00", "timezone": None}),
        (
            {"interval": 60, "anchor_date": datetime(2021, 2, 3, tzinfo=UTC), "timezone": None},
            {"interval": 60.0, "anchor_date": "2021-02-03T00:00:00+00:00", "timezone": None},
        ),
        ({"cron": " 0 0 * * * "}, {"cron": " 0 0 * * * ", "timezone": None, "day_or": True}),
        (
            {"cron": "@daily", "timezone": "Europe/Berlin", "day_or": False},
            {"cron": "@daily", "timezone": "Europe/Berlin", "day_or": False},
        ),
        ({"rrule": "FREQ=DAILY"}, {"rrule": "FREQ=DAILY", "timezone": "UTC"}),
        ({"rrule": "FREQ=DAILY", "timezone": None}, {"rrule": "FREQ=DAILY", "timezone": "UTC"}),
        ({"rrule": "FREQ=DAILY", "timezone": "Asia/Tokyo"}, {"rrule": "FREQ=DAILY", "timezone": "Asia/Tokyo"}),
    ],
)
def test_a_document_is_echoed_with_its_defaults_and_the_echo_is_accepted(given, echo):
    schedule = validate(given)
    assert schedule.to_document() == echo
    assert validate(echo) == schedule
    assert validate(MappingProxyType(echo)).to_document() == echo


def test_the_default_anchor_of_a_zone_may_stand_beside_the_zone_as_any_instant_that_equals_it():
    for anchor in ("2020-01-01T05:00:00+00:00", "2020-01-01T00:00:00-05:00", "2020-01-01T05:00:00"):
        assert parse({"interval": 86400, "anchor_date": anchor, "timezone": "America/New_York"}).zone.key == "America/New_York"
    with pytest.raises(InvalidSchedule):
        parse({"interval": 86400, "anchor_date": "2020-01-01T00:00:00+00:00", "timezone": "America/New_York"})


def test_true_and_one_are_different_documents_however_often_they_are_read():
    for _ in range(2):
        assert parse({"interval": 1}).step == timedelta(seconds=1)
        assert parse({"interval": 1.0}).step == timedelta(seconds=1)
        with pytest.raises(InvalidSchedule):
            parse({"interval": True})


def test_a_document_is_read_once_and_kept():
    document = {"cron": "17 3 * * *", "timezone": "Europe/Paris"}
    assert parse(document) is parse(dict(document))


def test_a_schedule_is_a_value():
    assert parse({"cron": "0 0 * * *"}) == parse({"cron": "0 0 * * *", "day_or": True})
    assert parse({"cron": "0 0 * * *"}) != parse({"cron": "0 0 * * *", "timezone": "UTC"})
    assert len({parse({"rrule": "FREQ=DAILY"}), parse({"rrule": "FREQ=DAILY", "timezone": "UTC"})}) == 1
    with pytest.raises(AttributeError):
        parse({"cron": "0 0 * * *"}).cron = "1 0 * * *"


def test_a_tiny_interval_gives_its_first_dates_of_a_long_window():
    found = list(parse({"interval": 0.000001}).occurrences(START, LATER, 100))
    assert found == [START + n * timedelta(microseconds=1) for n in range(100)]


def test_an_interval_does_not_drift():
    schedule = parse({"interval": 0.1, "anchor_date": "1970-01-01T00:00:00+00:00"})
    assert list(islice(schedule.occurrences(datetime(2199, 12, 31, 23, 59, 59, 900000), datetime(2200, 1, 1), 9), 9)) == [
        datetime(2199, 12, 31, 23, 59, 59, 900000, tzinfo=UTC),
        datetime(2200, 1, 1, tzinfo=UTC),
    ]


@pytest.mark.parametrize("interval", [86_400, 90_000, 36 * 3600, 7.5])
def test_an_interval_reaches_back_before_its_anchor(interval):
    anchor = datetime(2025, 6, 1, 9, 30, tzinfo=UTC)
    schedule = parse({"interval": interval, "anchor_date": anchor.isoformat()})
    found = list(schedule.occurrences(anchor - timedelta(seconds=2 * interval), anchor + timedelta(seconds=interval), 9))
    assert found == [anchor + n * timedelta(seconds=interval) for n in (-2, -1, 0, 1)]


def _outcome(document, after):
    try:
        return validate(document, after)
    except InvalidSchedule as error:
        return error.field, error.reason


@given(
    interval_documents() | cron_documents() | rrule_documents() | st.just({"rrule": "FREQ=DAILY;COUNT=400"}),
    st.lists(moments | st.datetimes(datetime(2020, 6, 1), datetime(2021, 6, 1), timezones=st.just(UTC)), min_size=2, max_size=5),
)
def test_what_validating_found_before_changes_no_outcome(document, instants):
    documents._known_small.cache_clear()
    remembered = [_outcome(document, after) for after in instants]
    for after, outcome in zip(instants, remembered, strict=True):
        documents._known_small.cache_clear()
        assert _outcome(document, after) == outcome


def test_the_next_date_of_a_schedule_is_sought_once_until_it_has_passed(monkeypatch):
    sought = []
    seek = documents.first_date
    monkeypatch.setattr(documents, "first_date", lambda schedule, start, kind: sought.append(start) or seek(schedule, start, kind))
    documents._known_small.cache_clear()
    for seconds in (0, 1, 3600, 3601):
        validate({"cron": "30 * * * *"}, START + timedelta(seconds=seconds))
    assert sought[1:] == [START, START + timedelta(seconds=3600)]

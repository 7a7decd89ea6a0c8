"""What holds for every schedule, whatever its kind."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.domain.schedules import InvalidSchedule, ScheduleTooSlow, parse
from tests.unit.domain.schedules import strategies

pytestmark = pytest.mark.filterwarnings("error")
MANY = 400
KINDS = pytest.mark.parametrize(
    "documents",
    [strategies.interval_documents(), strategies.cron_documents(), strategies.rrule_documents()],
    ids=["interval", "cron", "rrule"],
)


def read(document):
    try:
        return parse(document)
    except InvalidSchedule:
        assume(False)


def dates(schedule, start, end, limit):
    try:
        return list(schedule.occurrences(start, end, limit))
    except ScheduleTooSlow:
        assume(False)


@KINDS
@settings(deadline=None, max_examples=200)
@given(data=st.data(), start=strategies.moments, span=strategies.spans, part=st.fractions(0, 1))
def test_the_dates_of_a_window_are_those_of_its_parts(documents, data, start, span, part):
    schedule = read(data.draw(documents))
    end = start + span
    whole = dates(schedule, start, end, MANY)
    if len(whole) == MANY:
        end = whole[-1]
    middle = start + timedelta(microseconds=int((end - start) / timedelta(microseconds=1) * float(part)))
    after = middle + timedelta(microseconds=1)
    later = dates(schedule, after, end, MANY) if after <= end else []
    assert dates(schedule, start, min(middle, end), MANY) + later == whole


@KINDS
@settings(deadline=None, max_examples=120)
@given(data=st.data(), start=strategies.moments, span=strategies.spans, limit=st.integers(0, 50))
def test_dates_are_utc_in_strict_order_inside_the_window_and_no_more_than_the_limit(documents, data, start, span, limit):
    schedule = read(data.draw(documents))
    found = dates(schedule, start, start + span, MANY)
    assert all(date.tzinfo is UTC for date in found)
    assert all(before < after for before, after in pairwise(found))
    assert all(start <= date <= start + span for date in found)
    assert dates(schedule, start, start + span, limit) == found[:limit]


@KINDS
@settings(deadline=None, max_examples=100)
@given(data=st.data(), start=strategies.moments, span=strategies.spans)
def test_both_ends_of_a_window_belong_to_it(documents, data, start, span):
    schedule = read(data.draw(documents))
    found = dates(schedule, start, start + span, MANY)
    if found:
        assert dates(schedule, found[0], found[-1], MANY) == found
        assert dates(schedule, found[-1], found[-1], MANY) == [found[-1]]


@KINDS
@settings(deadline=None, max_examples=100)
@given(data=st.data(), start=strategies.moments, span=strategies.spans)
def test_the_document_of_a_schedule_is_read_back_as_the_same_schedule(documents, data, start, span):
    schedule = read(data.draw(documents))
    document = schedule.to_document()
    assert parse(document) == schedule
    assert parse(document).to_document() == document
    assert dates(parse(document), start, start + span, 50) == dates(schedule, start, start + span, 50)


@pytest.mark.parametrize("document", [{"interval": 3600}, {"cron": "0 * * * *"}, {"rrule": "DTSTART:19700101T000000\nRRULE:FREQ=HOURLY"}])
def test_dates_lie_in_the_years_1970_to_2200(document):
    schedule = parse(document)
    everything = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert list(schedule.occurrences(*everything, 1)) == [datetime(1970, 1, 1, tzinfo=UTC)]
    assert list(schedule.occurrences(datetime(2200, 12, 31, 23, tzinfo=UTC), everything[1], 9)) == [datetime(2200, 12, 31, 23, tzinfo=UTC)]
    assert list(schedule.occurrences(datetime(2201, 1, 1, tzinfo=UTC), everything[1], 9)) == []


@pytest.mark.parametrize("document", [{"interval": 3600}, {"cron": "0 * * * *"}, {"rrule": "FREQ=HOURLY"}])
def test_a_window_that_ends_before_it_starts_and_a_limit_of_none_hold_no_dates(document):
    schedule, start = parse(document), datetime(2024, 1, 1, tzinfo=UTC)
    assert list(schedule.occurrences(start, start - timedelta(microseconds=1), 9)) == []
    assert list(schedule.occurrences(start, start, 0)) == []
    assert list(schedule.occurrences(start, start, -1)) == []


@pytest.mark.parametrize("document", [{"interval": 3600}, {"cron": "0 * * * *"}, {"rrule": "FREQ=HOURLY"}])
def test_a_window_may_be_given_in_any_zone_and_a_naive_one_is_utc(document):
    schedule, start = parse(document), datetime(2024, 1, 1, tzinfo=UTC)
    wanted = list(schedule.occurrences(start, start + timedelta(hours=3), 9))
    assert len(wanted) == 4
    east = start.astimezone(parse({"cron": "0 0 * * *", "timezone": "Asia/Tokyo"}).zone)
    assert list(schedule.occurrences(east, east + timedelta(hours=3), 9)) == wanted
    assert list(schedule.occurrences(start.replace(tzinfo=None), start.replace(tzinfo=None) + timedelta(hours=3), 9)) == wanted

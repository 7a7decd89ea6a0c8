"""Schedules with bounds, exclusions, jitter and a choice for daylight saving: what holds for all of them, and what is refused."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.domain.schedules import (
    WRAPPERS,
    AllExcluded,
    InvalidMember,
    InvalidSchedule,
    ScheduleTooSlow,
    parse,
    shape,
    shape_members,
    validate_shape,
)
from app.domain.schedules.wrapper import layers
from tests.unit.domain.schedules import crontab, strategies

MANY = 300
TICK = timedelta(microseconds=1)
DAILY = {"cron": "0 9 * * *", "timezone": "Europe/Berlin"}

_moments = st.datetimes(datetime(1995, 1, 1), datetime(2055, 1, 1), timezones=st.just(UTC))
_days = st.dates(date(1995, 1, 1), date(2055, 1, 1)).map(str)
_spans = st.tuples(_moments, st.integers(0, 10**7)).map(
    lambda pair: {"start": pair[0].isoformat(), "end": (pair[0] + timedelta(seconds=pair[1])).isoformat()}
)
_crons = st.sampled_from(["* * * * 0,6", "* 0-7,19-23 * * *", "0-29 * * * *", "* * 25 12 *", "*/2 9 1-7 * *", "30 1-2 * * *"])
_entries = (
    _days | _spans | _crons.map(lambda text: {"cron": text}) | st.sampled_from(["DE-BE", "US", "JP"]).map(lambda name: {"holidays": name})
)
plain_documents = strategies.interval_documents() | strategies.cron_documents() | strategies.rrule_documents()


@st.composite
def shaped(draw):
    """A schedule whose wrappers stand in any order, some of them twice."""
    members = {
        "starts_at": draw(st.none() | st.datetimes(datetime(1990, 1, 1), datetime(2010, 1, 1)).map(str)),
        "ends_at": draw(st.none() | st.datetimes(datetime(2030, 1, 1), datetime(2060, 1, 1)).map(str)),
        "exclude": draw(st.lists(_entries, max_size=4)),
        "jitter_seconds": draw(st.sampled_from([0, 60, 86_400])),
        "gap": draw(st.sampled_from(["later", "skip"])),
        "fold": draw(st.sampled_from(["first", "second", "both"])),
    }
    try:
        schedule = shape({"schedule": draw(plain_documents), **members}, key="a")
    except InvalidSchedule:
        assume(False)
    wrappers = list(layers(schedule))
    result = schedule.plain
    for layer in draw(st.permutations(wrappers)) + draw(st.lists(st.sampled_from(wrappers), max_size=1) if wrappers else st.just([])):
        result = replace(layer, inner=result)
    return result


def dates(schedule, start, end, limit=MANY):
    try:
        return list(schedule.occurrences(start, end, limit))
    except ScheduleTooSlow:
        assume(False)


@settings(deadline=None, max_examples=100)
@given(schedule=shaped(), start=_moments, span=strategies.spans, part=st.fractions(0, 1))
def test_the_dates_of_a_window_are_those_of_its_parts(schedule, start, span, part):
    end = start + span
    whole = dates(schedule, start, end)
    if len(whole) == MANY:
        end = whole[-1]
    middle = start + timedelta(microseconds=int((end - start) / TICK * float(part)))
    later = dates(schedule, middle + TICK, end) if middle + TICK <= end else []
    assert dates(schedule, start, min(middle, end)) + later == whole
    assert all(before < after for before, after in pairwise(whole))
    assert dates(schedule, start, end, 7) == whole[:7]
    # a run never starts before its occurrence, and not after the next one
    for occurrence, following in list(pairwise(whole))[:20]:
        assert occurrence <= occurrence + schedule.offset(occurrence) < following


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_the_members_of_a_schedule_are_read_back_as_the_same_schedule(data):
    members = {
        "schedule": data.draw(st.sampled_from([DAILY, {"interval": 3600}, {"rrule": "FREQ=DAILY"}])),
        "starts_at": data.draw(st.none() | st.just("2020-01-01T00:00:00+02:00")),
        "ends_at": data.draw(st.none() | st.just("2050-01-01")),
        "exclude": data.draw(st.lists(_entries, max_size=4)),
        "jitter_seconds": data.draw(st.sampled_from([0, 60])),
        "gap": data.draw(st.sampled_from(["later", "skip", None])),
        "fold": data.draw(st.sampled_from(["first", "second", "both", None])),
    }
    schedule = shape(members, key="a")
    again = shape_members(schedule)
    assert again.keys() == members.keys()
    assert shape(again, key="a") == schedule
    assert shape_members(shape(again)) == again
    assert hash(shape(again, key="a")) == hash(schedule)


def test_a_schedule_that_nothing_shapes_is_the_plain_one():
    assert shape({"schedule": DAILY}) is parse(DAILY)
    assert shape(shape_members(parse(DAILY))) == parse(DAILY)


def test_every_wrapper_has_members_of_its_own_with_defaults_that_make_none():
    names = [name for wrapper in WRAPPERS for name in wrapper.members]
    assert len(names) == len(set(names))
    for wrapper in WRAPPERS:
        assert wrapper.wrap("inner", wrapper.members, None) == "inner"


@settings(deadline=None, max_examples=60)
@given(
    document=strategies.cron_documents() | strategies.interval_documents(),
    entries=st.lists(_days | _spans | _crons.map(lambda text: {"cron": text}), min_size=1, max_size=4),
    start=_moments,
    span=strategies.spans,
)
def test_what_is_left_is_what_no_entry_names(document, entries, start, span):
    try:
        plain, schedule = parse(document), shape({"schedule": document, "exclude": entries})
    except InvalidSchedule:
        assume(False)

    def is_named(instant, entry):
        local = instant.astimezone(plain.zone).replace(tzinfo=None)
        if isinstance(entry, str):
            return str(local.date()) == entry
        if "start" in entry:
            return datetime.fromisoformat(entry["start"]) <= instant <= datetime.fromisoformat(entry["end"])
        minute = local.replace(second=0, microsecond=0)
        return bool(crontab.dates(entry["cron"], True, minute, minute, 1))

    everything = dates(plain, start, start + span)
    end = everything[-1] if len(everything) == MANY else start + span
    assert dates(schedule, start, end) == [date for date in everything if not any(is_named(date, entry) for entry in entries)]


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        # At 00:01 the clocks went back to 23:01 of the day before, so each of two days has two parts.
        ("America/St_Johns", datetime(2006, 10, 28, tzinfo=UTC)),
        ("America/St_Johns", datetime(2006, 4, 1, tzinfo=UTC)),
        ("America/Santiago", datetime(2024, 4, 6, tzinfo=UTC)),
        ("America/Havana", datetime(2024, 11, 2, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("days", [(0,), (1,), (0, 2), (1, 2)])
def test_an_excluded_day_is_the_day_on_the_clock_when_the_clocks_change_at_midnight(zone, start, days):
    excluded = [str(start.date() + timedelta(days=number)) for number in days]
    schedule = shape({"schedule": {"interval": 60, "anchor_date": "2006-01-01"}, "exclude": excluded})
    # the plain schedule goes by UTC; the same in the zone
    schedule = replace(schedule, inner=shape({"schedule": {"cron": "* * * * *", "timezone": zone}, "fold": "both"}))
    found = list(schedule.occurrences(start, start + timedelta(days=3), 10_000))
    minutes = [start + timedelta(minutes=number) for number in range(3 * 1440 + 1)]
    assert found == [minute for minute in minutes if str(minute.astimezone(ZoneInfo(zone)).date()) not in excluded]


def test_bounds_include_both_ends():
    members = {"schedule": {"interval": 3600}, "starts_at": "2024-01-01T02:00:00+01:00", "ends_at": "2024-01-01T03:00:00+00:00"}
    found = list(shape(members).occurrences(datetime(1970, 1, 1), datetime(2200, 1, 1), 99))
    assert [moment.hour for moment in found] == [1, 2, 3]


# (members, loc, words of the reason)
REFUSED = [
    ({}, ("schedule",), "must be an object with one of"),
    ({"schedule": {"cron": "x"}}, ("schedule", "cron"), "has 1 fields"),
    ({"schedule": {"interval": 0.5}}, ("schedule", "interval"), "at least 1 second"),
    ({"schedule": DAILY, "colour": "red"}, ("colour",), "is not a member; allowed are schedule, ends_at, exclude, fold"),
    ({"schedule": DAILY, "starts_at": "soon"}, ("starts_at",), "must be an ISO 8601 time"),
    ({"schedule": DAILY, "ends_at": 5}, ("ends_at",), "must be an ISO 8601 time"),
    ({"schedule": DAILY, "ends_at": "2201-01-01"}, ("ends_at",), "in the years 1970 to 2200"),
    ({"schedule": DAILY, "starts_at": "2025-01-02", "ends_at": "2025-01-01"}, ("ends_at",), "must not be before starts_at"),
    ({"schedule": DAILY, "starts_at": "2025-01-01T09:00Z", "ends_at": "2025-01-01T09:01Z"}, ("starts_at",), "together with ends_at"),
    ({"schedule": DAILY, "gap": "earlier"}, ("gap",), "must be one of later, skip"),
    ({"schedule": DAILY, "fold": 1}, ("fold",), "must be one of first, second, both"),
    ({"schedule": DAILY, "fold": ["both"]}, ("fold",), "must be one of first, second, both"),
    ({"schedule": DAILY, "jitter_seconds": -1}, ("jitter_seconds",), "whole number from 0 to 86,400"),
    ({"schedule": DAILY, "jitter_seconds": 86_401}, ("jitter_seconds",), "whole number from 0 to 86,400"),
    ({"schedule": DAILY, "jitter_seconds": 1.5}, ("jitter_seconds",), "whole number from 0 to 86,400"),
    ({"schedule": DAILY, "jitter_seconds": True}, ("jitter_seconds",), "whole number from 0 to 86,400"),
    ({"schedule": DAILY, "exclude": "2026-12-25"}, ("exclude",), "must be a list"),
    ({"schedule": DAILY, "exclude": ["2026-12-25"] * 201}, ("exclude",), "at most 200 entries"),
    ({"schedule": DAILY, "exclude": ["2026-12-25", "25.12.2026"]}, ("exclude", 1), "must be a date of the years 1970 to 2200, such as"),
    ({"schedule": DAILY, "exclude": ["2026-02-30"]}, ("exclude", 0), "must be a date"),
    ({"schedule": DAILY, "exclude": ["20261225"]}, ("exclude", 0), "must be a date"),
    ({"schedule": DAILY, "exclude": [7]}, ("exclude", 0), "must be a date such as"),
    ({"schedule": DAILY, "exclude": [{}]}, ("exclude", 0), "or with one of cron, holidays, ics"),
    ({"schedule": DAILY, "exclude": [{"end": "2026-01-01"}]}, ("exclude", 0), "an object with start and end"),
    ({"schedule": DAILY, "exclude": [{"start": "2026-01-01"}]}, ("exclude", 0, "end"), "is missing"),
    ({"schedule": DAILY, "exclude": [{"start": "2026-01-01", "end": "x"}]}, ("exclude", 0, "end"), "must be an ISO 8601 time"),
    ({"schedule": DAILY, "exclude": [{"start": "2026-01-02", "end": "2026-01-01"}]}, ("exclude", 0, "end"), "must not be before start"),
    ({"schedule": DAILY, "exclude": [{"cron": "* * *"}]}, ("exclude", 0, "cron"), "has 3 fields"),
    ({"schedule": DAILY, "exclude": [{"cron": None}]}, ("exclude", 0, "cron"), "must be a string"),
    ({"schedule": DAILY, "exclude": [{"cron": "* * 30 2 *"}]}, ("exclude", 0, "cron"), "matches no time"),
    ({"schedule": DAILY, "exclude": [{"cron": "* * * * *", "timezone": "UTC"}]}, ("exclude", 0, "timezone"), "allowed are cron"),
    ({"schedule": DAILY, "exclude": [{"cron": "* 9 * * *"}]}, ("exclude",), "leaves no run"),
    ({"schedule": {"cron": "0 0 1 1 *"}, "exclude": [{"cron": "* * 1 1 *"}]}, ("exclude",), "leaves no run"),
    ({"schedule": {"cron": "* * * * *"}, "exclude": [{"cron": "* * * * *"}]}, ("exclude",), "leaves no run: more than 10,000 in a row"),
    ({"schedule": {"interval": 1}, "exclude": [{"cron": "*/2 * * * *"}, {"cron": "1-59/2 * * * *"}]}, ("exclude",), "leaves no run"),
    ({"schedule": DAILY, "exclude": [{"start": "2024-01-01", "end": "2200-12-31T23:59Z"}]}, ("exclude",), "leaves no run from now on"),
]  # fmt: skip


@pytest.mark.parametrize(("members", "loc", "reason"), REFUSED, ids=[f"{row[1]} {str(row[0])[:60]}" for row in REFUSED])
def test_members_are_refused_with_their_place_and_the_reason(members, loc, reason):
    with pytest.raises(InvalidMember) as refused:
        validate_shape(members, after=datetime(2026, 1, 1, tzinfo=UTC))
    assert refused.value.loc == loc
    assert refused.value.field == ".".join(map(str, loc))
    assert reason in refused.value.reason


def test_a_schedule_that_has_ended_is_let_in():
    members = {"schedule": DAILY, "exclude": ["2020-01-01"], "ends_at": "2021-01-01"}
    assert list(validate_shape(members, after=datetime(2026, 1, 1)).occurrences(datetime(2026, 1, 1), datetime(2200, 1, 1), 1)) == []


def test_an_exclusion_of_everything_that_was_let_in_is_found_out_and_said():
    schedule = shape({"schedule": {"cron": "* * * * *"}, "exclude": [{"cron": "* * * * *"}]})
    assert list(schedule.occurrences(datetime(2026, 1, 1), datetime(2026, 2, 1), 5)) == []
    with pytest.raises(AllExcluded):
        list(schedule.occurrences(datetime(2026, 1, 1), datetime(2200, 1, 1), 5))


def test_a_long_excluded_time_is_jumped_over():
    members = {"schedule": {"interval": 1}, "exclude": [{"start": "2026-01-01", "end": "2126-01-01"}]}
    found = list(validate_shape(members, after=datetime(2026, 1, 1)).occurrences(datetime(2026, 1, 1), datetime(2200, 1, 1), 1))
    assert found == [datetime(2126, 1, 1, 0, 0, 1, tzinfo=UTC)]

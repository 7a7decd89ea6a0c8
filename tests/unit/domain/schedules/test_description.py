"""A schedule in words: sentences are read back, and mean the schedule."""

from datetime import UTC, date, datetime, timedelta

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.schedules import describe, parse, shape
from tests.unit.domain.schedules import crontab, sentences, strategies

DAYS = [date(2024, 1, 1) + timedelta(days=number) for number in range(366 + 365)]
BERLIN = "Europe/Berlin"

_common = st.tuples(
    st.sampled_from(["0", "30", "*/20", "5-59/20", "0,30", "*", "10,25"]),
    st.sampled_from(["9", "*", "9-17", "*/2", "1-23/2", "8,12,18", "0"]),
    st.sampled_from(["*", "1", "1,15", "l", "15w", "3w", "*/10", "31"]),
    st.sampled_from(["*", "3", "jan,jul", "*/3", "2"]),
    st.sampled_from(["*", "1-5", "sat,sun", "mon", "fri#3", "L5", "mon#1,wed#3", "tue,thu", "0-6"]),
).map(" ".join)


@settings(deadline=None, max_examples=120)
@given(text=_common | strategies.cron_texts, day_or=st.booleans(), zone=strategies.zones)
def test_a_cron_expression_is_what_its_sentence_says(text, day_or, zone):
    sentence = describe(parse({"cron": text, "day_or": day_or, "timezone": zone}))
    if sentence == f"cron {text} {zone}":
        return
    phrase, times, named = sentences.read_plain(sentence)
    assert named == zone
    midnights = [datetime.combine(day, datetime.min.time()) for day in DAYS[::7] + DAYS[1::11] + DAYS[28:32]]
    every_day = " ".join(["0", "0", *text.split()[2:]])
    found = [day for day in midnights if crontab.dates(every_day, day_or, day, day, 1)]
    assert [day for day in midnights if sentences.is_day(phrase, day)] == found
    for day in found[:1]:
        moments = crontab.dates(text, day_or, day, day + timedelta(minutes=1439), 1440)
        assert [moment.hour * 60 + moment.minute for moment in moments] == times


_rule_parts = st.tuples(
    st.sampled_from(
        [
            "FREQ=DAILY",
            "FREQ=WEEKLY;BYDAY=MO,WE",
            "FREQ=WEEKLY",
            "FREQ=MONTHLY",
            "FREQ=MONTHLY;BYDAY=2TU",
            "FREQ=MONTHLY;BYDAY=-1FR,1MO",
            "FREQ=MONTHLY;BYMONTHDAY=1,-1",
            "FREQ=YEARLY",
            "FREQ=YEARLY;BYMONTH=6;BYDAY=1SU",
            "FREQ=YEARLY;BYMONTH=3,9;BYMONTHDAY=5",
            "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR",
            "FREQ=HOURLY;BYHOUR=9,10,11",
            "FREQ=MINUTELY;BYHOUR=9;BYMINUTE=0,30",
            "FREQ=YEARLY;BYDAY=2MO",
            "FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR",
            "FREQ=MONTHLY;BYDAY=MO,1FR",
            "FREQ=MONTHLY;BYMONTHDAY=-2",
            "FREQ=DAILY;INTERVAL=2",
            "FREQ=WEEKLY;BYWEEKNO=3",
        ]
    ),
    st.sampled_from(["", ";BYHOUR=9", ";BYHOUR=9,17;BYMINUTE=0,30"]),
    st.sampled_from(["", ";UNTIL=20250630", ";UNTIL=20250630T120000", ";COUNT=9"]),
).filter(lambda parts: not ("BYHOUR" in parts[0] and parts[1]))
_starts = st.sampled_from(["", "DTSTART:20240115T083000\n", "DTSTART:20240229T000000\n"])


@settings(deadline=None, max_examples=80)
@given(parts=_rule_parts, start=_starts, zone=st.sampled_from(["UTC", BERLIN]))
def test_a_rule_is_what_its_sentence_says(parts, start, zone):
    text = start + "".join(parts)
    sentence = describe(parse({"rrule": text, "timezone": zone}))
    if sentence == f"rrule {' '.join(text.split())} {zone}":
        return
    plain, _, bounds = sentence.rpartition(", from ")
    first, _, last = bounds.partition(", until ")
    low = sentences.read_moment(first, "UTC").replace(tzinfo=None)
    high = sentences.read_moment(last, "UTC", is_end=True).replace(tzinfo=None) if last else datetime(2026, 1, 1)
    phrase, times, named = sentences.read_plain(plain)
    assert named == zone
    said = [
        moment
        for day in DAYS
        if sentences.is_day(phrase, day)
        for moment in (datetime(day.year, day.month, day.day) + timedelta(minutes=time) for time in times)
        if low <= moment <= high
    ]
    # dateutil reads a day as its midnight in UNTIL, and its start is today's
    whole = text.replace("UNTIL=20250630", "UNTIL=20250630T235959") if "UNTIL=20250630T" not in text else text
    rule = rrulestr(whole, dtstart=None if start else datetime(2020, 1, 1))
    assert said == rule.between(datetime(2024, 1, 1), datetime(2025, 12, 31, 23, 59), inc=True)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"cron": "0 9 * * 1-5", "timezone": BERLIN}, "weekdays at 09:00 Europe/Berlin"),
        ({"cron": "@daily"}, "every day at 00:00 UTC"),
        ({"cron": "*/20 * * * *"}, "every 20 minutes UTC"),
        ({"cron": "@hourly"}, "every hour UTC"),
        ({"cron": "*/20 9-17 * * MON-FRI", "timezone": BERLIN}, "weekdays every 20 minutes from 09:00 to 17:40 Europe/Berlin"),
        ({"cron": "0 18 L * *"}, "the last day of the month at 18:00 UTC"),
        ({"cron": "0 9 * * FRI#3"}, "the third Friday of the month at 09:00 UTC"),
        ({"cron": "0 0 15W * FRI"}, "the weekday nearest to the 15th of the month and Fridays at 00:00 UTC"),
        ({"cron": "0 0 1,15 jan,jul *"}, "the 1st and the 15th in January and July at 00:00 UTC"),
        ({"cron": "0 0 13 * 5", "day_or": False}, "cron 0 0 13 * 5 UTC"),
        ({"cron": "1,7,8,20,33,47,59 * * * *"}, "cron 1,7,8,20,33,47,59 * * * * UTC"),
        ({"interval": 86_400, "timezone": BERLIN}, "every day at 00:00 Europe/Berlin"),
        ({"interval": 172_800, "timezone": BERLIN}, "every 2 days counted from 1 January 2020 00:00 Europe/Berlin"),
        ({"interval": 5_400}, "every 90 minutes counted from 1 January 2020 00:00 UTC"),
        ({"interval": 1.5, "anchor_date": "2024-05-01T06:07:08"}, "every 1.5 seconds counted from 1 May 2024 06:07:08 UTC"),
        ({"cron": "0 9 1 * 0-6"}, "every day at 09:00 UTC"),
        ({"cron": "0 9 1 * 0-6", "day_or": False}, "the 1st of the month at 09:00 UTC"),
        ({"rrule": "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17"}, "the last Friday of the month at 17:00 UTC, from 1 January 2020"),
        ({"rrule": "FREQ=DAILY;INTERVAL=2"}, "rrule FREQ=DAILY;INTERVAL=2 UTC"),
        ({"rrule": "FREQ=DAILY\nEXDATE:20240101"}, "rrule FREQ=DAILY EXDATE:20240101 UTC"),
    ],
)  # fmt: skip
def test_a_plain_schedule_has_a_sentence(document, sentence):
    assert describe(parse(document)) == sentence


def test_what_shapes_a_schedule_follows_in_the_sentence():
    members = {
        "schedule": {"cron": "0 9 * * 1-5", "timezone": BERLIN},
        "exclude": [{"cron": "* * 25 12 *"}, "2026-05-05", {"cron": "* * * * sun"}, {"cron": "0 9 1 * *"}, {"holidays": "DE-BE"}],
        "starts_at": "2026-01-01T08:30:00+01:00",
        "ends_at": "2026-06-30T23:59:59.999999+02:00",
        "jitter_seconds": 90,
        "gap": "skip",
        "fold": "both",
    }
    assert describe(shape(members)) == (
        "weekdays at 09:00 Europe/Berlin, skipping local times that do not exist, at both of two equal local times, "
        "not on 25 December, not on 5 May 2026, not on Sundays, not at cron 0 9 1 * *, not on holidays of DE-BE, "
        "from 1 January 2026 08:30, until 30 June 2026, starting up to 90 seconds later"
    )


def test_more_exclusions_than_can_be_read_are_counted():
    members = {"schedule": {"cron": "@daily"}, "exclude": [f"2026-01-{day:02}" for day in range(1, 10)]}
    assert describe(shape(members)).endswith("not on 6 January 2026, and 3 more exclusions")


@settings(deadline=None, max_examples=100)
@given(
    start=st.datetimes(datetime(1980, 1, 1), datetime(2060, 1, 1)).map(lambda moment: moment.replace(microsecond=0)),
    trim=st.sampled_from(["", "second", "minute"]),
    shift=st.sampled_from([timedelta(0), -timedelta(microseconds=1), timedelta(milliseconds=5)]),
    zone=strategies.zones,
)
def test_bounds_are_what_the_sentence_says(start, trim, shift, zone):
    start = start.replace(**({"minute": 0, "second": 0} if trim == "minute" else {"second": 0} if trim else {})) + shift
    bound = start.replace(tzinfo=UTC)
    sentence = describe(shape({"schedule": {"cron": "0 9 * * *", "timezone": zone}, "starts_at": bound.isoformat()}))
    assert sentences.read_moment(sentence.partition(", from ")[2], zone) == bound
    sentence = describe(shape({"schedule": {"cron": "0 9 * * *", "timezone": zone}, "ends_at": bound.isoformat()}))
    assert sentences.read_moment(sentence.partition(", until ")[2], zone, is_end=True) == bound


@settings(deadline=None, max_examples=100)
@given(days=st.tuples(*(strategies.cron_fields(index) for index in (2, 3, 4))) | _common.map(lambda text: text.split()[2:]))
def test_excluded_days_are_what_the_sentence_says(days):
    text = f"* * {' '.join(days)}"
    sentence = describe(shape({"schedule": {"cron": "@daily"}, "exclude": [{"cron": text}]})) if _matches(text) else ""
    _, found, phrase = sentence.partition(", not on ")
    if not found:
        return
    for day in DAYS[::5]:
        start = datetime.combine(day, datetime.min.time())
        assert sentences.is_day(phrase, day) == bool(crontab.dates(f"0 0 {' '.join(days)}", True, start, start, 1))


def _matches(text):
    return next(parse({"cron": text}).occurrences(datetime(1970, 1, 1), datetime(2200, 1, 1), 1), None) is not None

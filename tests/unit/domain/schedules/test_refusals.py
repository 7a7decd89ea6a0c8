"""What is refused at the door, with the field and the reason; and that nothing else than a refusal ever comes of a document."""

from contextlib import nullcontext, suppress
from datetime import datetime, timedelta
from time import thread_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.schedules import InvalidSchedule, ScheduleTooSlow, base, documents, parse, validate
from app.domain.schedules.base import MAX_STEPS, MAX_TOTAL, Steps
from tests.unit.domain.schedules import strategies

ZONE = "America/New_York"
ODD = ",".join(map(str, range(1, 60, 2)))

# (document, field, words of the reason)
REFUSED = [
    # The document as a whole.
    ({}, "", "exactly one of interval, cron, rrule; it has none"),
    (None, "", "must be an object"),
    ([], "", "must be an object"),
    ("0 0 * * *", "", "must be an object"),
    ({"cron": "0 0 * * *", "interval": 60}, "", "it has interval and cron"),
    ({"cron": "0 0 * * *", "rrule": "FREQ=DAILY"}, "", "it has cron and rrule"),
    ({"cron": "0 0 * * *", "seconds": 3}, "seconds", "is not a member of a schedule with cron"),
    ({"cron": "0 0 * * *", "anchor_date": "2020-01-01"}, "anchor_date", "allowed are cron, day_or, timezone"),
    ({"interval": 60, "day_or": True}, "day_or", "is not a member"),
    ({"rrule": "FREQ=DAILY", 7: 1}, "7", "is not a member"),
    # Intervals.
    ({"interval": 0}, "interval", "more than 0"),
    ({"interval": -1}, "interval", "more than 0"),
    ({"interval": -0.0}, "interval", "more than 0"),
    ({"interval": 1e-9}, "interval", "at least a microsecond"),
    ({"interval": 0.999}, "interval", "must be at least 1 second"),
    ({"interval": True}, "interval", "must be a number of seconds"),
    ({"interval": None}, "interval", "must be a number of seconds"),
    ({"interval": "60"}, "interval", "must be a number of seconds"),
    ({"interval": [60]}, "interval", "must be a number of seconds"),
    ({"interval": float("nan")}, "interval", "finite"),
    ({"interval": float("inf")}, "interval", "finite"),
    ({"interval": 10**400}, "interval", "a hundred years"),
    ({"interval": 1e300}, "interval", "a hundred years"),
    ({"interval": 60, "anchor_date": "2020-01-01T00:00:00+00:00", "timezone": ZONE}, "anchor_date", "not both"),
    ({"interval": 60, "anchor_date": "yesterday"}, "anchor_date", "ISO 8601"),
    ({"interval": 60, "anchor_date": ""}, "anchor_date", "ISO 8601"),
    ({"interval": 60, "anchor_date": 1577836800}, "anchor_date", "ISO 8601"),
    ({"interval": 60, "anchor_date": "1969-12-31T23:59:59+00:00"}, "anchor_date", "1970 to 2200"),
    ({"interval": 60, "anchor_date": "1970-01-01T00:00:00+01:00"}, "anchor_date", "1970 to 2200"),
    ({"interval": 60, "anchor_date": "2201-01-01"}, "anchor_date", "1970 to 2200"),
    ({"interval": 60, "anchor_date": "0001-01-01T00:00:00+14:00"}, "anchor_date", "1970 to 2200"),
    ({"interval": 60, "anchor_date": "9999-12-31T23:59:59-14:00"}, "anchor_date", "1970 to 2200"),
    # Zones.
    ({"cron": "0 0 * * *", "timezone": ""}, "timezone", "IANA name"),
    ({"cron": "0 0 * * *", "timezone": "Mars/Olympus"}, "timezone", "IANA name"),
    ({"cron": "0 0 * * *", "timezone": "america/new_york"}, "timezone", "in that spelling"),
    ({"cron": "0 0 * * *", "timezone": "localtime"}, "timezone", "IANA name"),
    ({"cron": "0 0 * * *", "timezone": "Factory"}, "timezone", "IANA name"),
    ({"cron": "0 0 * * *", "timezone": "../../etc/localtime"}, "timezone", "IANA name"),
    ({"cron": "0 0 * * *", "timezone": "/usr/share/zoneinfo/UTC"}, "timezone", "IANA name"),
    ({"cron": "0 0 * * *", "timezone": "America"}, "timezone", "IANA name"),
    ({"cron": "0 0 * * *", "timezone": "+01:00"}, "timezone", "IANA name"),
    ({"cron": "0 0 * * *", "timezone": "UTC\0"}, "timezone", "IANA name"),
    ({"cron": "0 0 * * *", "timezone": "UTC" * 1000}, "timezone", "IANA name"),
    ({"cron": "0 0 * * *", "timezone": 1}, "timezone", "IANA name"),
    ({"cron": "0 0 * * *", "timezone": ["UTC"]}, "timezone", "must be a string"),
    ({"interval": 60, "timezone": "Nowhere"}, "timezone", "IANA name"),
    ({"rrule": "FREQ=DAILY", "timezone": "Nowhere"}, "timezone", "IANA name"),
    # Cron.
    ({"cron": ""}, "cron", "not empty"),
    ({"cron": "  "}, "cron", "not empty"),
    ({"cron": None}, "cron", "must be a string"),
    ({"cron": 5}, "cron", "must be a string"),
    ({"cron": "* * * *"}, "cron", "has 4 fields; exactly five are allowed"),
    ({"cron": "* * * * * *"}, "cron", "has 6 fields"),
    ({"cron": "* * * * * * 2030"}, "cron", "has 7 fields"),
    ({"cron": "0\u00a00 * * *"}, "cron", "has 4 fields"),
    ({"cron": "H * * * *"}, "cron", "H or R in its minute field"),
    ({"cron": "0 h(2-4) * * *"}, "cron", "H or R in its hour field"),
    ({"cron": "r/15 * * * *"}, "cron", "H or R in its minute field"),
    ({"cron": "0 0 1,R * *"}, "cron", "H or R in its day of month field"),
    ({"cron": "@reboot"}, "cron", "is not an alias; give one of @hourly, @daily"),
    ({"cron": "@daily 0"}, "cron", "is not an alias"),
    ({"cron": "60 * * * *"}, "cron", "cannot be read in its minute field; allowed are 0 to 59"),
    ({"cron": "* 24 * * *"}, "cron", "cannot be read in its hour field"),
    ({"cron": "* * 0 * *"}, "cron", "cannot be read in its day of month field"),
    ({"cron": "* * * 13 *"}, "cron", "cannot be read in its month field"),
    ({"cron": "* * * * 8"}, "cron", "cannot be read in its day of week field"),
    ({"cron": "* * * * mon#6"}, "cron", "cannot be read in its day of week field"),
    ({"cron": "*/0 * * * *"}, "cron", "cannot be read in its minute field"),
    ({"cron": "-5 * * * *"}, "cron", "cannot be read in its minute field"),
    ({"cron": "a b c d e"}, "cron", "cannot be read in its minute field"),
    ({"cron": "\u0661 * * * *"}, "cron", "cannot be read in its minute field"),
    ({"cron": "0 0 30 2 *"}, "cron", "never fires"),
    ({"cron": "0 0 31 2,4,6,9,11 *"}, "cron", "never fires"),
    ({"cron": "0 0 30 2 1", "day_or": False}, "cron", "never fires"),
    ({"cron": "0 0 1 * 1#2", "day_or": False}, "cron", "never fires"),
    ({"cron": "0 0 15W * 0", "day_or": False}, "cron", "never fires"),
    ({"cron": "0 0 1,15W * *"}, "cron", "has W in a list of its day of month field; it can only stand alone"),
    ({"cron": "0 0 * * mon,5#3"}, "cron", "mixes # or L with plain weekdays"),
    ({"cron": "0 0 L-3 * *"}, "cron", "cannot be read in its day of month field"),
    ({"cron": "*-5 * * * *"}, "cron", "cannot be read in its minute field"),
    ({"cron": "*/90 * * * *"}, "cron", 'only the first. For every 90 minutes give {"interval": 5400}'),
    ({"cron": "0 1-5/25 * * *"}, "cron", 'For every 25 hours give {"interval": 90000}'),
    ({"cron": "0 0 */45 * *"}, "cron", 'For every 45 days give {"interval": 3888000}'),
    ({"cron": "0 0 1 */18 *"}, "cron", 'For every 18 months give {"rrule": "FREQ=MONTHLY;INTERVAL=18"}'),
    ({"cron": "0 0 * * */14"}, "cron", 'For every 14 days give {"interval": 1209600}'),
    ({"cron": "0 " * 200}, "cron", "at most 255 characters"),
    ({"cron": "0 0 * * *", "day_or": None}, "day_or", "true or false"),
    ({"cron": "0 0 * * *", "day_or": 1}, "day_or", "true or false"),
    # Recurrences.
    ({"rrule": ""}, "rrule", "not empty"),
    ({"rrule": ["FREQ=DAILY"]}, "rrule", "must be a string"),
    ({"rrule": "x" * 8001}, "rrule", "at most 8,000 characters"),
    ({"rrule": "every day"}, "rrule", "a part that is not one of FREQ"),
    ({"rrule": "DTSTART:20200101T000000"}, "rrule", "neither an RRULE nor an RDATE"),
    ({"rrule": "DTSTART:20200101\nDTSTART:20200101\nFREQ=DAILY"}, "rrule", "more than one DTSTART"),
    ({"rrule": "DTSTART:20200101,20200102\nFREQ=DAILY"}, "rrule", "DTSTART with more than one date"),
    ({"rrule": "DTSTART:2020-01-01\nFREQ=DAILY"}, "rrule", "DTSTART that is not a date such as"),
    ({"rrule": "DTSTART:20200230T000000\nFREQ=DAILY"}, "rrule", "DTSTART that is not a date such as"),
    ({"rrule": "DTSTART:19600101T000000\nFREQ=DAILY"}, "rrule", "DTSTART outside the years 1970 to 2200"),
    ({"rrule": "DTSTART;TZID=Nowhere:20200101T000000\nFREQ=DAILY"}, "rrule", "TZID that is not the IANA name"),
    ({"rrule": "DTSTART;TZID=W. Europe Standard Time:20200101T000000\nFREQ=DAILY"}, "rrule", "TZID that is not the IANA name"),
    ({"rrule": 'DTSTART;TZID="GMT+01:00":20200101T000000\nFREQ=DAILY'}, "rrule", "TZID that is not the IANA name"),
    ({"rrule": "DTSTART;TZID=GMT+01:00:20200101T000000\nFREQ=DAILY"}, "rrule", "TZID that is not the IANA name"),
    ({"rrule": "DTSTART;TZID=:20200101T000000\nFREQ=DAILY"}, "rrule", "TZID that is not the IANA name"),
    ({"rrule": "EXDATE;TZID=/vendor/Europe/Berlin:20200101T000000\nFREQ=DAILY"}, "rrule", "TZID that is not the IANA name"),
    ({"rrule": 'DTSTART;TZID="Europe:20200101T000000\nFREQ=DAILY'}, "rrule", "a line that is not like DTSTART;TZID=Europe/Berlin:"),
    ({"rrule": "DTSTART;TZID=UTC:20200101T000000Z\nFREQ=DAILY"}, "rrule", "both a TZID and a final Z"),
    ({"rrule": "DTSTART;X=1:20200101T000000\nFREQ=DAILY"}, "rrule", "a parameter other than"),
    ({"rrule": f"DTSTART;TZID={ZONE}:20200101T000000\nFREQ=DAILY", "timezone": "UTC"}, "timezone", f"must be that of DTSTART, {ZONE}"),
    ({"rrule": "RRULE;X=1:FREQ=DAILY"}, "rrule", "a parameter other than"),
    ({"rrule": "FREQ=DAILY\nEXRULE:FREQ=WEEKLY"}, "rrule", "EXRULE; list the dates in EXDATE"),
    ({"rrule": "FREQ=DAILY\nSUMMARY:lunch"}, "rrule", "a line that is not one of DTSTART, RRULE, RDATE, EXDATE"),
    ({"rrule": "FREQ=DAILY\nEXDATE:tomorrow"}, "rrule", "EXDATE that is not a date"),
    ({"rrule": "RDATE;VALUE=PERIOD:20200101T000000Z/PT1H"}, "rrule", "RDATE that is not a DATE or a DATE-TIME"),
    ({"rrule": "FREQ=SECONDLY"}, "rrule", "FREQ is not one of YEARLY, MONTHLY"),
    ({"rrule": "INTERVAL=2"}, "rrule", "FREQ is not one of"),
    ({"rrule": "FREQ=YEARLY;BYEASTER=0"}, "rrule", "a part that is not one of"),
    ({"rrule": "FREQ=DAILY;INTERVAL=0"}, "rrule", "INTERVAL is not a whole number from 1"),
    ({"rrule": "FREQ=DAILY;INTERVAL=-1"}, "rrule", "INTERVAL is not a whole number from 1"),
    ({"rrule": "FREQ=DAILY;INTERVAL=1.5"}, "rrule", "INTERVAL is not a whole number from 1"),
    ({"rrule": "FREQ=DAILY;INTERVAL=" + "9" * 5000}, "rrule", "INTERVAL is not a whole number from 1"),
    ({"rrule": "FREQ=DAILY;COUNT=0"}, "rrule", "COUNT is not a whole number from 1"),
    ({"rrule": "FREQ=DAILY;COUNT=50001"}, "rrule", "COUNT of more than 50,000; give an UNTIL"),
    ({"rrule": "FREQ=DAILY;COUNT=30000\nRRULE:FREQ=DAILY;COUNT=30000"}, "rrule", "COUNT of more than 50,000"),
    ({"rrule": "FREQ=DAILY;COUNT=3;UNTIL=20300101"}, "rrule", "both COUNT and UNTIL"),
    ({"rrule": "FREQ=DAILY;UNTIL=soon"}, "rrule", "UNTIL that is not a date"),
    ({"rrule": "FREQ=DAILY;FREQ=WEEKLY"}, "rrule", "more than one FREQ"),
    ({"rrule": "FREQ=DAILY;BYHOUR=24"}, "rrule", "BYHOUR is not a list of numbers from 0 to 23"),
    ({"rrule": "FREQ=DAILY;BYSECOND=60"}, "rrule", "BYSECOND is not a list of numbers from 0 to 59"),
    ({"rrule": "FREQ=MONTHLY;BYMONTHDAY=0"}, "rrule", "BYMONTHDAY is not a list of numbers from 1 to 31, or the same from -1"),
    ({"rrule": "FREQ=MONTHLY;BYMONTHDAY=-32"}, "rrule", "BYMONTHDAY is not a list"),
    ({"rrule": "FREQ=MONTHLY;BYMONTHDAY=1,,2"}, "rrule", "BYMONTHDAY is not a list"),
    ({"rrule": "FREQ=MONTHLY;BYSETPOS=367;BYDAY=MO"}, "rrule", "BYSETPOS is not a list"),
    ({"rrule": "FREQ=WEEKLY;BYDAY=MONDAY"}, "rrule", "BYDAY is not a list of weekdays"),
    ({"rrule": "FREQ=MONTHLY;BYDAY=0MO"}, "rrule", "BYDAY is not a list of weekdays"),
    ({"rrule": "FREQ=WEEKLY;BYDAY=2MO"}, "rrule", "a numbered BYDAY such as 2MO, which only MONTHLY and YEARLY"),
    ({"rrule": "FREQ=YEARLY;BYDAY=2MO;BYWEEKNO=3"}, "rrule", "a numbered BYDAY"),
    ({"rrule": "FREQ=WEEKLY;WKST=8"}, "rrule", "WKST is not one of MO"),
    ({"rrule": "\n".join(["FREQ=DAILY"] * 21)}, "rrule", "more than 20 rules"),
    ({"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "rrule", "never fires in the years 1970 to 2200"),
    ({"rrule": "FREQ=DAILY;BYSETPOS=2"}, "rrule", "never fires"),
    ({"rrule": "FREQ=DAILY;UNTIL=20191231"}, "rrule", "never fires"),
    ({"rrule": "FREQ=DAILY;COUNT=1\nEXDATE:20200101T000000"}, "rrule", "never fires"),
    ({"rrule": f"FREQ=MINUTELY;INTERVAL=2;BYMINUTE={ODD}"}, "rrule", f"more than {MAX_STEPS:,} candidates"),
    ({"rrule": "FREQ=HOURLY;BYMINUTE=1;BYSETPOS=2"}, "rrule", "never fires"),
    ({"rrule": "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6"}, "rrule", "never fires"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("document", "field", "reason"), REFUSED, ids=[str(row[0])[:60].encode("unicode_escape").decode() for row in REFUSED]
)
def test_a_schedule_is_refused_with_the_field_and_the_reason(document, field, reason):
    with pytest.raises(InvalidSchedule) as refused:
        validate(document)
    assert refused.value.field == field
    assert reason in refused.value.reason


def test_a_rule_that_was_let_in_and_then_costs_too_much_is_stopped_with_an_error_of_its_own():
    document = {"rrule": "FREQ=MINUTELY;INTERVAL=999999999\nRRULE:FREQ=MINUTELY;INTERVAL=999999998"}
    schedule = validate(document)
    with pytest.raises(ScheduleTooSlow):
        list(schedule.occurrences(datetime(2021, 1, 1), datetime(2200, 1, 1), 1))
    with pytest.raises(ScheduleTooSlow):
        validate(document, after=datetime(2021, 1, 1))


def test_a_schedule_whose_dates_are_all_past_is_let_in():
    validate({"rrule": "FREQ=DAILY;UNTIL=20200301T000000"}, after=datetime(2021, 1, 1))


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ("FREQ=DAILY;COUNT=10", True),
        ("FREQ=DAILY;COUNT=10\nFREQ=DAILY;COUNT=20", True),
        ("FREQ=DAILY;COUNT=10\nRDATE:20200601", True),
        ("FREQ=DAILY;COUNT=10\nRDATE:20300601", False),
        ("FREQ=DAILY;COUNT=10\nFREQ=DAILY", False),
        ("FREQ=DAILY;COUNT=1000", False),
        ("DTSTART:20200101T000000\nFREQ=DAILY;COUNT=10", False),
        ("FREQ=DAILY;UNTIL=20200110", False),
    ],
)
def test_a_count_that_ran_out_before_it_was_written_is_refused(text, is_refused):
    with pytest.raises(InvalidSchedule, match="a COUNT and no DTSTART, so it counts from 2020-01-01 on") if is_refused else nullcontext():
        validate({"rrule": text}, after=datetime(2021, 1, 1))
    validate({"rrule": text})


def test_the_shortest_interval_is_an_argument_and_does_not_bind_what_is_stored():
    assert validate({"interval": 1}).step == timedelta(seconds=1)
    assert validate({"interval": 0.25}, min_interval_seconds=0.25).step == timedelta(seconds=0.25)
    with pytest.raises(InvalidSchedule, match="interval: must be at least 300 seconds"):
        validate({"interval": 299}, min_interval_seconds=300)
    assert parse({"interval": 0.25}).step == timedelta(seconds=0.25)


def test_the_work_for_a_date_is_bounded_and_not_that_for_all_that_a_window_holds():
    hourly = parse({"rrule": "DTSTART:20000101T000000Z\nRRULE:FREQ=HOURLY;BYHOUR=9"})
    start, end = datetime(2000, 1, 1), datetime(2014, 1, 1)
    assert len(list(hourly.occurrences(start, end, 10_000))) == (end - start).days
    copies = parse({"rrule": "\n".join(["FREQ=MINUTELY"] * 20)})
    assert len(list(copies.occurrences(start.replace(year=2024), end.replace(year=2100), 10_000))) == 10_000


def test_an_hourly_rule_with_few_hours_looks_at_no_others():
    steps = Steps("rrule")
    (rule,) = parse({"rrule": "FREQ=HOURLY;BYHOUR=9"}).recurrence.rules
    assert len(list(rule.walk(datetime(2020, 1, 1), datetime(2020, 12, 31), steps))) == 365
    # each day, and each hour that may be
    assert MAX_STEPS - steps.left == 366 + 366


def test_the_work_for_all_dates_of_a_window_is_bounded_too():
    rules = "\n".join(f"FREQ=DAILY;INTERVAL={interval}" for interval in range(5_000, 5_020))
    dates = parse({"rrule": rules}).occurrences(datetime(2024, 1, 1), datetime(2200, 1, 1), 10_000)
    before = thread_time()
    with pytest.raises(ScheduleTooSlow, match=f"more than {MAX_TOTAL:,} candidates"):
        list(dates)
    # some ten times what it takes
    assert thread_time() - before < 5


# (what it says, text, how many dates of it are in the hundred days from 20 November 2026 on)
PLANNED = [
    ("rules with a date and no other for long", "DTSTART:20261201T000000Z\nFREQ=DAILY;INTERVAL=70000\nFREQ=DAILY;INTERVAL=80000", 1),
    ("an hourly rule that counts its dates", "DTSTART:20200101T000000Z\nFREQ=HOURLY;BYHOUR=0;COUNT=3995", 100),
    ("a long count of a rule that looks at more than it takes", "DTSTART:20200101T000000Z\nFREQ=HOURLY;BYHOUR=0;COUNT=50000", 100),
]  # fmt: skip


@pytest.mark.parametrize(("text", "number"), [row[1:] for row in PLANNED], ids=[row[0] for row in PLANNED])
def test_a_rule_that_is_let_in_has_its_dates_of_the_next_hundred_days(text, number):
    start = datetime(2026, 11, 20)
    schedule = validate({"rrule": text}, after=start)
    assert len(list(schedule.occurrences(start, start + timedelta(days=100), 100))) == number


def test_a_rule_that_finds_its_next_date_and_not_those_that_follow_is_refused(monkeypatch):
    document, start = {"rrule": "\n".join(["FREQ=DAILY"] * 20)}, datetime(2021, 1, 1)
    validate(document, after=start)
    monkeypatch.setattr(base, "MAX_TOTAL", 50)
    assert len(list(parse(document).occurrences(start, start + timedelta(days=100), 1))) == 1
    documents._known_small.cache_clear()
    with pytest.raises(ScheduleTooSlow):
        validate(document, after=start)


def refused_or_read(document):
    """The schedule, or None for a refusal; any other error comes through."""
    with suppress(InvalidSchedule):
        return validate(document)


JUNK = st.text(max_size=40) | st.text("0123456789*/-,#LWHR@? ;:=\n", max_size=40)
VALUES = (
    JUNK
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(JUNK, JUNK, max_size=2)
)


@settings(deadline=None, max_examples=150)
@given(document=st.dictionaries(st.sampled_from(["cron", "interval", "rrule", "timezone", "anchor_date", "day_or"]), VALUES, max_size=3))
def test_junk_is_refused_or_read_and_nothing_else_happens(document):
    try:
        schedule = validate(document)
    except InvalidSchedule as refused:
        assert refused.reason  # noqa: PT017 - to be read is as good
    else:
        assert parse(schedule.to_document()) == schedule


@settings(deadline=None, max_examples=100)
@given(data=st.data(), document=strategies.cron_documents() | strategies.rrule_documents())
def test_a_schedule_with_a_character_too_many_is_refused_or_read_and_nothing_else_happens(data, document):
    kind = "cron" if "cron" in document else "rrule"
    place = data.draw(st.integers(0, len(document[kind])))
    text = (
        document[kind][:place]
        + data.draw(st.sampled_from(list("0-9*/,#LW@?;:=\n \0Z\u0663")))
        + document[kind][place + data.draw(st.integers(0, 2)) :]
    )
    try:
        validate({**document, kind: text})
    except InvalidSchedule as refused:
        assert refused.reason  # noqa: PT017 - to be read is as good

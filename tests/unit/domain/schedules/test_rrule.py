"""Recurrence rules: agreement with dateutil, and where RFC 5545 or the contract says more than it."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.domain.schedules import ScheduleTooSlow, parse
from app.domain.schedules.base import Steps
from tests.unit.domain.schedules import strategies

FAR = datetime(2200, 1, 1, tzinfo=UTC)


def dates(text, start="2020-01-01", number=100, end=FAR, timezone="UTC"):
    start = datetime.fromisoformat(start).replace(tzinfo=UTC)
    found = parse({"rrule": text, "timezone": timezone}).occurrences(start, end, number)
    return [f"{date:%Y-%m-%d %H:%M:%S}".removesuffix(":00").removesuffix(" 00:00") for date in found]


def by_dateutil(text, number, until):
    """dateutil's first dates. It must have some: it searches for ever where there is none."""
    found = []
    for moment in islice(rrulestr(text), number):
        if moment >= until:
            break
        found.append(moment)
    return found


@settings(deadline=None, max_examples=500)
@given(rule=strategies.rules(), start=st.datetimes(datetime(2010, 1, 1), datetime(2024, 1, 1)))
def test_dates_are_those_of_dateutil(rule, start):
    start = start.replace(second=0, microsecond=0)
    if "WEEKLY" in rule and "BYSETPOS" in rule:
        # A week begins on its first day for RFC 5545, and with DTSTART for dateutil: here they are the same.
        first = strategies.WEEKDAYS.index(rule.partition("WKST=")[2][:2] or "MO")
        start -= timedelta(days=(start.weekday() - first) % 7)
    text = f"DTSTART:{start:%Y%m%dT%H%M%S}\nRRULE:{rule}"
    # no date of a rule falls on it, so that both sides mean the same end
    until = datetime(2045, 1, 1, 0, 0, 30)
    try:
        found = list(parse({"rrule": text}).occurrences(start, until.replace(tzinfo=UTC), 20))
    except ScheduleTooSlow:
        assume(False)
    assume(len(found) > 1)
    assert [moment.replace(tzinfo=None) for moment in found] == by_dateutil(text, len(found), until)


@settings(deadline=None, max_examples=60)
@given(rule=strategies.rules(frequencies=("YEARLY", "MONTHLY", "WEEKLY", "DAILY"), without=("BYWEEKNO", "COUNT")))
def test_a_rule_that_ends_has_all_its_dates_and_no_others(rule):
    text = f"DTSTART:20200106T093000\nRRULE:{rule};UNTIL=20230101T000000"
    assume(not ("WEEKLY" in rule and "BYSETPOS" in rule and "WKST" in rule))
    found = list(parse({"rrule": text}).occurrences(datetime(2020, 1, 1), FAR, 10**6))
    with pytest.MonkeyPatch.context() as patch:
        # dateutil looks for a date after UNTIL until the last year of the calendar; ten more years will do.
        patch.setattr("datetime.MAXYEAR", 2033)
        wanted = list(rrulestr(text))
    assert [moment.replace(tzinfo=None) for moment in found] == wanted


@pytest.mark.parametrize("week", [1, 2, 26, 52, 53, -1, -2, -52, -53])
def test_weeks_are_those_of_iso_8601(week):
    found = parse({"rrule": f"FREQ=DAILY;BYWEEKNO={week}"}).occurrences(datetime(2020, 1, 1), datetime(2059, 12, 31), 10**4)
    days = (date(2020, 1, 1) + timedelta(days=n) for n in range((date(2060, 1, 1) - date(2020, 1, 1)).days))
    wanted = []
    for day in days:
        year, number, _ = day.isocalendar()
        last = date(year, 12, 28).isocalendar().week
        if number == (week if week > 0 else last + 1 + week):
            wanted.append(day)
    assert [moment.date() for moment in found] == wanted


# (what it says, text, the first dates from 2020 on)
EXAMPLES = [
    ("the last Friday of the month", "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9", ["2020-01-31 09:00", "2020-02-28 09:00", "2020-03-27 09:00"]),
    ("the last weekday of the month", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", ["2020-01-31", "2020-02-28", "2020-03-31"]),
    ("Mondays, and the first Friday", "FREQ=MONTHLY;BYDAY=MO,1FR", ["2020-01-03", "2020-01-06", "2020-01-13", "2020-01-20", "2020-01-27"]),
    ("every other week from its own week on", "DTSTART:20200108T000000\nFREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU", ["2020-01-12", "2020-01-20"]),
    ("the week begins on Sunday", "DTSTART:20200108T000000\nFREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU", ["2020-01-19", "2020-01-20"]),
    ("a week counts from its first day", "DTSTART:20200108T000000\nFREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=2", ["2020-01-08", "2020-01-15"]),
    ("without DTSTART the phase is 2020-01-01", "FREQ=DAILY;INTERVAL=10", ["2020-01-01", "2020-01-11", "2020-01-21"]),
    ("COUNT counts from DTSTART", "DTSTART:20191230T000000\nFREQ=DAILY;COUNT=4", ["2020-01-01", "2020-01-02"]),
    ("UNTIL is included", "FREQ=DAILY;UNTIL=20200103T000000", ["2020-01-01", "2020-01-02", "2020-01-03"]),
    ("a date as UNTIL is its whole day", "FREQ=DAILY;BYHOUR=9;UNTIL=20200102", ["2020-01-01 09:00", "2020-01-02 09:00"]),
    ("a date as EXDATE is its whole day", "FREQ=DAILY;BYHOUR=9;COUNT=2\nEXDATE;VALUE=DATE:20200102", ["2020-01-01 09:00"]),
    ("UNTIL may lie at the end of time", "FREQ=YEARLY;UNTIL=99991231T235959Z", ["2020-01-01", "2021-01-01"]),
    ("and a day may", "FREQ=YEARLY;UNTIL=99991231", ["2020-01-01", "2021-01-01"]),
    ("DTSTART counts only where the rule matches it", "DTSTART:20200101T000000\nFREQ=WEEKLY;BYDAY=FR", ["2020-01-03", "2020-01-10"]),
    ("several rules", "FREQ=DAILY;COUNT=2\nRRULE:FREQ=MONTHLY;BYMONTHDAY=5;COUNT=1", ["2020-01-01", "2020-01-02", "2020-01-05"]),
    ("one date of two rules is one", "FREQ=DAILY;COUNT=2\nRRULE:FREQ=DAILY;COUNT=3", ["2020-01-01", "2020-01-02", "2020-01-03"]),
    ("single dates join", "FREQ=DAILY;COUNT=2\nRDATE:20200101T120000,20200102", ["2020-01-01", "2020-01-01 12:00", "2020-01-02"]),
    ("single dates alone", "RDATE;VALUE=DATE:20200105,20200103", ["2020-01-03", "2020-01-05"]),
    ("excluded dates go", "FREQ=DAILY;COUNT=4\nEXDATE:20200102T000000\nEXDATE:20200103T000000Z", ["2020-01-01", "2020-01-04"]),
    ("an excluded date does not make COUNT longer", "FREQ=DAILY;COUNT=2\nEXDATE:20200101T000000", ["2020-01-02"]),
    ("twice a minute", "FREQ=MINUTELY;BYSECOND=0,30;COUNT=3", ["2020-01-01", "2020-01-01 00:00:30", "2020-01-01 00:01"]),
    ("the 29th of February", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", ["2020-02-29", "2024-02-29", "2028-02-29"]),
    ("the 31st, where there is one", "FREQ=MONTHLY;BYMONTHDAY=31", ["2020-01-31", "2020-03-31", "2020-05-31"]),
    ("lower case, white space and a folded line", "  dtstart:20200102T000000\r\n  rrule:freq=dai\r\n ly;count=1\n", ["2020-01-02"]),
    ("a fold before FREQ", "RRULE:\r\n FREQ=DAILY;COUNT=1", ["2020-01-01"]),
    ("a fold after a part", "RRULE:COUNT=1;\r\n\tFREQ=DAILY", ["2020-01-01"]),
    ("a fold inside a name", "DTST\r\n ART:20200102T000000\r\nRRU\r\n LE:FREQ=DAILY;COUNT=1", ["2020-01-02"]),
    ("folds inside a parameter and a date", "DTSTART;TZID=\r\n UTC:2020\r\n 0102T000000\r\nRRULE:FREQ=DAILY;COUNT=1", ["2020-01-02"]),
    ("lines that are indented", "\n    DTSTART:20200102T000000\n    EXDATE:20200103\n    FREQ=DAILY;COUNT=2", ["2020-01-02"]),
    ("two lines in one", "DTSTART:20200102T000000 RRULE:FREQ=DAILY;COUNT=1;", ["2020-01-02"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "first"), [example[1:] for example in EXAMPLES], ids=[example[0] for example in EXAMPLES])
def test_a_rule_says_what_rfc_5545_says(text, first):
    if "COUNT" in text or "UNTIL=2020" in text or text.startswith("RDATE"):
        assert dates(text) == first
    else:
        assert dates(text, number=len(first)) == first


@settings(deadline=None, max_examples=100)
@given(data=st.data(), rule=strategies.rules())
def test_a_text_folded_anywhere_is_the_text(data, rule):
    lines = ["DTSTART;TZID=Europe/Berlin:20200106T093000", f"RRULE:{rule}", "EXDATE:20200107T093000,20200108"]
    folded = []
    for line in lines:
        places = sorted(data.draw(st.sets(st.integers(1, len(line) - 1), max_size=3)))
        folded.append("\r\n ".join(line[low:high] for low, high in pairwise([0, *places, len(line)])))
    assert parse({"rrule": "\r\n".join(folded)}).recurrence == parse({"rrule": "\r\n".join(lines)}).recurrence


BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("said", "first"),
    [
        ({"rrule": f"DTSTART;TZID={BERLIN}:20200701T090000\nRRULE:FREQ=DAILY"}, "2020-07-01 07:00"),
        ({"rrule": f'DTSTART;TZID="{BERLIN}":20200701T090000\nRRULE:FREQ=DAILY', "timezone": BERLIN}, "2020-07-01 07:00"),
        ({"rrule": "DTSTART:20200701T090000\nRRULE:FREQ=DAILY", "timezone": BERLIN}, "2020-07-01 07:00"),
        ({"rrule": "DTSTART:20200701T070000Z\nRRULE:FREQ=DAILY", "timezone": BERLIN}, "2020-07-01 07:00"),
        ({"rrule": f"RRULE:FREQ=DAILY\nRDATE;TZID={BERLIN}:20200101T000000\nEXDATE:20200101T000000"}, "2019-12-31 23:00"),
    ],
)
def test_a_zone_may_be_named_by_dtstart_or_by_the_document(said, first):
    schedule = parse(said)
    found = next(schedule.occurrences(datetime(2019, 1, 1), datetime(2100, 1, 1), 1))
    assert f"{found:%Y-%m-%d %H:%M}" == first
    assert schedule.to_document() == {"rrule": said["rrule"], "timezone": BERLIN if "RDATE" not in said["rrule"] else "UTC"}


def test_a_start_in_utc_keeps_its_local_time_over_a_shift_of_the_clocks():
    schedule = parse({"rrule": "DTSTART:20200701T070000Z\nRRULE:FREQ=MONTHLY;BYMONTHDAY=1", "timezone": BERLIN})
    found = list(schedule.occurrences(datetime(2020, 10, 1), datetime(2020, 11, 2), 9))
    assert [f"{date:%m-%d %H:%M}" for date in found] == ["10-01 07:00", "11-01 08:00"]


def test_until_in_utc_is_an_instant_even_in_the_hour_that_occurs_twice():
    # 01:45 comes first at 05:45 UTC. The until is 01:30 on the clock again, an hour later.
    rule = "FREQ=DAILY;BYHOUR=1;BYMINUTE=45;UNTIL={}"
    assert dates(rule.format("20241103T063000Z"), "2024-11-03", timezone="America/New_York") == ["2024-11-03 05:45"]
    assert dates(rule.format("20241103T054459Z"), "2024-11-03", timezone="America/New_York") == []
    assert dates(rule.format("20241103T013000"), "2024-11-03", timezone="America/New_York") == []


def test_an_excluded_date_takes_the_instant_away_whichever_local_time_it_came_from():
    rule = "FREQ=DAILY;BYHOUR=2;BYMINUTE=30\nEXDATE:20240310T033000"
    assert dates(rule, "2024-03-10", 2, timezone="America/New_York") == ["2024-03-11 06:30", "2024-03-12 06:30"]


@pytest.mark.parametrize(
    ("line", "left"),
    [
        # Of 11:00 and 23:00 UTC on the 1st and on the 2nd, two are on the 2nd in Auckland, and two on the 3rd.
        ("EXDATE:20200102", ["02 11:00", "02 23:00"]),
        ("EXDATE;TZID=UTC:20200102", ["01 11:00", "01 23:00"]),
        ("EXDATE;VALUE=DATE:20200101,20200103", ["01 11:00", "01 23:00"]),
        ("EXDATE:20200102,20200103T120000", ["02 11:00"]),
    ],
)
def test_an_excluded_day_is_a_day_of_its_zone(line, left):
    document = {"rrule": f"DTSTART:20200102T000000\nRRULE:FREQ=HOURLY;INTERVAL=12;COUNT=4\n{line}", "timezone": "Pacific/Auckland"}
    found = parse(document).occurrences(datetime(2020, 1, 1), FAR, 9)
    assert [f"{date:%d %H:%M}" for date in found] == left


@pytest.mark.parametrize(
    "rule",
    ["FREQ=DAILY", "FREQ=DAILY;COUNT=20000", "FREQ=MINUTELY;INTERVAL=7", "FREQ=HOURLY;BYHOUR=9", "FREQ=WEEKLY;BYDAY=MO,FR;BYSETPOS=-1"],
)
def test_a_rule_costs_as_much_in_its_tenth_year_as_on_its_first_day(rule):
    schedule = parse({"rrule": f"DTSTART:20200101T000000\nRRULE:{rule}"})

    def spent(year):
        steps = Steps("rrule")
        before = steps.left
        found = list(islice(schedule._union(datetime(year, 1, 1), datetime(2100, 1, 1), steps), 100))
        assert len(found) == 100
        return before - steps.left

    assert spent(2030) <= spent(2020) * 1.1 + 10

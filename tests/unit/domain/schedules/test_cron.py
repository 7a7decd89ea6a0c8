"""Cron: agreement with croniter on naive time, and what is particular to its dates."""

from datetime import UTC, datetime, timedelta

import pytest
from croniter import CroniterBadDateError, CroniterError, croniter
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from app.domain.schedules import InvalidSchedule, parse, validate
from tests.unit.domain.schedules import strategies

FAR = datetime(2200, 1, 1, tzinfo=UTC)


def dates(text, start, number, **more):
    found = parse({"cron": text, **more}).occurrences(start.replace(tzinfo=UTC), FAR, number)
    return [date.replace(tzinfo=None) for date in found]


@settings(deadline=None, max_examples=500)
@given(text=strategies.cron_texts, day_or=st.booleans(), start=st.datetimes(datetime(1980, 1, 1), datetime(2090, 1, 1)))
@example(text="0 0 31 2 0", day_or=True, start=datetime(2024, 1, 1))
@example(text="0 0 29 2 *", day_or=True, start=datetime(2096, 3, 1))
@example(text="0 0 29 2 1", day_or=False, start=datetime(2024, 3, 1))
@example(text="0 0 1-31 * 1", day_or=True, start=datetime(2024, 3, 1))
@example(text="0 0 */2 * 1", day_or=True, start=datetime(2024, 3, 1))
@example(text="0 0 *,5 * 1", day_or=True, start=datetime(2024, 3, 1))
@example(text="0 0 15w * 1", day_or=True, start=datetime(2024, 3, 1))
@example(text="0 0 1 * 5#3", day_or=True, start=datetime(2024, 3, 1))
@example(text="0 0 31 2 5#3", day_or=True, start=datetime(2024, 3, 1))
@example(text="0 0 13 * 5#2", day_or=False, start=datetime(2024, 3, 1))
@example(text="0 0 L * L5", day_or=True, start=datetime(2024, 3, 1))
def test_dates_are_those_of_croniter(text, day_or, start):
    document = {"cron": text, "day_or": day_or}
    try:
        other = croniter(text, start, day_or=day_or)
        wanted = [other.get_next(datetime) for _ in range(8)]
    except CroniterError as error:
        # Beyond its fifty years, croniter gives up on a date; only an expression without any is refused here.
        assume(not isinstance(error, CroniterBadDateError) or start.year < 2030)
        with pytest.raises(InvalidSchedule) as refused:
            validate(document)
        assert refused.value.field == "cron"
        return
    validate(document)
    assert dates(text, start.replace(second=0, microsecond=0) + timedelta(minutes=1), 8, day_or=day_or) == [
        day for day in wanted if day.year < 2200
    ]


# What croniter makes of the forms that its versions have read in different ways: (minute field, minutes).
STEPS = [
    ("59/15", [59]),
    ("45/15", [45]),
    ("0/15", [0, 15, 30, 45]),
    ("7/15", [7, 22, 37, 52]),
    ("*/15", [0, 15, 30, 45]),
    ("*/40", [0, 40]),
    ("*/59", [0, 59]),
    ("*/60", [0]),
    ("50-51/15", [50]),
    ("10-50/15", [10, 25, 40]),
    ("55-5/5", [55, 0, 5]),
    ("5-5", list(range(60))),
    ("5-5/20", [0, 20, 40]),
]


@pytest.mark.parametrize(("field", "minutes"), STEPS, ids=[field for field, _ in STEPS])
def test_odd_steps_keep_the_meaning_that_they_had(field, minutes):
    found = parse({"cron": f"{field} * * * *"}).occurrences(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 0, 59, tzinfo=UTC), 60)
    assert sorted(date.minute for date in found) == sorted(minutes)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("@hourly", ["2024-02-01 01:00", "2024-02-01 02:00"]),
        ("@daily", ["2024-02-02 00:00", "2024-02-03 00:00"]),
        ("@midnight", ["2024-02-02 00:00", "2024-02-03 00:00"]),
        ("@weekly", ["2024-02-04 00:00", "2024-02-11 00:00"]),
        ("@monthly", ["2024-03-01 00:00", "2024-04-01 00:00"]),
        ("@yearly", ["2025-01-01 00:00", "2026-01-01 00:00"]),
        ("@ANNUALLY ", ["2025-01-01 00:00", "2026-01-01 00:00"]),
        ("0 0 29 2 *", ["2024-02-29 00:00", "2028-02-29 00:00"]),
        ("0 0 31 2 0", ["2024-02-04 00:00", "2024-02-11 00:00"]),
        ("0 9 * * 1-5", ["2024-02-01 09:00", "2024-02-02 09:00", "2024-02-05 09:00"]),
        ("0 9 L * *", ["2024-02-29 09:00", "2024-03-31 09:00"]),
        ("0 9 * * L5", ["2024-02-23 09:00", "2024-03-29 09:00"]),
        ("0 9 * * fri#3", ["2024-02-16 09:00", "2024-03-15 09:00"]),
        ("0 9 15W * *", ["2024-02-15 09:00", "2024-03-15 09:00", "2024-04-15 09:00", "2024-05-15 09:00", "2024-06-14 09:00"]),
        ("0 0 1 * 7", ["2024-02-04 00:00", "2024-02-11 00:00", "2024-02-18 00:00", "2024-02-25 00:00", "2024-03-01 00:00"]),
        ("0 0\t1  JAN,mar ?", ["2024-03-01 00:00", "2025-01-01 00:00"]),
    ],
)
def test_an_expression_fires_when_its_words_say(text, first):
    assert [f"{date:%Y-%m-%d %H:%M}" for date in dates(text, datetime(2024, 2, 1, 0, 1), len(first))] == first


def test_day_or_decides_whether_day_of_month_and_day_of_week_are_alternatives():
    start = datetime(2024, 9, 1)
    assert dates("0 0 13 * 5", start, 3) == [datetime(2024, 9, 6), datetime(2024, 9, 13), datetime(2024, 9, 20)]
    assert dates("0 0 13 * 5", start, 2, day_or=False) == [datetime(2024, 9, 13), datetime(2024, 12, 13)]


def test_a_hundred_dates_of_the_rarest_expression_end_with_the_years_there_are():
    found = dates("0 0 29 2 *", datetime(1970, 1, 1), 100)
    assert len(found) == 56
    assert found[-1] == datetime(2196, 2, 29)

"""Cron: agreement with a reader written from crontab(5), with croniter on naive time, and what is particular to its dates."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from croniter import croniter
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from app.domain.schedules import parse
from app.domain.schedules.cron_text import FIELDS, normalise
from tests.unit.domain.schedules import crontab, strategies

FAR = datetime(2200, 1, 1, tzinfo=UTC)


def dates(text, start, number, **more):
    found = parse({"cron": text, **more}).occurrences(start.replace(tzinfo=UTC), FAR, number)
    return [date.replace(tzinfo=None) for date in found]


starts = st.datetimes(datetime(1980, 1, 1), datetime(2090, 1, 1)).map(lambda start: start.replace(second=0, microsecond=0))


# MINTAKA_TEST_CRON_EXPRESSIONS=10000 takes about a minute
@settings(deadline=None, max_examples=int(os.environ.get("MINTAKA_TEST_CRON_EXPRESSIONS", "300")))
@given(text=strategies.cron_texts, day_or=st.booleans(), start=starts)
@example(text="0 0 31 2 0", day_or=True, start=datetime(2024, 1, 1))
@example(text="0 0 29 2 *", day_or=True, start=datetime(2095, 3, 1))
@example(text="0 0 1-31 * 1", day_or=True, start=datetime(2024, 3, 1))
@example(text="0 0 */2 * 1", day_or=True, start=datetime(2024, 3, 1))
@example(text="0 0 *,5 * 1", day_or=True, start=datetime(2024, 3, 1))
@example(text="0 0 15w * 1", day_or=True, start=datetime(2024, 3, 1))
@example(text="0 0 1 * 5#3", day_or=True, start=datetime(2024, 3, 1))
@example(text="0 0 31 2 5#3", day_or=True, start=datetime(2024, 3, 1))
@example(text="0 0 13 * 5#2", day_or=False, start=datetime(2024, 3, 1))
@example(text="0 0 L * L5", day_or=True, start=datetime(2024, 3, 1))
@example(text="0 0 1 * sun-7", day_or=False, start=datetime(2024, 3, 1))
@example(text="0 0 1 * 7-7", day_or=False, start=datetime(2024, 3, 1))
def test_an_expression_means_what_crontab_5_says(text, day_or, start):
    end = start + timedelta(days=1500)
    schedule = parse({"cron": text, "day_or": day_or})
    found = [date.replace(tzinfo=None) for date in schedule.occurrences(start, end, 8)]
    assert found == crontab.dates(text, day_or, start, end, 8)


@settings(deadline=None, max_examples=200)
@given(text=strategies.cron_texts, day_or=st.booleans(), start=starts)
def test_what_croniter_is_given_means_the_same_to_it(text, day_or, start):
    plain = normalise(text)
    # croniter joins two day fields that are not free in its own way where one of them has W, # or L
    assume("*" in (plain[2], plain[4]) or not set("".join(plain)) & set("lw#"))
    found = dates(text, start, 8, day_or=day_or)
    assume(found and found[-1].year < start.year + 40)
    other = croniter(" ".join(plain), start - timedelta(minutes=1), day_or=day_or)
    assert found == [other.get_next(datetime) for _ in range(8)]


# What croniter's versions have read in different ways, in the order in which crontab(5) counts: (index of the field, text, values).
READINGS = [
    (0, "59/15", [59]),
    (0, "45/15", [45]),
    (0, "0/15", [0, 15, 30, 45]),
    (0, "7/15", [7, 22, 37, 52]),
    (0, "*/15", [0, 15, 30, 45]),
    (0, "*/40", [0, 40]),
    (0, "*/59", [0, 59]),
    (0, "*/60", [0]),
    (0, "50-51/15", [50]),
    (0, "10-50/15", [10, 25, 40]),
    (0, "55-5/5", [55, 0, 5]),
    (0, "55-5/4", [55, 59, 3]),
    (0, "5-5", [5]),
    (0, "5-5/20", [5]),
    (1, "22-4/3", [22, 1, 4]),
    (1, "23-23/24", [23]),
    (2, "31-31", [31]),
    (2, "30-2", [30, 31, 1, 2]),
    (2, "28-3/2", [28, 30, 1, 3]),
    (3, "jan-jan", [1]),
    (3, "6-6/2", [6]),
    (3, "oct-mar/2", [10, 12, 2]),
    (4, "sun-sun", [0]),
    (4, "fri-fri/2", [5]),
    (4, "7-7", [0]),
    (4, "0-7", [0, 1, 2, 3, 4, 5, 6]),
    (4, "5-7", [5, 6, 0]),
    (4, "fri-mon/2", [5, 0]),
    (4, "1-7/2", [1, 3, 5, 0]),
    (4, "7-2", [0, 1, 2]),
]


@pytest.mark.parametrize(("index", "text", "values"), READINGS, ids=[f"{FIELDS[index].name} {text}" for index, text, _ in READINGS])
def test_ranges_are_inclusive_and_steps_count_from_the_start_of_their_range(index, text, values):
    parts = ["*"] * 5
    parts[index] = text
    assert normalise(" ".join(parts))[index] == ",".join(map(str, values))


@pytest.mark.parametrize(
    ("text", "day_or", "days"),
    [
        # April 2024 begins on a Monday; the 15th is a Monday, too.
        ("0 0 15W * FRI", True, [5, 12, 15, 19, 26]),
        ("0 0 14W * FRI", True, [5, 12, 15, 19, 26]),
        ("0 0 L * FRI", True, [5, 12, 19, 26, 30]),
        ("0 0 1 * FRI#3", True, [1, 19]),
        ("0 0 1 * L5", True, [1, 26]),
        ("0 0 15W * FRI#3", True, [15, 19]),
        ("0 0 15W * FRI", False, []),
        ("0 0 15W * MON", False, [15]),
        ("0 0 19 * FRI#3", False, [19]),
        ("0 0 * * FRI", True, [5, 12, 19, 26]),
        ("0 0 */1 * FRI", True, [5, 12, 19, 26]),
        ("0 0 15 * */1", True, [15]),
        ("0 0 1-31 * FRI", True, list(range(1, 31))),
        ("0 0 1-31 * FRI", False, [5, 12, 19, 26]),
        ("0 0 */10 * FRI", True, [1, 5, 11, 12, 19, 21, 26]),
        ("0 0 15 * 0-6", True, list(range(1, 31))),
    ],
)
def test_a_day_field_is_free_only_as_a_star_and_two_that_are_not_are_alternatives(text, day_or, days):
    found = parse({"cron": text, "day_or": day_or}).occurrences(datetime(2024, 4, 1), datetime(2024, 4, 30, 23), 100)
    assert [date.day for date in found] == days


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

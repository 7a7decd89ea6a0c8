"""`app.domain.ages`: how long something is kept, as people write it."""

from datetime import timedelta

import pytest

from app.domain.ages import parse_age


@pytest.mark.parametrize(
    ("text", "age"),
    [("12h", timedelta(hours=12)), ("90d", timedelta(days=90)), (" 8W ", timedelta(weeks=8)), ("99999w", timedelta(weeks=99_999))],
)
def test_an_age_is_a_number_of_hours_days_or_weeks(text, age):
    assert parse_age(text) == age


@pytest.mark.parametrize("text", ["", "90", "d", "0d", "-1d", "1.5d", "100000d", "90 d", "90m", "90days", "٩d"])
def test_anything_else_is_refused_with_what_is_allowed(text):
    with pytest.raises(ValueError, match=r"such as 12h, 90d or 8w"):
        parse_age(text)

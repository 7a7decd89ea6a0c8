"""Ages: how long something is kept, as people write it."""

import re
from datetime import timedelta

UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
ALLOWED = "a whole number of hours, days or weeks, such as 12h, 90d or 8w"


def parse_age(text):
    """Return the timedelta that `90d` stands for. Raise ValueError, saying what is allowed."""
    match = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", text.strip().lower())
    if match is None:
        raise ValueError(ALLOWED)
    return int(match[1]) * UNITS[match[2]]

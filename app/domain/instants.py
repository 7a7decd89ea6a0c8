"""Instants: ISO 8601 in and out, UTC inside, and the years that are accepted (contract, section 1)."""

from datetime import UTC, datetime, timedelta

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


def parse(text):
    """Return the UTC instant of an ISO 8601 `text`; one without an offset is read as UTC.

    Raise ValueError, with what is allowed, for text that is no instant or lies outside the years 1970 to 2200.
    """
    try:
        value = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise ValueError("Not an ISO 8601 instant, such as 2022-06-01T09:00:00+02:00.") from None
    try:
        value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        value = None
    if value is None or not EARLIEST <= value <= LATEST:
        raise ValueError("Outside the years 1970 to 2200 (in UTC).")
    return value


def microseconds(value):
    """Return the whole microseconds from the beginning of 1970 to an aware datetime."""
    return (value - EARLIEST) // timedelta(microseconds=1)


def isoformat(value):
    """Return the ISO 8601 text of an aware datetime, in UTC, ending in `+00:00`."""
    return value.astimezone(UTC).isoformat()

"""The one place that reads the wall clock; everything else is handed the time."""

from datetime import UTC, datetime


def utcnow():
    """Return the current instant, with the UTC zone."""
    return datetime.now(UTC)

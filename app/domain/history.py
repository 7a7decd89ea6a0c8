"""The intervals that a history of runs is counted in."""

MAX_INTERVALS = 500


def interval_starts(start, end, length):
    """Return when the intervals begin that cover [start, end): the first `MAX_INTERVALS` of them, and at least one.

    Each is as long as `length`, a timedelta, so that the last may end after `end`. They do not contain their own ends.
    """
    needed = -((start - end) // length)
    return [start + number * length for number in range(min(max(needed, 1), MAX_INTERVALS))]

"""What all schedules share: their years, their bound on work, and how a document's members are read."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from app.domain import zones
from app.domain.schedules.walltime import RFC_5545, Daylight
from app.errors import InvalidSchedule

# The years that the server accepts in an instant. As naive UTC times; both ends included.
EARLIEST = datetime(1970, 1, 1)
LATEST = datetime(2200, 12, 31, 23, 59, 59, 999999)

# Where a schedule that is given no start of its own counts from, in its own zone.
DEFAULT_START = datetime(2020, 1, 1)

# What may be spent on candidates for one date: days looked at, minutes tried, duplicates dropped. Counted, not timed, so that a schedule
# is refused on every machine or on none. It is some 50 ms of CPU, and a rule that looks at every day of all the years there are needs
# 84,000.
MAX_STEPS = 100_000
# And for all dates of one call of `occurrences`, so that ten thousand of the dearest cannot hold a worker for minutes: less than a second
# of CPU. Ten thousand dates of a rule that looks at every hour and keeps one a day need 240,000.
MAX_TOTAL = 1_000_000
# What finding the last dates of rules with COUNT may take, for all rules of a call, beside the rest: it is done once and kept.
MAX_COUNTING = 200_000


class ScheduleTooSlow(InvalidSchedule):
    """{field}: {reason}"""


class InvalidMember(InvalidSchedule):
    """{field}: {reason}"""

    def __init__(self, loc, reason):
        super().__init__(".".join(map(str, loc)), reason)
        self.loc = tuple(loc)


class Schedule(Protocol):
    """What every schedule has, plain or wrapped."""

    @property
    def kind(self) -> str: ...
    @property
    def zone(self) -> ZoneInfo: ...
    @property
    def plain(self) -> Any: ...
    @property
    def daylight(self) -> Daylight: ...
    def occurrences(
        self, start: datetime, end: datetime, limit: int, *, steps: "Steps | None" = None, daylight: Daylight = RFC_5545
    ) -> Iterator[datetime]: ...
    def wall_times(self, low: datetime, high: datetime) -> Iterator[datetime]: ...
    def offset(self, occurrence: datetime) -> timedelta: ...
    def to_document(self) -> dict[str, Any]: ...


class PlainSchedule:
    """A schedule that wraps no other.

    Every schedule has `occurrences(start, end, limit, steps=None, daylight=None)`: at most `limit` UTC instants in [start, end], in order.
    Whoever wraps it hands in a budget to share, and the choice for daylight saving.
    """

    kind = None
    daylight = RFC_5545

    @property
    def plain(self):
        """Return the schedule without what wraps it: itself."""
        return self

    def offset(self, occurrence):
        """Return how much later than its occurrence a run starts."""
        return timedelta(0)


class Steps:
    """A budget of work: `take` spends it and raises ScheduleTooSlow when it is gone.

    It is what one date may cost: `dates` begins it anew with every date it finds. `limit` is how many are asked for at most, each of
    which is worth the steps that finding it at once takes.
    """

    __slots__ = ("_each", "counting", "field", "left", "total")

    def __init__(self, field, limit=0):
        self.field, self._each = field, MAX_STEPS + 2 * limit
        self.left, self.total, self.counting = self._each, MAX_TOTAL + 2 * limit, MAX_COUNTING

    def take(self, count=1):
        self.left -= count
        if self.left < 0:
            self._refuse(MAX_STEPS if self.total >= self._each else MAX_TOTAL)

    def count(self, spent):
        """Spend what finding the last date of a rule with COUNT took, which has a budget of its own."""
        self.counting -= spent
        if self.counting < 0:
            self._refuse(MAX_COUNTING)

    def dates(self, found, limit):
        """Yield at most `limit` of `found`, which spends steps on each."""
        for date in islice(found, limit):
            yield date
            self.total -= self._each - self.left
            # what is left for all of them is all that the next one may have
            self.left = min(self._each, self.total)

    def _refuse(self, most):
        raise ScheduleTooSlow(self.field, f"takes too much work to find its next date: more than {most:,} candidates")


def window(start, end):
    """Return the naive UTC times (start, end) of a window, cut to the years there are. A naive time is read as UTC."""
    return max(naive_utc(start), EARLIEST), min(naive_utc(end), LATEST)


def naive_utc(moment):
    """Return the naive UTC time of a moment; a naive one is read as UTC."""
    if moment.tzinfo is None:
        return moment
    # A zone's offset may carry the ends of the calendar over its edge; both lie outside every window.
    try:
        return moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        return datetime.min if moment.year == datetime.min.year else datetime.max


def read_zone(name):
    """Return the zone of a document's `timezone`. Raise InvalidSchedule."""
    try:
        return zones.zone(name)
    except TypeError as error:
        raise InvalidSchedule("timezone", "must be a string") from error
    except ValueError as error:
        raise InvalidSchedule("timezone", str(error)) from error


def read_text(field, value, most):
    """Return a document's string, which has at most `most` characters. Raise InvalidSchedule."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidSchedule(field, "must be a string that is not empty")
    if len(value) > most:
        raise InvalidSchedule(field, f"must be at most {most:,} characters long")
    return value


def read_instant(loc, value):
    """Return a document's instant, in UTC; one without an offset is read as UTC. Raise InvalidMember."""
    moment = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            moment = None
    if not isinstance(moment, datetime):
        raise InvalidMember(loc, "must be an ISO 8601 time, such as 2020-01-01T09:00:00+00:00")
    naive = naive_utc(moment)
    if not EARLIEST <= naive <= LATEST:
        raise InvalidMember(loc, f"must be in the years {EARLIEST.year} to {LATEST.year}, in UTC")
    return naive.replace(tzinfo=UTC)

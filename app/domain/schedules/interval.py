"""Every so many seconds, counted from an anchor."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

from app.domain import zones
from app.domain.schedules.base import DEFAULT_START, PlainSchedule, Steps, read_instant, read_zone, window
from app.domain.schedules.walltime import RFC_5545, instants
from app.errors import InvalidSchedule

_MAX_SECONDS = 100 * 366 * 86_400
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class IntervalSchedule(PlainSchedule):
    """`anchor` plus any whole number of `step`s, in both directions. `anchor` is aware, in UTC; `timezone` a name or None.

    A whole number of days steps in the zone's calendar, so 09:00 stays 09:00; anything else steps in elapsed time.
    """

    kind = "interval"

    step: timedelta
    anchor: datetime
    timezone: str | None = None

    @classmethod
    def parse(cls, interval, anchor_date=None, timezone=None):
        """Return the schedule of a document's members, as JSON holds them. Raise InvalidSchedule."""
        step = _read_step(interval)
        zone = read_zone(timezone) if timezone is not None else zones.zone("UTC")
        default = zones.to_utc(DEFAULT_START, zone).replace(tzinfo=UTC)
        anchor = default if anchor_date is None else read_instant(("anchor_date",), anchor_date)
        # The reference's client, like our own answers, sends back the anchor that we made of a zone beside that zone.
        if timezone is not None and anchor != default:
            raise InvalidSchedule("anchor_date", "give an anchor_date or a timezone, not both")
        return cls(step, anchor, timezone)

    @property
    def zone(self):
        """Return the zone whose calendar it goes by: UTC unless one was given."""
        return zones.zone(self.timezone or "UTC")

    @property
    def by_calendar(self):
        """Return whether it steps in days of the calendar, not in elapsed time."""
        return self.step % _DAY == timedelta(0)

    def occurrences(self, start, end, limit, steps=None, daylight=RFC_5545):
        """Yield at most `limit` UTC instants in [start, end], in order."""
        start, end = window(start, end)
        if start > end or limit <= 0:
            return iter(())
        if self.by_calendar:
            found = instants(self.wall_times, self.zone, start, end, steps or Steps("interval", limit), daylight)
        else:
            found = (moment.replace(tzinfo=UTC) for moment in self._multiples(self.anchor.replace(tzinfo=None), start, end))
        return islice(found, limit) if steps is None else steps.dates(found, limit)

    def wall_times(self, low, high):
        """Yield the local times in [low, high) that it names. It names none if it steps in elapsed time."""
        if not self.by_calendar:
            return iter(())
        anchor = self.anchor.astimezone(self.zone).replace(tzinfo=None)
        return takewhile(lambda local: local < high, self._multiples(anchor, low, high))

    def _multiples(self, anchor, low, high):
        count, last = -((anchor - low) // self.step), (high - anchor) // self.step
        return (anchor + n * self.step for n in range(count, last + 1))

    def to_document(self):
        """Return the document that `parse` reads, with every default."""
        return {"interval": self.step.total_seconds(), "anchor_date": self.anchor.isoformat(), "timezone": self.timezone}


def _read_step(value):
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidSchedule("interval", "must be a number of seconds")
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidSchedule("interval", "must be a finite number of seconds")
    if value <= 0:
        raise InvalidSchedule("interval", "must be more than 0 seconds")
    if value > _MAX_SECONDS:
        raise InvalidSchedule("interval", f"must be at most {_MAX_SECONDS:,} seconds, a hundred years")
    step = timedelta(seconds=value)
    if not step:
        raise InvalidSchedule("interval", "must be at least a microsecond (0.000001)")
    return step

"""Recurrences of RFC 5545: several rules, single dates and exclusions in one text."""

from dataclasses import dataclass, field
from datetime import UTC
from functools import cached_property, partial
from heapq import merge

from app.domain import zones
from app.domain.schedules import rrule_text
from app.domain.schedules.base import Steps, read_text, read_zone, window
from app.domain.schedules.walltime import instants

_MAX_LENGTH = 8_000


@dataclass(frozen=True)
class RRuleSchedule:
    """`rrule` is the text as given, `timezone` the name of its zone."""

    rrule: str
    timezone: str = "UTC"
    recurrence: rrule_text.Recurrence = field(default=None, repr=False, compare=False)

    @classmethod
    def parse(cls, rrule, timezone=None):
        """Return the schedule of a document's members, as JSON holds them. Raise InvalidSchedule."""
        read_text("rrule", rrule, _MAX_LENGTH)
        if timezone is not None:
            read_zone(timezone)
        recurrence = rrule_text.read(rrule, timezone)
        return cls(rrule, recurrence.timezone, recurrence)

    @property
    def zone(self):
        """Return the zone whose clock it goes by."""
        return zones.zone(self.timezone)

    def occurrences(self, start, end, limit):
        """Yield at most `limit` UTC instants in [start, end], in order. Raise ScheduleTooSlow."""
        start, end = window(start, end)
        if start > end or limit <= 0:
            return iter(())
        steps = Steps("rrule", limit)
        return steps.dates(self._union(start, end, steps), limit)

    def _union(self, start, end, steps):
        streams = [self._instants(rule, start, end, steps) for rule in self.recurrence.rules]
        streams.append(moment.replace(tzinfo=UTC) for moment in self.recurrence.dates if start <= moment <= end)
        before = None
        for moment in merge(*streams):
            if moment == before or self._is_excluded(moment):
                steps.take()
            else:
                yield moment
            before = moment

    def _is_excluded(self, moment):
        if moment.replace(tzinfo=None) in self.recurrence.excluded:
            return True
        days = self.recurrence.excluded_days
        return any((name, moment.astimezone(zones.zone(name)).date()) in days for name in self._zones_of_excluded_days)

    @cached_property
    def _zones_of_excluded_days(self):
        return {name for name, _ in self.recurrence.excluded_days}

    def _instants(self, rule, start, end, steps):
        if self.recurrence.start is not None:
            start = max(start, self.recurrence.start)
        if rule.until_utc is not None:
            end = min(end, rule.until_utc)
        if start > end:
            return iter(())
        return instants(partial(rule.walk, steps=steps), self.zone, start, end, steps)

    def wall_times(self, low, high):
        """Yield the local times in [low, high) that it names; one that is given as an instant, with Z, is not named."""
        steps = Steps("rrule")
        local_dates = (local for local in self.recurrence.local_dates if low <= local < high)
        return merge(*(rule.walk(low, high, steps) for rule in self.recurrence.rules), local_dates)

    def to_document(self):
        """Return the document that `parse` reads, with every default."""
        return {"rrule": self.rrule, "timezone": self.timezone}

"""Recurrences of RFC 5545: several rules, single dates and exclusions in one text."""

from dataclasses import dataclass, field
from datetime import UTC
from functools import partial
from heapq import merge

from app.domain import zones
from app.domain.schedules import rrule_text
from app.domain.schedules.base import PlainSchedule, Steps, read_text, read_zone, window
from app.domain.schedules.walltime import RFC_5545, instants

_MAX_LENGTH = 8_000


@dataclass(frozen=True)
class RRuleSchedule(PlainSchedule):
    """`rrule` is the text as given, `timezone` the name of its zone."""

    kind = "rrule"

    rrule: str
    timezone: str = "UTC"
    recurrence: rrule_text.Recurrence = field(kw_only=True, repr=False, compare=False)

    @classmethod
    def parse(cls, rrule, timezone=None):
        """Return the schedule of a document's members, as JSON holds them. Raise InvalidSchedule."""
        read_text("rrule", rrule, _MAX_LENGTH)
        if timezone is not None:
            read_zone(timezone)
        recurrence = rrule_text.read(rrule, timezone)
        return cls(rrule, recurrence.timezone, recurrence=recurrence)

    @property
    def zone(self):
        """Return the zone whose clock it goes by."""
        return zones.zone(self.timezone)

    def occurrences(self, start, end, limit, steps=None, daylight=RFC_5545):
        """Yield at most `limit` UTC instants in [start, end], in order. Raise ScheduleTooSlow."""
        start, end = window(start, end)
        if start > end or limit <= 0:
            return iter(())
        steps = steps or Steps("rrule", limit)
        return steps.dates(self._union(start, end, steps, daylight), limit)

    def _union(self, start, end, steps, daylight=RFC_5545):
        streams = [self._instants(rule, start, end, steps, daylight) for rule in self.recurrence.rules]
        if self.recurrence.local_dates:
            streams.append(instants(self.recurrence.walk_local_dates, self.zone, start, end, steps, daylight))
        streams.append(moment.replace(tzinfo=UTC) for moment in self.recurrence.dates if start <= moment <= end)
        excluded, excludes_days = self.recurrence.excluded_instants(daylight), bool(self.recurrence.excluded_days)
        before = None
        for moment in merge(*streams):
            is_excluded = (excluded and moment.replace(tzinfo=None) in excluded) or (
                excludes_days and self.recurrence.excludes_day_of(moment)
            )
            if moment == before or is_excluded:
                steps.take()
            else:
                yield moment
            before = moment

    def _instants(self, rule, start, end, steps, daylight):
        if self.recurrence.start is not None:
            start = max(start, self.recurrence.start)
        if rule.until_utc is not None:
            end = min(end, rule.until_utc)
        if start > end:
            return iter(())
        return instants(partial(rule.walk, steps=steps), self.zone, start, end, steps, daylight)

    def wall_times(self, low, high):
        """Yield the local times in [low, high) that it names; one that is given as an instant, with Z, is not named."""
        steps = Steps("rrule")
        return merge(*(rule.walk(low, high, steps) for rule in self.recurrence.rules), self.recurrence.walk_local_dates(low, high))

    def to_document(self):
        """Return the document that `parse` reads, with every default."""
        return {"rrule": self.rrule, "timezone": self.timezone}

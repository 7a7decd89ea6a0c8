"""What shapes a schedule: a value that wraps another schedule, plain or wrapped, and is a schedule itself."""

from dataclasses import dataclass
from typing import ClassVar

from app.domain.schedules.base import Schedule


@dataclass(frozen=True)
class Wrapper:
    """A schedule made of another one, `inner`. A subclass changes its dates, or when their runs start.

    `members` are the members of a document that make one, with their defaults; with defaults alone none is made.
    """

    inner: Schedule

    members: ClassVar[dict] = {}

    @classmethod
    def wrap(cls, inner, values, key):
        """Return `inner` wrapped as the values of the class's members say. Raise InvalidMember.

        `key` names the schedule among all there are, and is None for one that is not stored.
        """
        raise NotImplementedError

    def to_members(self):
        """Return the members, with values as JSON holds them, that `wrap` reads."""
        raise NotImplementedError

    def phrases(self):
        """Return the parts of a sentence that say what it changes."""
        raise NotImplementedError

    @property
    def kind(self):
        """Return the kind of the plain schedule."""
        return self.inner.kind

    @property
    def zone(self):
        """Return the zone of the plain schedule."""
        return self.inner.zone

    @property
    def plain(self):
        """Return the schedule without what wraps it."""
        return self.inner.plain

    @property
    def daylight(self):
        """Return the choice for local times that do not exist or exist twice."""
        return self.inner.daylight

    def occurrences(self, start, end, limit, **context):
        """Yield at most `limit` UTC instants in [start, end], in order. Raise ScheduleTooSlow."""
        return self.inner.occurrences(start, end, limit, **context)

    def wall_times(self, low, high):
        """Yield the local times in [low, high) that the plain schedule names."""
        return self.inner.wall_times(low, high)

    def offset(self, occurrence):
        """Return how much later than its occurrence a run starts."""
        return self.inner.offset(occurrence)

    def to_document(self):
        """Return the document of the plain schedule."""
        return self.plain.to_document()


def layers(schedule):
    """Yield the wrappers of a schedule, from the inside out."""
    if isinstance(schedule, Wrapper):
        yield from layers(schedule.inner)
        yield schedule

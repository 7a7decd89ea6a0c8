"""A schedule that begins and ends."""

from dataclasses import dataclass
from datetime import datetime

from app.domain.schedules.base import EARLIEST, LATEST, InvalidMember, naive_utc, read_instant, window
from app.domain.schedules.words import moment_words
from app.domain.schedules.wrapper import Wrapper


@dataclass(frozen=True)
class Bounded(Wrapper):
    """The occurrences from `starts_at` to `ends_at`, aware and both included; None leaves that side open."""

    starts_at: datetime | None = None
    ends_at: datetime | None = None

    members = {"starts_at": None, "ends_at": None}

    @classmethod
    def wrap(cls, inner, values, key):
        """Return `inner` between the bounds that are given. Raise InvalidMember."""
        starts_at, ends_at = (values[name] and read_instant((name,), values[name]) for name in cls.members)
        if starts_at is not None and ends_at is not None and ends_at < starts_at:
            raise InvalidMember(("ends_at",), "must not be before starts_at")
        return inner if starts_at is None and ends_at is None else cls(inner, starts_at, ends_at)

    def to_members(self):
        """Return the members that `wrap` reads."""
        return {"starts_at": self.starts_at and self.starts_at.isoformat(), "ends_at": self.ends_at and self.ends_at.isoformat()}

    def phrases(self):
        """Return the parts of a sentence that say when it begins and ends."""
        phrases = []
        if self.starts_at is not None:
            phrases.append(f"from {moment_words(self.starts_at, self.zone)}")
        if self.ends_at is not None:
            phrases.append(f"until {moment_words(self.ends_at, self.zone, is_end=True)}")
        return phrases

    def occurrences(self, start, end, limit, **context):
        """Yield at most `limit` UTC instants in [start, end], in order. Raise ScheduleTooSlow."""
        start, end = window(start, end)
        first = EARLIEST if self.starts_at is None else naive_utc(self.starts_at)
        last = LATEST if self.ends_at is None else naive_utc(self.ends_at)
        return self.inner.occurrences(max(start, first), min(end, last), limit, **context)

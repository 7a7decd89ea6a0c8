"""A schedule whose runs start a little later than they are due, so that many schedules do not start at once."""

from dataclasses import dataclass
from datetime import UTC, timedelta
from hashlib import blake2b

from app.domain.schedules.base import InvalidMember
from app.domain.schedules.words import duration_words
from app.domain.schedules.wrapper import Wrapper

MAX_SECONDS = 86_400

_TICK = timedelta(microseconds=1)
_DIGEST_SIZE = 8


@dataclass(frozen=True)
class Jittered(Wrapper):
    """The same occurrences, each of whose runs starts up to `seconds` later, but before the next occurrence.

    How much later is decided by `key` and the occurrence alone, so every process says the same. A schedule that is not stored has no key,
    and no offset.
    """

    seconds: int = 0
    key: str | None = None

    members = {"jitter_seconds": 0}

    @classmethod
    def wrap(cls, inner, values, key):
        """Return `inner` with jitter. Raise InvalidMember."""
        seconds = values["jitter_seconds"]
        if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 <= seconds <= MAX_SECONDS:
            raise InvalidMember(("jitter_seconds",), f"must be a whole number from 0 to {MAX_SECONDS:,}")
        return cls(inner, seconds, key) if seconds else inner

    def to_members(self):
        """Return the members that `wrap` reads."""
        return {"jitter_seconds": self.seconds}

    def phrases(self):
        """Return the part of a sentence that says how late a run may start."""
        return [f"starting up to {duration_words(timedelta(seconds=self.seconds))} later"]

    def offset(self, occurrence):
        """Return how much later than its occurrence a run starts."""
        if self.key is None:
            return timedelta(0)
        most = timedelta(seconds=self.seconds)
        following = next(self.inner.occurrences(occurrence + _TICK, occurrence + most, 1), None)
        room = most if following is None else following - occurrence
        return timedelta(microseconds=room // _TICK * self._share(occurrence) >> 8 * _DIGEST_SIZE)

    def _share(self, occurrence):
        text = f"{self.key} {occurrence.astimezone(UTC).isoformat()}"
        return int.from_bytes(blake2b(text.encode(), digest_size=_DIGEST_SIZE).digest(), "big")

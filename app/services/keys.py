"""Whose key a request has: looked up once in a while, and remembered meanwhile."""

import logging
import time
from dataclasses import dataclass
from threading import Lock

from app.db import migrate
from app.domain.failures import Failures
from app.domain.keys import Key, digest, id_of
from app.errors import AppError, InvalidKey, TooManyFailures
from app.repositories.keys import Keys

log = logging.getLogger("mintaka.keys")

# Keys that a process remembers; of more, those that were looked up first are forgotten
MOST_KEYS = 1_000


@dataclass(frozen=True, slots=True)
class _Known:
    key: Key
    until: float
    is_unnoted: bool


class KeyRing:
    """The keys that this process knows, by the digests of their texts.

    Only good ones are remembered. `seconds` is for how long, `clock` is the database's, which says what has expired; `elapsed()` returns
    seconds that only go forward.
    """

    def __init__(self, database, clock, seconds, elapsed=time.monotonic):
        self.database, self.clock, self.seconds, self.elapsed = database, clock, seconds, elapsed
        self.failures = Failures()
        self._known = {}
        self._lock = Lock()

    def key(self, text, address):
        """Return the `Key` whose text is `text`, and whether its use is to be noted. Raise InvalidKey, or TooManyFailures where too many
        that were wrong have come from `address`: then only keys that were good before are looked up.
        """
        secret, now = digest(text), self.elapsed()
        known = self._known.get(secret)
        if known is not None and now < known.until:
            return known.key, False
        if known is None and (seconds := self.failures.wait(address, now)):
            raise TooManyFailures(seconds)
        known = self._look_up(text, secret, now)
        with self._lock:
            self._known.pop(secret, None)
            if known is not None:
                self._known[secret] = known
                if len(self._known) > MOST_KEYS:
                    del self._known[next(iter(self._known))]
        if known is None:
            self.failures.add(address, now)
            raise InvalidKey
        return known.key, known.is_unnoted

    def note_use(self, id):
        """Note when a key was used last, in a transaction of its own. Whatever hinders it is logged."""
        try:
            self.database.run(lambda session: Keys(session, self.clock).note_use(id))
        except AppError as error:
            log.warning("the use of key %s is not noted: %s", id, error)

    def are_none(self):
        """Return whether there is no key at all but revoked ones."""
        migrate.require(self.database)
        return not self.database.run(lambda session: Keys(session, self.clock).list(1), read_only=True)

    def __len__(self):
        return len(self._known)

    def _look_up(self, text, secret, now):
        try:
            id = id_of(text)
        except ValueError:
            return None
        migrate.require(self.database)
        found = self.database.run(lambda session: Keys(session, self.clock).given(id, secret), read_only=True)
        if found is None:
            return None
        key, left, is_unnoted = found
        return _Known(key, now + (self.seconds if left is None else min(self.seconds, left.total_seconds())), is_unnoted)

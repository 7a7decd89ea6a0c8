"""API keys: their text, the scopes they have, and how long they last.

A key is `mtk_`, its id, a secret and a checksum, in hexadecimal digits, so that a scanner of leaked secrets knows one when it sees it.
"""

import hashlib
import re
import secrets
import uuid
import zlib
from dataclasses import dataclass
from datetime import timedelta

# Whether a server asks for keys; AUTO leaves it to the addresses that it listens on
AUTO, ON, OFF = "auto", "on", "off"

PREFIX = "mtk_"
SECRET_BYTES = 32
KEY = re.compile(rf"{PREFIX}(?P<id>[0-9a-f]{{32}})[0-9a-f]{{{2 * SECRET_BYTES}}}(?P<checksum>[0-9a-f]{{8}})", re.ASCII)

ADMIN = "admin"
# What they open has no tags
UNFENCED_SCOPES = ("blocks", ADMIN)
SCOPES = {
    "deployments:read": "read flows, deployments, schedules, work queues and concurrency limits",
    "deployments:write": "change flows, deployments, schedules, work queues and concurrency limits",
    "runs:read": "read runs, their states and logs, backfills and saved searches",
    "runs:write": "make, change and delete runs, backfills and saved searches",
    "worker": "claim and execute runs: leases, states, logs, task runs, subflows, and to read queues, deployments and blocks",
    "blocks": "read and change blocks",
    ADMIN: "everything",
}


@dataclass(frozen=True, slots=True)
class Key:
    """A key that is good, without its text. One with `tags` reaches only what bears all of them."""

    id: uuid.UUID
    name: str
    scopes: frozenset[str]
    tags: frozenset[str] = frozenset()

    def suffices(self, scopes):
        """Return whether one of `scopes` is a scope of the key, or the key may do everything."""
        return ADMIN in self.scopes or not self.scopes.isdisjoint(scopes)


MAX_NAME_LENGTH = 255
MAX_DURATION = timedelta(days=3660)
DURATION = re.compile(r"(?P<count>[1-9][0-9]{0,8})(?P<unit>[smhdw])", re.ASCII)
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def new_key(id):
    """Return the text of a new key with `id`. Its secret is random, and kept nowhere."""
    text = f"{PREFIX}{id.hex}{secrets.token_hex(SECRET_BYTES)}"
    return text + _checksum(text)


def id_of(key):
    """Return the id in the text of a key. Raise ValueError for text that is no key, or one with a mistake in it."""
    match = KEY.fullmatch(key)
    if match is None or _checksum(key[: -len(match["checksum"])]) != match["checksum"]:
        raise ValueError("not a key")
    return uuid.UUID(match["id"])


def digest(key):
    """Return what is stored in place of a key: its SHA-256. The secret is random and long, so that it needs no slow hash."""
    return hashlib.sha256(key.encode()).hexdigest()


def duration(text):
    """Return the timedelta that `text` such as `90d` says. Raise ValueError, which says what is allowed."""
    match = DURATION.fullmatch(text.strip())
    seconds = int(match["count"]) * UNITS[match["unit"]] if match else None
    if seconds is None or seconds > MAX_DURATION.total_seconds():
        raise ValueError(f"Must be a whole number with s, m, h, d or w, such as 12h or 90d, and at most {MAX_DURATION.days}d.")
    return timedelta(seconds=seconds)


def _checksum(text):
    return f"{zlib.crc32(text.encode()):08x}"

"""API keys."""

import hmac
from datetime import timedelta

from sqlalchemy import bindparam, or_, select, update

from app.db.models import ApiKey
from app.db.sql import insert
from app.db.types import UtcDateTime
from app.domain.ids import new_id
from app.domain.keys import Key, digest, new_key
from app.errors import Conflict, NotFound
from app.repositories.base import ListedRepository

KEY = ApiKey.__table__
COLUMNS = (KEY.c.id, KEY.c.name, KEY.c.scopes, KEY.c.tags, KEY.c.expires)
# How often the last use of a key is written
NOTED_EVERY = timedelta(minutes=1)
# What a secret is compared with where there is none, so that it takes as long
NO_DIGEST = "0" * 64
CREATE = insert(KEY).on_conflict_do_nothing(index_elements=[KEY.c.name]).returning(*COLUMNS)
STORED = select(KEY.c.id, KEY.c.name, KEY.c.digest, KEY.c.expires, KEY.c.revoked).where(KEY.c.name == bindparam("wanted")).with_for_update()

GIVEN = select(
    *(KEY.c.id, KEY.c.name, KEY.c.scopes, KEY.c.tags, KEY.c.expires, KEY.c.revoked, KEY.c.last_used),
    *(KEY.c.digest, KEY.c.previous_digest, KEY.c.previous_expires),
).where(KEY.c.id == bindparam("wanted"))
NOTE_USE = (
    update(KEY)
    .where(KEY.c.id == bindparam("wanted"), or_(KEY.c.last_used.is_(None), KEY.c.last_used <= bindparam("before", type_=UtcDateTime)))
    .values(last_used=bindparam("now", type_=UtcDateTime))
)


class Keys(ListedRepository):
    """Keys by name. A name is one key's for ever: it stays taken when the key is revoked. The list has those that are not revoked."""

    table = KEY
    kind = "Key"
    selection = select(*COLUMNS, KEY.c.last_used).where(KEY.c.revoked.is_(None))
    order = (KEY.c.name, KEY.c.id)

    def document(self, row, now):
        """Return a key, with `tags` only where it has any."""
        return {name: value for name, value in row._asdict().items() if name != "tags" or value}

    def create(self, name, scopes, lifetime, created_by, tags=()):
        """Create a key that lasts for `lifetime` (None: for ever), and is fenced in by `tags`, if there are any.

        Return its answer with its text, `key`. Raise Conflict.
        """
        id, now = new_id(), self.clock()
        text = new_key(id)
        values = {"id": id, "created": now, "updated": now, "name": name, "digest": digest(text), "scopes": sorted(set(scopes))}
        values |= {"expires": None if lifetime is None else now + lifetime, "created_by": created_by}
        values |= {"tags": sorted(set(tags)) or None}
        row = self.session.execute(CREATE, values).one_or_none()
        if row is None:
            raise Conflict(f"There is a key called {name} already, or there was one; names of revoked keys stay taken")
        return self.document(row, now) | {"key": text}

    def revoke(self, name):
        """End the key, and its secret from before a rotation. Raise NotFound."""
        now = self.clock()
        self._change(self._live(name).id, revoked=now, updated=now)

    def rotate(self, name, overlap, lifetime):
        """Give the key a new secret; the one that it has stays good for `overlap` (None: not at all).

        The id, the name and the scopes stay. It lasts for `lifetime` from now, or as long as before (None). Return what `create` does.
        Raise NotFound, or Conflict for one that has expired and is given no lifetime.
        """
        stored, now = self._live(name), self.clock()
        expires = stored.expires if lifetime is None else now + lifetime
        if expires is not None and expires <= now:
            raise Conflict("The key has expired; say how long the new one lasts")
        text = new_key(stored.id)
        # the old secret does not outlive what it was given
        until = None if overlap is None else min(now + overlap, stored.expires or now + overlap)
        previous = {"previous_digest": None if until is None else stored.digest, "previous_expires": until}
        self._change(stored.id, digest=digest(text), expires=expires, updated=now, **previous)
        changed = self.require(stored.id)
        return {column.name: changed[column.name] for column in COLUMNS if column.name in changed} | {"key": text}

    def given(self, id, secret):
        """Return the `Key` with this id whose text has the digest `secret`, the timedelta for which it is still good (None: for ever), and
        whether its use is to be noted; None where there is none, or it has ended.
        """
        stored, now = self.session.execute(GIVEN, {"wanted": id}).one_or_none(), self.clock()
        present, previous = (NO_DIGEST, NO_DIGEST) if stored is None else (stored.digest, stored.previous_digest or NO_DIGEST)
        is_present, is_previous = hmac.compare_digest(present, secret), hmac.compare_digest(previous, secret)
        if stored is None or stored.revoked is not None or not (is_present or is_previous):
            return None
        ends = [end for end in (stored.expires, None if is_present else stored.previous_expires) if end is not None]
        left = min(ends) - now if ends else None
        if left is not None and left <= timedelta():
            return None
        is_unnoted = stored.last_used is None or now - stored.last_used >= NOTED_EVERY
        return Key(stored.id, stored.name, frozenset(stored.scopes), frozenset(stored.tags or ())), left, is_unnoted

    def note_use(self, id):
        """Note that the key is used now, unless that was noted within the last minute."""
        now = self.clock()
        self.session.execute(NOTE_USE, {"wanted": id, "now": now, "before": now - NOTED_EVERY})

    def _live(self, name):
        stored = self.session.execute(STORED, {"wanted": name}).one_or_none()
        if stored is None or stored.revoked is not None:
            raise NotFound(self.kind)
        return stored

    def _change(self, id, **values):
        self.session.execute(update(KEY).where(KEY.c.id == id).values(**values))

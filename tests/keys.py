"""API keys to test with."""

from itertools import count

from app import make_parts
from app.config import Settings
from app.repositories.keys import Keys

_numbers = count(1)


def change_keys(app, change):
    """Return what `change(keys)` does with the keys of an application, as another process would."""
    return _changed(app.extensions["mintaka"], change)


def make_key(app, *scopes, lifetime=None, tags=()):
    """Make a key with `scopes` and `tags` that lasts for `lifetime` (None: for ever); return its document, with its text as `key`."""
    return change_keys(app, lambda keys: keys.create(f"key-{next(_numbers)}", scopes, lifetime, "tests", tags))


def stored_key(url, *scopes):
    """Make a key with `scopes` in the migrated database at `url`; return its text."""
    parts = make_parts(Settings(database_url=url))
    try:
        return _changed(parts, lambda keys: keys.create(f"key-{next(_numbers)}", scopes, None, "tests"))["key"]
    finally:
        parts.database.dispose()


def _changed(parts, change):
    return parts.database.run(lambda session: change(Keys(session, parts.clock)))


def bearer(key):
    """The headers of a request with a key, its text or its document."""
    return {"Authorization": f"Bearer {key if isinstance(key, str) else key['key']}"}

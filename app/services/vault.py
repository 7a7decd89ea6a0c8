"""What the data of blocks is encrypted with: Fernet keys that the database never holds."""

import base64
import hmac
import json
import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from app.errors import NoKey

MAKE_ONE = "`mintaka blocks generate-key` prints one"


def generate_key():
    """Return a new key, as text."""
    return Fernet.generate_key().decode()


class Vault:
    """Seals JSON objects as text and opens them again.

    The first of `keys` seals, all of them open. Without any, `file` (a path, or None) holds the key, and is made when something is sealed
    for the first time; with some, a key in it still opens. Nothing is read before it is needed.
    """

    def __init__(self, keys, file=None):
        self._given = tuple(keys)
        self._file = file and Path(file)
        self._loaded = None

    def __repr__(self):
        return f"Vault({len(self._given)} keys, file={str(self._file)!r})"

    def seal(self, value):
        """Return `value` as a token. Raise NoKey."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return self._fernet(make=True).encrypt(text.encode()).decode()

    def open(self, token):
        """Return the value of a token. Raise NoKey, also when none of the keys opens it."""
        return json.loads(self._opened(lambda fernet: fernet.decrypt(token.encode())))

    def reseal(self, token):
        """Return a token of the same value under the first key. Raise NoKey."""
        return self._opened(lambda fernet: fernet.rotate(token.encode())).decode()

    def digests(self, value):
        """Return keyed digests that tell whether two values are the same and nothing else: one per key, the first key's first.

        Raise NoKey.
        """
        self._fernet(make=True)
        assert self._loaded is not None
        text = json.dumps(value, sort_keys=True).encode()
        return [hmac.digest(base64.urlsafe_b64decode(key), b"block " + text, "sha256").hex() for key in self._loaded[0]]

    def _opened(self, work):
        try:
            return work(self._fernet())
        except InvalidToken:
            where = f" or {self._file}" if self._file else ""
            raise NoKey(
                f"A block cannot be decrypted: none of the keys in MINTAKA_ENCRYPTION_KEYS{where} is the one it was saved with."
            ) from None

    def _fernet(self, make=False):
        if self._loaded is None:
            keys = [*self._given, *self._key_of_file(make and not self._given)]
            if not keys:
                raise self._no_key()
            try:
                self._loaded = keys, MultiFernet([Fernet(key) for key in keys])
            except ValueError:
                raise NoKey(f"The file {self._file} does not hold a key; {MAKE_ONE}.") from None
        return self._loaded[1]

    def _no_key(self):
        if self._file:
            return NoKey(f"The blocks are encrypted, and the key is gone: restore {self._file}, or set MINTAKA_ENCRYPTION_KEYS.")
        return NoKey(f"Blocks are encrypted, and no key is set: set MINTAKA_ENCRYPTION_KEYS; {MAKE_ONE}.")

    def _key_of_file(self, make):
        if not self._file:
            return []
        try:
            if make and not self._file.exists():
                self._make_file(self._file)
            return [self._file.read_text().strip()]
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise NoKey(f"The key file {self._file} cannot be read or made: {error.__class__.__name__}.") from None

    def _make_file(self, path):
        # made complete under another name, which only its owner may read; a link fails where another process was faster
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(f"{generate_key()}\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(name, path)
        except FileExistsError:
            pass
        finally:
            os.unlink(name)

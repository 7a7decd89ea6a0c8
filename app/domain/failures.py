"""How many wrong keys come from one address, so that guessing is slow."""

import ipaddress
import math
from threading import Lock

# Failures that an address has in so many seconds, from its first
MOST = 20
WINDOW = 60.0
# Addresses that are remembered: of more, those that failed first are forgotten
MOST_ADDRESSES = 10_000


class Failures:
    """Counts failures by address. Time is passed in, as seconds of a clock that only goes forward."""

    def __init__(self):
        self._windows = {}
        self._lock = Lock()

    def wait(self, address, now):
        """Return for how many whole seconds `address` is to try nothing more; 0 where it may."""
        began, count = self._windows.get(_network(address), (now, 0))
        left = began + WINDOW - now
        return math.ceil(left) if count >= MOST and left > 0 else 0

    def add(self, address, now):
        """Count one more failure."""
        network = _network(address)
        with self._lock:
            began, count = self._windows.pop(network, (now, 0))
            if now >= began + WINDOW:
                began, count = now, 0
            self._windows[network] = began, count + 1
            if len(self._windows) > MOST_ADDRESSES:
                del self._windows[next(iter(self._windows))]

    def __len__(self):
        return len(self._windows)


def _network(address):
    """Return what has an address to itself: whoever has one of IPv6 has all that begin with the same 64 bits."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        # a unix socket has none, and a proxy may say anything
        return address
    return found if found.version == 4 else found.packed[:8]

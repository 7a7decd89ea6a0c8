"""Giving back the memory that a large request took.

What a body of many megabytes becomes in Python takes tens of times as much. Errors keep it alive in circles of references, and what is free
stays with the allocator of C.
"""

import ctypes
import gc
import threading
from contextlib import contextmanager, suppress

# glibc's names. Each thread would have an arena of its own, in which what it once took stays
M_ARENA_MAX = -8
ARENAS = 2


class LargeRequests:
    """Large requests in progress.

    The garbage collector rests while there are any: it looks at all that a body becomes again and again while it grows, which takes
    several times as long as reading it, with every other thread waiting.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._running = 0
        # the C library of the process, if it is glibc
        self._libc = ctypes.CDLL(None)
        with suppress(AttributeError):
            self._libc.mallopt(M_ARENA_MAX, ARENAS)

    @contextmanager
    def one(self):
        """Handle one large request in the block, and give back its memory after it."""
        with self._lock:
            self._running += 1
            gc.disable()
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    gc.enable()
            gc.collect()
            with suppress(AttributeError):
                self._libc.malloc_trim(0)

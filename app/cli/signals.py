"""Ending a command that runs until it is told to stop."""

import queue
import signal
from contextlib import contextmanager, suppress


class Stop:
    """Whether somebody has asked the command to end."""

    def __init__(self):
        self._asked = False
        # a signal may come while the main thread is inside `wait`: an Event's lock would then be taken twice by one thread, which
        # ends in a deadlock; SimpleQueue.put is reentrant
        self._wake = queue.SimpleQueue()

    @property
    def asked(self):
        """Whether the end has been asked for."""
        return self._asked

    def ask(self, *_signal):
        """Ask for the end; what a signal handler calls."""
        self._asked = True
        self._wake.put(None)

    def wait(self, seconds):
        """Sleep for `seconds`, or until the end is asked for. Returns whether it is."""
        if not self._asked and seconds > 0:
            with suppress(queue.Empty):
                # one item wakes one of the threads that wait, which passes it on
                self._wake.put(self._wake.get(timeout=seconds))
        return self._asked


@contextmanager
def stop_signals():
    """A `Stop` that SIGINT and SIGTERM ask while the block lasts, however often they come."""
    stop = Stop()
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            # who has been asked to end is ending: a signal that is repeated meanwhile must not turn a clean end into a death
            signal.signal(number, signal.SIG_IGN if stop.asked else handler)

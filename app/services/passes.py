"""Passes: work that is done again and again, each pass in batches, each batch in a transaction of its own."""

import logging
import time
from dataclasses import dataclass

from app.db.failures import drivers_words
from app.errors import Unavailable

log = logging.getLogger("mintaka.scheduler")


def repeat(work, loop_seconds, wait, name="scheduler"):
    """Call `work()` every `loop_seconds` until `wait(seconds)` answers true. What it raises is logged and does not end the loop."""
    while True:
        began = time.perf_counter()
        try:
            work()
        except Unavailable as error:
            said = drivers_words(error) or "no more is known"
            log.warning("a %s pass was cut short, the next one takes it up: %s (%s)", name, error, said)
        except Exception:
            log.exception("a %s pass failed; the next one starts as usual", name)
        if wait(max(loop_seconds - (time.perf_counter() - began), 0)):
            return


@dataclass
class BatchReport:
    """What a pass did: `number` things, called `what`, in `seconds`."""

    what: str
    number: int = 0
    seconds: float = 0.0

    def numbers(self):
        """`number` and `seconds`, for scripts."""
        return {"number": self.number, "seconds": self.seconds}

    def __str__(self):
        return f"{self.number} {self.what} in {self.seconds:.3f} s"


class BatchedPass:
    """Takes up in batches all that is due when a pass begins.

    A subclass has a `name`, says `what` it counts, and implements `batch(session, now)`, which does at most `batch_size` of them and
    returns how many it found.
    """

    name = None
    what = None

    def __init__(self, database, clock, batch_size):
        self.database = database
        self.clock = clock
        self.batch_size = batch_size

    def run_once(self, should_stop=lambda: False):
        """Do all that is due. Returns a BatchReport. `should_stop()` is asked before every batch."""
        report = BatchReport(self.what)
        began = time.perf_counter()
        # what falls due during the pass waits for the next one, so that a pass ends
        now = self.clock()
        more = True
        while more and not should_stop():
            if report.number:
                self.database.take_turns()
            found = self.database.run(lambda session: self.batch(session, now))
            report.number += found
            more = found == self.batch_size
            report.seconds = time.perf_counter() - began
        if report.number:
            log.info("%s", report, extra={self.name.replace(" ", "_"): report.number, "seconds": round(report.seconds, 6)})
        return report

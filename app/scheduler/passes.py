"""Passes: work that is done again and again, each pass in batches, each batch in a transaction of its own."""

import logging
import time
from dataclasses import dataclass

from app.db.failures import driver_message
from app.domain.plurals import counted
from app.errors import Unavailable
from app.services.unit_of_work import UnitOfWork

log = logging.getLogger("mintaka.scheduler")


def repeat(work, loop_seconds, wait, name="scheduler"):
    """Call `work()` every `loop_seconds` until `wait(seconds)` returns true. Log what it raises, and go on."""
    while True:
        began = time.perf_counter()
        try:
            work()
        except Unavailable as error:
            said = driver_message(error) or "no more is known"
            log.warning("a %s pass was cut short, the next one takes it up: %s (%s)", name, error, said)
        except Exception:
            log.exception("a %s pass failed; the next one starts as usual", name)
        if wait(max(loop_seconds - (time.perf_counter() - began), 0)):
            return


@dataclass
class BatchReport:
    """What a pass did: `number` things, each a `noun`, were `done`, in `seconds`."""

    noun: str
    done: str
    number: int = 0
    seconds: float = 0.0

    def numbers(self):
        """Return `number` and `seconds`, for scripts."""
        return {"number": self.number, "seconds": self.seconds}

    def __str__(self):
        return f"{counted(self.number, self.noun)} {self.done} in {self.seconds:.3f} s"


class BatchedPass:
    """A pass over all that is due. `parts` are those that `create_app` put together.

    A subclass has a `name`, says which `noun` it counts and what was `done`, and implements `batch(unit, now)`, which does at most
    `batch_size` of them in a `UnitOfWork` and returns how many it found.
    """

    name: str
    noun: str
    done: str

    def __init__(self, parts, batch_size):
        self.parts, self.database, self.clock = parts, parts.database, parts.clock
        self.batch_size = batch_size

    def batch(self, unit, now) -> int:
        """Do at most `batch_size` of what is due at `now`. Return how many were found."""
        raise NotImplementedError

    def run_once(self, should_stop=lambda: False):
        """Do all that is due. Return a BatchReport. Call `should_stop()` before every batch."""
        report = BatchReport(self.noun, self.done)
        began = time.perf_counter()
        now = self.clock()
        more = True
        while more and not should_stop():
            if report.number:
                self.database.take_turns()
            found = self.database.run(lambda session: self.batch(UnitOfWork(session, self.parts), now))
            report.number += found
            more = found == self.batch_size
            report.seconds = time.perf_counter() - began
        self.tell(report)
        return report

    def tell(self, report):
        """Log what a pass did, if it did something."""
        if report.number:
            log.info("%s", report, extra={self.name.replace(" ", "_"): report.number, "seconds": round(report.seconds, 6)})

"""What the workers of the tests execute. Each notes in the file that WORKER_NOTES names that it was called."""

import logging
import os
import time

from app.worker import current_run

log = logging.getLogger("jobs")


def job(n, do="complete", seconds=0):
    """Do what the run's parameters say: complete, fail, wait until told to stop, or not even then."""
    run = current_run()
    with open(os.environ["WORKER_NOTES"], "a") as notes:
        notes.write(f"{n} {run.id}\n")
    log.info("run %s is told to %s", n, do)
    if do == "fail":
        raise LookupError(f"no such table: {n}\0")
    if do == "heed":
        run.cancelled.wait()
        run.raise_if_cancelled()
    if do == "ignore":
        time.sleep(600)
    time.sleep(seconds)
    return {"rows": n}

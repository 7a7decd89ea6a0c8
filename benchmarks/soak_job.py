"""What the workers of `soak_worker.py` execute."""

import os
import time

from app.worker import current_run

FILE = "SOAK_FILE"


def job(seconds):
    """Note in the file that SOAK_FILE names that the run was started, and after `seconds` that it is done."""
    with open(os.environ[FILE], "a") as file:
        for word in ("started", "done"):
            file.write(f"{word} {current_run().id}\n")
            file.flush()
            if word == "started":
                time.sleep(seconds)

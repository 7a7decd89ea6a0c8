"""gunicorn's threaded worker, with connections shared out evenly between processes."""

import time

from gunicorn.workers.gthread import ThreadWorker

# Seconds that other processes are given to take a connection
GRACE = 0.001


class Worker(ThreadWorker):
    """A worker that leaves connections to the others while its own threads have enough.

    The kernel tells every process of a new connection, and the first to ask gets it. Clients keep their connections, so that a process
    which was awake when a few of them came would serve all of these for good, on one core, while the others sleep.
    """

    def accept(self, listener):
        """Accept a connection, unless another process does so first."""
        if self.nr_conns >= self.cfg.threads:
            time.sleep(GRACE)
        super().accept(listener)

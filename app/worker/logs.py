"""What runs log, sent to the server in batches."""

import logging
import threading
from datetime import UTC, datetime
from logging.handlers import QueueHandler

from app.worker.api import Refused, Unreachable, backoff
from app.worker.handlers import current_run

log = logging.getLogger("worker")

SEND_EVERY = 1.0  # seconds
MOST_WAITING, BATCH_LINES, LONGEST = 10_000, 200, 10_000


class RunLogs(QueueHandler):
    """Sends what is logged in the thread of a run, from a thread of its own, until it is closed."""

    def __init__(self, api):
        self.queue: list = []
        super().__init__(self.queue)  # pyright: ignore[reportArgumentType] -- the stub names methods that only an `enqueue` uses
        self.api, self._ending = api, threading.Event()
        self._sender = threading.Thread(target=self._send, daemon=True)
        self._sender.start()

    def enqueue(self, record):
        """Take a line, which is formatted by now, if it is a run's."""
        run = current_run()
        if run is not None and len(self.queue) < MOST_WAITING:
            logged = datetime.fromtimestamp(record.created, UTC).isoformat()
            line = {"name": record.name, "level": record.levelno, "message": record.message[:LONGEST]}
            self.queue.append(line | {"timestamp": logged, "flow_run_id": run.id})

    def close(self):
        """Send what waits, for a few seconds at most."""
        self._ending.set()
        self._sender.join(5.0)
        super().close()

    def _send(self):
        waits, pause, closed = backoff(), SEND_EVERY, False
        while not closed:
            closed, pause = self._ending.wait(pause), SEND_EVERY
            while batch := self.queue[:BATCH_LINES]:
                try:
                    self.api.call("/logs/", batch)
                except Unreachable as error:
                    log.warning("%d lines of runs' logs wait, and %d at most: %s", len(self.queue), MOST_WAITING, error)
                    pause = next(waits)
                    break
                except Refused as error:
                    log.warning("%d lines of runs' logs are dropped: %s", len(batch), error)
                waits = backoff()
                del self.queue[: len(batch)]

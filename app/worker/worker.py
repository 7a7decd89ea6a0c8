"""The worker itself: claims runs, keeps their leases, has a handler execute them, and reports how they ended."""

import logging
import queue
import threading
import time
from contextlib import suppress
from urllib.parse import quote

from app.worker.api import Refused, Unreachable, backoff
from app.worker.handlers import Cancelled, Run, current, state

log = logging.getLogger("worker")

LONGEST_HEARTBEAT = 10.0  # seconds between two heartbeats, and so until a cancelled run is stopped
ENDING = 10.0  # seconds that runs have to end after they were told to stop


class Worker:
    """Executes runs of a work queue, `slots` at a time. `handler(run)` returns the state in which a run ended, or raises Cancelled."""

    def __init__(self, api, queue_name, handler, *, name, slots=8, lease_seconds=60, grace_seconds=15.0, poll_seconds=1.0):
        self.api, self.queue_name, self.handler, self.name = api, queue_name, handler, name
        self.slots, self.lease_seconds, self.grace_seconds, self.poll_seconds = slots, lease_seconds, grace_seconds, poll_seconds
        self._held, self._stops, self._ended = {}, 0, threading.Event()
        self._given_back = state("SCHEDULED", f"Given back: {name} was stopped")
        self._wake = queue.SimpleQueue()  # its put, unlike Event.set, may interrupt its get in one thread, as a signal handler does

    def stop(self, *_signal):
        """Ask the worker to claim no more and to wait for the runs it executes; asked again, it waits no longer."""
        self._stops += 1
        self._wake.put(None)

    def run(self, create_queue=False):
        """Work until stopped. Returns whether every handler has ended. Raises Refused if there is no queue to begin with."""
        queue_id, opened, waits = None, False, backoff()
        threading.Thread(target=self._keep_leases, daemon=True).start()
        while not self._stops:
            try:
                if queue_id is None:
                    queue_id, opened = self._open_queue(create_queue), True
                    log.info("%s waits for runs of the work queue %s at %s", self.name, self.queue_name, self.api.url)
                self._claim(queue_id)
            except (Refused, Unreachable) as error:
                if not opened and isinstance(error, Refused):
                    raise
                log.warning("no runs can be claimed, trying again: %s", error)
                queue_id = None
                self._wait(next(waits), lambda: self._stops)
            else:
                waits = backoff()
                with suppress(queue.Empty):
                    self._wake.get(timeout=self.poll_seconds)
        return self._finish()

    def _open_queue(self, create):
        if create:
            with suppress(Refused):  # it is there already
                self.api.call("/work_queues/", {"name": self.queue_name})
        return self.api.call(f"/work_queues/name/{quote(self.queue_name, safe='')}")["id"]

    def _wait(self, seconds, enough):
        """Wait for `seconds`, or until `enough()`, which is asked first and then whenever a run has ended or a stop was asked for."""
        deadline = time.monotonic() + seconds
        with suppress(queue.Empty):
            while not enough():
                self._wake.get(timeout=max(deadline - time.monotonic(), 0))

    def _claim(self, queue_id):
        free, sent = self.slots - len(self._held), time.monotonic()
        asked = {"limit": free, "lease_seconds": self.lease_seconds, "worker": self.name}
        for claim in self.api.call(f"/work_queues/{queue_id}/claim_runs", asked) if free else ():
            run = self._held[claim["lease_id"]] = Run(claim["flow_run"], claim["lease_id"], renewed=sent)
            threading.Thread(target=self._work, args=(run,), daemon=True, name=run.name).start()

    def _keep_leases(self):
        waits, pause, tick = backoff(), 0, min(1.0, self.lease_seconds / 12)
        while not self._ended.wait(pause):
            pause = tick
            for run in list(self._held.values()):
                if not self._is_safe(run):
                    run.cancel("its lease ran out while the server could not be reached", lost=True)
                sent = time.monotonic()
                # where one heartbeat fails, the others would
                if run.lost or sent - run.renewed < min(LONGEST_HEARTBEAT, self.lease_seconds / 3) or pause > tick:
                    continue
                try:
                    self.api.call(f"/flow_runs/{run.id}/heartbeat", {"lease_id": run.lease_id, "lease_seconds": self.lease_seconds})
                    run.renewed, waits = sent, backoff()
                except Refused as error:
                    run.cancel(error, lost=True)
                except Unreachable as error:
                    log.warning("leases cannot be renewed, trying again: %s", error)
                    pause = tick + min(next(waits), self.lease_seconds / 12)

    def _is_safe(self, run):
        """Whether the lease cannot have run out, nor will while a request is under way."""
        return time.monotonic() - run.renewed < self.lease_seconds - self.api.timeout

    def _work(self, run):
        current.set(run)
        ended = self._given_back
        try:
            with suppress(Cancelled):
                self._start(run)
                ended = self.handler(run)
            self._report(run, ended)
        except (Refused, Unreachable) as error:
            log.warning("no more is reported on the run: %s", error)
        except Exception:
            log.exception("the worker failed, and leaves the run to its lease")
        finally:
            del self._held[run.lease_id]
            self._wake.put(None)

    def _start(self, run):
        """Let the run be RUNNING. Raises Refused, Unreachable, and Cancelled if the worker is stopped before."""
        while not self._stops:
            answer = self._propose(run, state("RUNNING", f"Started by {self.name}"))
            if answer["status"] == "ACCEPT":
                return log.info("started")
            if answer["status"] != "WAIT":
                raise Refused(answer["status"], answer["details"]["reason"])
            log.info("not started yet: %s", answer["details"]["reason"])
            run.cancelled.wait(answer["details"]["delay_seconds"])
            run.raise_if_cancelled()
        raise Cancelled

    def _report(self, run, ended):
        run.reporting = True
        if run.lost:
            return log.warning("stopped: %s", run.reason)
        answer = self._propose(run, ended)
        log.info("%s %s", ended["type"], (ended["message"] or "") if answer["status"] == "ACCEPT" else answer["details"]["reason"])

    def _propose(self, run, proposed) -> dict:
        """What the server answers to a state, asked until it answers or the lease may be over. Raises Refused, Unreachable."""
        path, waits = f"/flow_runs/{run.id}", backoff()
        while True:
            try:
                return self.api.call(f"{path}/set_state", {"lease_id": run.lease_id, "state": proposed})
            except Unreachable as error:
                if self._ended.is_set() or not self._is_safe(run):
                    raise
                log.warning("the state is not set, trying again: %s", error)
            self._ended.wait(next(waits))
            # it may have been entered, and only the answer lost
            with suppress(Unreachable):
                now = self.api.call(path)["state"]
                if all(now[member] == proposed[member] for member in ("type", "message")):
                    return {"status": "ACCEPT"}

    def _finish(self):
        """Wait for the runs that are executed, stop those that take too long, and give them back. Returns whether all handlers ended."""
        log.info("stopping; runs that are executed: %d", len(self._held))
        self._wait(self.grace_seconds, lambda: not self._held or self._stops > 1)
        for run in list(self._held.values()):
            run.cancel("the worker is being stopped")
        self._wait(ENDING, lambda: not self._held)
        self._ended.set()
        for run in list(self._held.values()):
            log.warning("%s does not stop, and ends with this process", run.name)
            with suppress(Refused, Unreachable):
                self._report(run, self._given_back)
        return not self._held

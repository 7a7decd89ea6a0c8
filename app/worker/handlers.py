"""What executes a run, and returns the state in which it ended or raises Cancelled: a Python function or a shell command."""

import importlib
import inspect
import json
import logging
import os
import signal
import threading
import time
from contextlib import suppress
from contextvars import ContextVar, copy_context
from operator import attrgetter
from subprocess import DEVNULL, PIPE, STDOUT, Popen

log = logging.getLogger("worker")
current = ContextVar("run", default=None)
current_run = current.get

LONGEST_MESSAGE, LONGEST_LINE, LONGEST_RESULT = 2_000, 64_000, 256_000
KILL_AFTER = 5.0  # seconds that a command has between SIGTERM and SIGKILL


class Cancelled(Exception):
    """The run is to stop before it is done"""


class Run:
    """A claimed run. For handlers: `document` is all that the API says of it, `cancelled` an Event that tells them to stop."""

    def __init__(self, flow_run, lease_id, renewed):
        self.document, self.lease_id, self.renewed = flow_run, lease_id, renewed
        self.id, self.name, self.parameters = flow_run["id"], flow_run["name"], flow_run["parameters"]
        self.cancelled, self.reason = threading.Event(), None
        self.lost = self.reporting = False  # whether it is not the worker's any more, and whether its end is being reported

    def raise_if_cancelled(self):
        """Raise Cancelled if the run is to stop."""
        if self.cancelled.is_set():
            raise Cancelled(self.reason)

    def cancel(self, reason, lost=False):
        """Tell the handler to stop. The first reason counts."""
        # a lease also ends with the state that is being reported
        if not self.reporting:
            self.lost, self.reason = lost or self.lost, self.reason or str(reason)
            self.cancelled.set()


def load(reference):
    """The callable that `package.module:function` names. Raises ValueError, saying what is wrong with it."""
    module, _, path = reference.partition(":")
    try:
        found = attrgetter(path)(importlib.import_module(module))
    except Exception as error:
        raise ValueError(f"{reference!r} cannot be loaded as package.module:function: {type(error).__name__}: {error}") from error
    if not callable(found) or inspect.iscoroutinefunction(found):
        raise ValueError(f"{reference} is not a function that can be called without `await`.")
    return found


def call(function, run):
    """Call `function` with the run's parameters as keyword arguments. What it returns is kept, if it is JSON."""
    try:
        result = function(**run.parameters)
    except BaseException as error:  # SystemExit, too, ends the run and not the worker
        run.raise_if_cancelled()
        log.exception("the handler failed")
        return state("FAILED", f"{type(error).__name__}: {error}")
    try:
        if len(blob := json.dumps(result, allow_nan=False)) > LONGEST_RESULT:
            raise ValueError(f"it has {len(blob):,} characters of JSON, and {LONGEST_RESULT:,} are allowed")
    except (TypeError, ValueError, RecursionError) as error:
        return state("COMPLETED", f"The result is not kept: {error}")
    return state("COMPLETED") | ({} if result is None else {"data": {"encoding": "json", "blob": blob}})


def run_command(text, environ, run):
    """Run the shell command `text` with the variables `environ` and those of the run, in a process group of its own."""
    variables = {"MINTAKA_RUN_ID": run.id, "MINTAKA_RUN_NAME": run.name, "MINTAKA_PARAMETERS": json.dumps(run.parameters)}
    try:
        process = Popen(text, shell=True, env=environ | variables, process_group=0, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
    except OSError as error:
        return state("FAILED", f"The command cannot be started: {error}")
    said, pause = [""], 0.001
    reader = threading.Thread(target=copy_context().run, args=(_read, process.stdout, said), daemon=True, name=run.name)
    reader.start()
    while process.poll() is None and not run.cancelled.wait(pause):
        pause = min(pause * 1.5, 0.1)
    if process.returncode is None:
        _end(process)
        run.raise_if_cancelled()
    # what it left behind in the background may hold its output open
    reader.join(1.0)
    code = process.wait()
    how = f"exit code {code}" if code >= 0 else f"ended by signal {-code} ({signal.strsignal(-code)})"
    return state("COMPLETED", how) if code == 0 else state("FAILED", f"{how}: {said[0]}" if said[0] else how)


def _end(process):
    """End the process group of `process`, by force if it takes longer than KILL_AFTER."""
    deadline = time.monotonic() + KILL_AFTER
    with suppress(ProcessLookupError):  # nobody is left in it
        os.killpg(process.pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            process.poll()
            os.killpg(process.pid, 0)
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read(stream, said):
    """Log the lines of `stream`; the last that is not empty is kept in `said`."""
    with stream:
        for line in iter(lambda: stream.readline(LONGEST_LINE), b""):
            text = line.decode(errors="replace").rstrip()
            log.getChild("command").info("%s", text)
            said[0] = text or said[0]


def state(type, message=None):
    """A state to propose. The server takes neither NUL nor half of a surrogate pair in its message."""
    return {"type": type, "message": message and message[:LONGEST_MESSAGE].replace("\0", "\ufffd").encode(errors="replace").decode()}

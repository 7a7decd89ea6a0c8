"""`mintaka serve`: a whole Mintaka on one machine, for a first look, a laptop or a small installation."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
from importlib.resources import files

import click
from flask.cli import with_appcontext

from app.addresses import tcp_addresses, unusable
from app.cli.command_group import Failed, StandaloneCommand, mintaka
from app.cli.db import prepare_folder
from app.cli.signals import stop_signals
from app.db import migrate

log = logging.getLogger("mintaka.serve")

# Seconds between a child's death and its being noticed
CHECK_EVERY = 0.2
# What a child is given on top of gunicorn's own graceful timeout, before it is killed
MARGIN = 5.0

# By path: by name, another `app` in the current directory would be found
PROGRAM = (sys.executable, str(files("app").joinpath("__main__.py")))
WEB = (*PROGRAM, "web")
SCHEDULER = (*PROGRAM, "scheduler", "run")


# From Linux' <sys/prctl.h>: the signal that a process is sent when its parent has ended
PR_SET_PDEATHSIG = 1


def _end_with_parent():
    """Have this process, a child that has just been made, stop when its parent is killed. Only Linux can."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _start(command):
    # In a process group of its own: a terminal sends Ctrl-C to the whole foreground group, and gunicorn takes SIGINT as "at once".
    prepare = _end_with_parent if sys.platform == "linux" else None
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=prepare)


def _end(children, patience):
    """Ask every child to finish, and kill with all its descendants what has not finished `patience` seconds later."""
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def supervise(commands, patience, wanted=lambda: True):
    """Run `commands`, a mapping of names to argument lists, side by side.

    Returns 0 after SIGINT or SIGTERM, or when `wanted()` turns false; 1 when a command ended of itself. None is left running.
    """
    with stop_signals() as stop:
        children = {}
        try:
            for name, command in commands.items():
                children[name] = _start(command)
            while wanted():
                ended = [(name, child.returncode) for name, child in children.items() if child.poll() is not None]
                for name, code in ended:
                    log.error("%s ended with exit code %d; stopping the rest", name, code)
                if ended:
                    return 1
                if stop.wait(CHECK_EVERY):
                    return 0
            return 0
        finally:
            _end(children.values(), patience)


@click.command(cls=StandaloneCommand)
@click.option("--exit-with-parent", is_flag=True, help="Stop, too, when the process that started this command ends.")
@with_appcontext
def serve(exit_with_parent):
    """Migrate the database, then serve and schedule until stopped.

    gunicorn and one scheduler run side by side, as children of this command. SIGINT (Ctrl-C) and SIGTERM stop both, after the requests in
    flight were answered. When one of them ends of itself, the other is stopped and the exit code is 1.

    \b
    Examples:
      mintaka serve
      MINTAKA_BIND=0.0.0.0:4200 MINTAKA_WORKERS=4 mintaka serve
    """
    parent = os.getppid()
    parts = mintaka()
    if reason := unusable(tcp_addresses(parts.settings.bind)):
        raise Failed(reason)
    prepare_folder(parts)
    migrate.upgrade(parts.database)
    # the children have connections of their own
    parts.database.dispose()
    sys.exit(
        supervise(
            {"web": WEB, "scheduler": SCHEDULER},
            patience=parts.settings.graceful_timeout + MARGIN,
            wanted=lambda: not exit_with_parent or os.getppid() == parent,
        )
    )

"""`worker start`: the command that claims runs and executes them."""

import logging
import os
import signal
import socket
import sys
from functools import partial

import click

from app.worker.api import Api, Refused
from app.worker.handlers import call, load, run_command
from app.worker.logs import RunLogs
from app.worker.worker import Worker


@click.group()
def worker():
    """Execute runs."""


@worker.command()
@click.option("--queue", metavar="NAME", required=True, help="The work queue to claim runs from.")
@click.option("--create-queue", is_flag=True, help="Make the queue if it is missing; it takes the runs of all deployments.")
@click.option("--handler", metavar="MODULE:FUNCTION", help="package.module:function, called with a run's parameters as keyword arguments.")
@click.option("--command", help="A shell command, given a run's parameters as JSON in MINTAKA_PARAMETERS.")
@click.option("--slots", metavar="N", type=click.IntRange(1, 200), default=8, show_default=True, help="Runs that are executed at a time.")
@click.option("--api", metavar="URL", default="http://127.0.0.1:8000/api", envvar="MINTAKA_API_URL", show_default=True, help="The API.")
@click.option("--name", default=lambda: f"{socket.gethostname()}:{os.getpid()}", help="A name for people; host:pid if not given.")
@click.option("--lease-seconds", metavar="N", type=click.IntRange(3, 86_400), default=60, help="How long a dead worker holds a run; 60.")
@click.option("--grace-seconds", metavar="N", type=click.FloatRange(0), default=15.0, help="What runs have to end after a signal; 15.")
@click.option("--poll-seconds", metavar="N", type=click.FloatRange(0.05), default=1.0, help="From one look for due runs to the next; 1.")
def start(queue, create_queue, handler, command, api, lease_seconds, **options):
    """Claim runs of a work queue and execute each with --handler or --command, until stopped.

    MINTAKA_API_KEY, or PREFECT_API_KEY, holds the key for a server that asks for one. After SIGINT (Ctrl-C) or SIGTERM, runs that do not
    end in time are stopped and given back to the queue. A second signal stops them at once.

    \b
    Examples:
      mintaka worker start --queue etl --handler jobs.etl:main
      mintaka worker start --queue etl --create-queue --slots 2 --command 'python etl.py'
    """
    if (handler is None) == (command is None):
        raise click.UsageError("Give --handler or --command, one of them.")
    sys.path.insert(0, os.getcwd())  # where a console command does not look for modules by itself
    try:
        server = Api(api, os.environ.get("MINTAKA_API_KEY") or os.environ.get("PREFECT_API_KEY"), min(10.0, lease_seconds / 3))
        environ = os.environ | {"MINTAKA_API_URL": server.url}
        execute = partial(call, load(handler)) if handler else partial(run_command, command, environ)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    busy = Worker(server, queue, execute, lease_seconds=lease_seconds, **options)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(threadName)s: %(message)s", force=True)
    logging.getLogger().addHandler(logs := RunLogs(server))
    signal.signal(signal.SIGINT, busy.stop)
    signal.signal(signal.SIGTERM, busy.stop)
    try:
        all_ended = busy.run(create_queue)
    except Refused as error:
        hint = "; --create-queue makes it" if error.status == 404 else ""
        raise click.ClickException(f"The work queue {queue!r} at {server.url}: {error}{hint}.") from None
    finally:
        logs.close()
    if not all_ended:
        os._exit(0)  # Python's own end waits for threads that a handler has started

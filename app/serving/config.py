"""How gunicorn serves Mintaka. MINTAKA_* variables set it; gunicorn's own command line wins over them.

`gunicorn wsgi:app` finds these values through gunicorn.conf.py in a checkout; an installed wheel names this module instead:
`gunicorn --config python:app.serving.config wsgi:app`.
"""

import gc
import math
import os
import shutil
import tempfile
from contextlib import suppress
from threading import Thread

from gunicorn import systemd

from app import __version__, tracing
from app.addresses import is_private, tcp_addresses, text_of, unusable
from app.config import InvalidSetting, Settings, share_bind, share_metrics, variables_of
from app.database_location import database_url, read_url
from app.domain.keys import OFF
from app.errors import AppError
from app.logging import server_logging_config

try:
    settings = Settings.from_environ()
    # a worker that cannot start is started again for ever
    database_url(settings)
    read_url(settings)
except InvalidSetting as error:
    raise SystemExit(f"mintaka: {error}") from None

bind = [address.strip() for address in f"{settings.bind},{settings.metrics_bind}".split(",") if address.strip()]
worker_class = "app.serving.worker.Worker"
workers = settings.workers
threads = settings.threads
graceful_timeout = math.ceil(settings.graceful_timeout)

# Each worker builds its own application, and so its own connections: a pool that crosses a fork gives wrong results.
preload_app = False

# A worker that dies is replaced. None is replaced for having answered many requests: that hides leaks and drops connections.
max_requests = 0

# Bytes: a deployment is read by two names of 255 characters, each of which may take twelve in a path
limit_request_line = 8190

# The heartbeat is a file that is touched every second, which on a busy disk can stall long enough for a healthy worker to be killed.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None

# Seconds that an idle connection stays open. A proxy in front should give up sooner than this, or it meets a connection that is closing.
keepalive = 5

# Mintaka logs its requests itself, with the route, the milliseconds and the request id.
accesslog = None
errorlog = "-"
loglevel = settings.log_level
logconfig_dict = server_logging_config(settings)

# By default gunicorn opens a socket in the user's home folder, through which whoever reaches it can stop the server.
control_socket_disable = True

# Only a proxy on this machine is believed about the scheme that the client used.
# One elsewhere is named by FORWARDED_ALLOW_IPS or --forwarded-allow-ips, which are gunicorn's own.


def on_starting(server):
    """Say in one line which address is taken; gunicorn tries five times, and names no setting."""
    inherited = server.LISTENERS or server.master_pid or server.cfg.reuse_port or systemd.listen_fds(unset_environment=False)
    if not inherited and (reason := unusable(address for address in server.cfg.address if isinstance(address, tuple))):
        raise SystemExit(f"mintaka: {reason}")
    server.metrics_folder = tempfile.mkdtemp(prefix="mintaka-metrics-", dir=worker_tmp_dir)
    server.metrics_slots = {}
    share_metrics(server.metrics_folder)


def pre_fork(server, worker):
    """Give a worker the metrics that one which has ended left, so that their files do not grow in number and their counts go on."""
    taken = set(server.metrics_slots.values())
    worker.metrics_slot = next(slot for slot in range(len(taken) + 1) if slot not in taken)
    server.metrics_slots[worker] = worker.metrics_slot


def post_fork(server, worker):
    """Tell the application which metrics are its own. Start what sends traces: its thread would not get across the fork."""
    share_metrics(server.metrics_folder, worker.metrics_slot)
    tracing.start(variables_of("OTEL"), __version__)


def worker_exit(server, worker):
    """Send the last traces."""
    tracing.stop()


def child_exit(server, worker):
    """Let another worker have the metrics of one that has ended."""
    from app.metrics import forget_process

    slot = server.metrics_slots.pop(worker, None)
    if slot is not None:
        forget_process(server.metrics_folder, slot)


def on_exit(server):
    """Delete the metrics."""
    shutil.rmtree(server.metrics_folder, ignore_errors=True)


def when_ready(server):
    """Say where to look, once the port is really ours, and tell the workers what is listened on: they ask for keys or not by that."""
    own = set(tcp_addresses(settings.metrics_bind))
    names = [listener.sock.getsockname() for listener in server.LISTENERS] or server.cfg.address
    listened = ",".join(text_of(name) for name in names if name[:2] not in own)
    share_bind(listened)
    if not is_private(listened):
        if settings.auth == OFF:
            server.log.warning("MINTAKA_AUTH is off: whoever reaches %s may read and change everything", listened)
        elif server.cfg.preload_app and not settings.asks_for_keys:
            raise SystemExit(f"mintaka: {listened} is not loopback, and API keys are off. Set MINTAKA_AUTH=on, or MINTAKA_BIND.")
    for listener in server.LISTENERS:
        url = str(listener)
        server.log.info("The API is at %s/api and Swagger UI at %s/api/docs", url, url)
    if reason := tracing.unusable(variables_of("OTEL")):
        server.log.warning("%s", reason)
    elif server.cfg.preload_app and tracing.exporters(variables_of("OTEL")):
        server.log.warning("There are no traces with --preload: each worker has to load the application")


def post_worker_init(worker):
    """Keep the garbage collector away from what a worker has loaded, which is there to stay: to look through it takes 50 ms each time,
    in the middle of somebody's request."""
    gc.collect()
    gc.freeze()
    if worker.age == 1:
        # it serves meanwhile, also where the database does not answer
        Thread(target=_tell_how_to_begin, args=(worker.wsgi.extensions["mintaka"], worker.log), daemon=True).start()


def _tell_how_to_begin(parts, log):
    with suppress(AppError):
        if parts.settings.asks_for_keys and parts.keys.are_none():
            log.warning("Requests need an API key, and there is none yet: `mintaka keys create NAME --scope admin` makes the first")

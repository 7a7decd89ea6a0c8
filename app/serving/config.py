"""How gunicorn serves Mintaka. MINTAKA_* variables set it; gunicorn's own command line wins over them.

`gunicorn wsgi:app` finds these values through gunicorn.conf.py in a checkout; an installed wheel names this module instead:
`gunicorn --config python:app.serving.config wsgi:app`.
"""

import gc
import math
import os
import shutil
import tempfile

from gunicorn import systemd

from app import __version__, tracing
from app.addresses import unusable
from app.config import InvalidSetting, Settings, share_metrics, variables_of
from app.database_location import database_url, read_url
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
    """Say where to look, once the port is really ours."""
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

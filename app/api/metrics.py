"""`GET /metrics`, for Prometheus."""

import time
from functools import cache

from flask import Blueprint, Response, abort, current_app, request

from app.addresses import tcp_addresses
from app.api.http import in_transaction, needs, parts, unit_of_work
from app.api.http.authentication import is_local, is_on, listener
from app.errors import AppError
from app.metrics import CONTENT_TYPE, Facts
from app.repositories.heartbeats import SCHEDULER

PATH = "/metrics"
# Seconds that facts of the database are kept for: several scrapers ask it once
FRESH = 5.0

blueprint = Blueprint("metrics", __name__)


def is_read_privately():
    """Return whether the request came to MINTAKA_METRICS_BIND or, where that is not set, to loopback and through no proxy."""
    own, asked = _own(parts().settings.metrics_bind), request
    if own:
        return listener(asked) in own
    return not {"X-Forwarded-For", "Forwarded"} & {name for name, _ in asked.headers} and is_local(asked, listener(asked)[0])


@blueprint.get(PATH)
@needs("admin", unless=is_read_privately)
def metrics():
    """Answer what is known, as text for Prometheus; to whom, `check_address` decides."""
    return Response(parts().metrics.exposition(_database_facts()), content_type=CONTENT_TYPE)


def check_address(request, settings):
    """Before every request: let metrics be read on MINTAKA_METRICS_BIND alone, where it is set, and there nothing else.

    Without it they are read on loopback, by who comes through no proxy, and elsewhere by who has a key for them.
    """
    own, asks_for_metrics = _own(settings.metrics_bind), request.path == PATH
    if own:
        if (listener(request) in own) != asks_for_metrics:
            abort(404)
    elif asks_for_metrics and not is_read_privately() and not is_on(request):
        abort(403, "Metrics are read on loopback, or on the address that MINTAKA_METRICS_BIND names.")


@cache
def _own(bind):
    return frozenset(tcp_addresses(bind))


def _database_facts():
    kept = current_app.extensions.setdefault("mintaka.database_facts", {})
    if time.monotonic() - kept.get("at", -FRESH) >= FRESH:
        try:
            facts = in_transaction(_observe, read_only=True) | {"mintaka_database_up": ("Whether the database answers.", 1)}
        except AppError:
            facts = {"mintaka_database_up": ("Whether the database answers.", 0)}
        kept |= {"facts": facts, "at": time.monotonic()}
    return Facts(kept["facts"])


def _observe():
    observation = unit_of_work().observation
    counts, now = observation.counts(), parts().clock()
    queues, lost = observation.overdue_by_queue()
    waited = max((now - counts.oldest).total_seconds(), 0.0) if counts.oldest else 0.0
    return _of_schedulers(now) | {
        "mintaka_flow_runs_late": ("Flow runs that were marked late and still wait.", counts.late),
        "mintaka_flow_runs_overdue": ("Flow runs whose start time has passed and that nobody has started.", counts.overdue),
        "mintaka_flow_runs_oldest_overdue_seconds": ("Seconds since the longest overdue flow run was to start.", waited),
        "mintaka_flow_runs_overdue_by_queue": ("Overdue flow runs of the work queues that have the most of them.", "queue", queues),
        "mintaka_flow_runs_overdue_without_queue": ("Overdue flow runs of deployments that no work queue hands out.", lost),
        "mintaka_leases_held": ("Leases of workers on flow runs.", counts.held),
        "mintaka_leases_expired": ("Leases that have run out and were not taken back yet.", counts.expired),
        "mintaka_schedules_due": ("Schedules whose runs are to be made now.", counts.due),
        "mintaka_deployments_due": ("Deployments that have such a schedule.", counts.deployments),
        "mintaka_schedules_failing": ("Schedules whose runs could not be made the last time.", counts.failing),
        "mintaka_database_table_bytes": ("Bytes that a table takes with its indexes.", "table", observation.table_sizes()),
    }


def _of_schedulers(now):
    schedulers = [one for one in unit_of_work().heartbeats.list() if one["service"] == SCHEDULER]
    alive = sum(not one["silent"] for one in schedulers)
    facts = {"mintaka_schedulers_alive": ("Scheduler processes that made a pass within three of their loops.", alive)}
    if not schedulers:
        return facts
    age = max((now - max(one["last_pass"] for one in schedulers)).total_seconds(), 0.0)
    return facts | {"mintaka_scheduler_last_pass_age_seconds": ("Seconds since any scheduler process made a pass.", age)}

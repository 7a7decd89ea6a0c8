"""Metrics, in the text format of Prometheus.

What a process counts is in `Metrics`; the processes of one gunicorn share a folder of memory-mapped files, so that each answers for all.
What only the database knows is asked when somebody scrapes, by `app.api.metrics`.
"""

from contextlib import contextmanager
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess, start_http_server, values
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import event

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Seconds
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
WAIT_BUCKETS = (0.001, 0.01, 0.1, 0.5, 1, 5, 30)
PASS_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300)

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
OTHER = "other"


class Metrics:
    """What this process counts. `folder` and `slot` name the files of a process that shares them, `folder` None one that does not."""

    def __init__(self, folder=None, slot=None):
        self.folder = folder
        self.registry = CollectorRegistry()
        if folder is not None:
            # by default this is decided when the package is imported, and the files are named by process id: they would grow in number
            values.ValueClass = values.MultiProcessValue(lambda: slot)
        own: Any = {"registry": self.registry}
        request = ["method", "route", "status"]
        self.requests = Counter("mintaka_http_requests", "Requests answered.", request, **own)
        seconds = "Seconds from a request's arrival in the application to its answer."
        self.request_seconds = Histogram(
            "mintaka_http_request_duration_seconds", seconds, ["method", "route"], buckets=REQUEST_BUCKETS, **own
        )
        used = "Connections to the database that are in use."
        self.connections = Gauge("mintaka_database_connections_in_use", used, ["pool"], multiprocess_mode="livesum", **own)
        most = "Connections to the database that may be in use."
        self.connections_max = Gauge("mintaka_database_connections_max", most, ["pool"], multiprocess_mode="livesum", **own)
        waits = "Seconds that a transaction waited for a connection of its pool, or for a new one."
        self.connection_wait = Histogram("mintaka_database_connection_wait_seconds", waits, ["pool"], buckets=WAIT_BUCKETS, **own)
        reads = "Lists, counts and histories, by what the replica was: it answered them, or was left out."
        self.replica_reads = Counter("mintaka_database_replica_reads", reads, ["outcome"], **own)
        self.retries = Counter(
            "mintaka_database_transaction_retries", "Transactions that were run again, after a deadlock and the like.", **own
        )
        self.claims = Counter("mintaka_flow_runs_claimed", "Flow runs that workers were given under a lease.", **own)
        not_started = "Due flow runs that a policy ended: Skipped, Superseded or Missed."
        self.not_started = Counter("mintaka_flow_runs_not_started", not_started, ["reason"], **own)
        decisions = "What was decided about proposed states: accept, reject, wait or abort, and the rule that did."
        self.decisions = Counter("mintaka_state_decisions", decisions, ["kind", "decision", "rule"], **own)
        passes = "Seconds that a pass of what runs beside the web server took."
        self.pass_seconds = Histogram("mintaka_pass_duration_seconds", passes, ["service"], buckets=PASS_BUCKETS, **own)
        self.pass_failures = Counter("mintaka_pass_failures", "Passes that were cut short or failed.", ["service"], **own)
        self.pass_time = Gauge(
            "mintaka_pass_last_success_timestamp_seconds", "When a pass last ended well, in seconds since 1970.", ["service"],
            multiprocess_mode="max", **own,
        )  # fmt: skip
        self.runs_made = Counter("mintaka_scheduler_runs_made", "Runs that the scheduler made of schedules.", **own)
        self.schedule_failures = Counter("mintaka_scheduler_schedule_failures", "Schedules whose runs could not be made.", **own)
        # looking a child up by its labels takes longer than counting with it
        self._requests = {}

    def answered(self, method, route, status, seconds):
        """Count a request. `route` is the rule of its URL, None where none fits."""
        key = method, route, status
        children = self._requests.get(key)
        if children is None:
            labels = method if method in METHODS else OTHER, route or OTHER
            children = self._requests[key] = (self.requests.labels(*labels, str(status)), self.request_seconds.labels(*labels))
            if labels[0] == OTHER:
                # anybody can make up methods without end
                del self._requests[key]
        count, duration = children
        count.inc()
        duration.observe(seconds)

    def follow(self, pool, engine, most):
        """Count the connections of `engine` that are in use, as those of `pool`, which has `most`. Return what to call with
        the seconds that one was waited for.
        """
        used = self.connections.labels(pool)
        self.connections_max.labels(pool).set(most)
        event.listen(engine, "checkout", lambda *connection: used.inc())
        event.listen(engine, "checkin", lambda *connection: used.dec())
        return self.connection_wait.labels(pool).observe

    def timed(self, service, work):
        """Return a function that calls `work()` as a pass of `service` and counts it."""
        seconds, failures = self.pass_seconds.labels(service), self.pass_failures.labels(service)
        last = self.pass_time.labels(service)

        def count():
            began = perf_counter()
            try:
                result = work()
            except Exception:
                failures.inc()
                raise
            seconds.observe(perf_counter() - began)
            last.set_to_current_time()
            return result

        return count

    def exposition(self, *collectors):
        """Return the text of all metrics of all processes that share the folder, and of `collectors`, as bytes."""
        registry = self.registry
        if self.folder is not None:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry, self.folder)
        text = generate_latest(registry)
        for collector in collectors:
            only = CollectorRegistry()
            only.register(collector)
            text += generate_latest(only)
        return text


@contextmanager
def served(metrics, host, port):
    """Answer `/metrics` on an address, by a thread, while the block lasts."""
    server, thread = start_http_server(port, host, metrics.registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def forget_process(folder, slot):
    """Forget what was true of a process only while it lived, in the `slot` of `folder`."""
    multiprocess.mark_process_dead(slot, folder)


class Facts:
    """A collector of facts: {name: (help, value)} or, with a label, {name: (help, label, {value of the label: value})}."""

    def __init__(self, facts):
        self._facts = facts

    def collect(self):
        """Yield the families of metrics."""
        for name, (help, *rest) in self._facts.items():
            if len(rest) == 1:
                yield GaugeMetricFamily(name, help, value=rest[0])
            else:
                label, samples = rest
                family = GaugeMetricFamily(name, help, labels=[label])
                for value, number in samples.items():
                    family.add_metric([value], number)
                yield family

"""Traces of requests, by OpenTelemetry, for whoever asks for them by its OTEL_* variables.

It is an extra (`mintaka[otel]`) and takes long to load; so nothing of it is imported before `start`. Beside `exporters`, what may be set is
read by OpenTelemetry itself: sampling, batches, headers, certificates, attributes.
"""

from importlib.metadata import entry_points

GROUP = "opentelemetry_traces_exporter"

# By OpenTelemetry's specification: each says where traces are to be sent; how; and, by name, what is not to be instrumented
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
FLASK, SQLALCHEMY, PSYCOPG2 = "flask", "sqlalchemy", "psycopg2"

_provider = None
_disabled = frozenset()
# of the current span, by OpenTelemetry's API once it is there
_current_context = None


def exporters(variables):
    """Return the names of the exporters by which OTEL_* `variables` ask to send traces; none where they ask for no traces."""
    named = _words(variables.get("OTEL_TRACES_EXPORTER", ""))
    if not named and any(map(variables.get, ENDPOINTS)):
        named = ["otlp"]
    if "none" in named or variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    protocol = next(filter(None, map(variables.get, PROTOCOLS)), "http/protobuf")
    otlp = "otlp_proto_grpc" if protocol.strip() == "grpc" else "otlp_proto_http"
    return [otlp if name == "otlp" else name for name in named]


def _words(text):
    return [word.strip() for word in text.split(",") if word.strip()]


def unusable(variables):
    """Return why the traces that OTEL_* `variables` ask for cannot be sent, as a sentence; None where they can be, or there are none."""
    wanted = exporters(variables)
    if not wanted:
        return None
    try:
        import greenlet  # noqa: F401
        from opentelemetry.instrumentation import flask, psycopg2, sqlalchemy  # noqa: F401
        from opentelemetry.sdk import trace  # noqa: F401
    except ImportError:
        return "OTEL_* variables ask for traces, which take the packages of mintaka[otel]; there are none without them"
    known = {point.name for point in entry_points(group=GROUP)}
    if missing := sorted(set(wanted) - known):
        return f"There are no traces: no exporter {', '.join(missing)} of OpenTelemetry is installed, only {', '.join(sorted(known))}"
    return None


def start(variables, version):
    """Send traces of this process from now on, if OTEL_* `variables` ask for them and `unusable` has nothing to say. It is not to fork
    afterwards.
    """
    global _provider, _disabled, _current_context
    wanted, disabled = exporters(variables), frozenset(_words(variables.get(DISABLED, "")))
    if not wanted or _provider is not None or unusable(variables):
        return
    from opentelemetry import trace
    from opentelemetry.instrumentation.psycopg2 import Psycopg2Instrumentor
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create()
    own = {SERVICE_VERSION: version}
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        own[SERVICE_NAME] = "mintaka"
    provider = TracerProvider(resource=resource.merge(Resource(own)), shutdown_on_exit=False)
    for point in entry_points(group=GROUP):
        if point.name in wanted:
            provider.add_span_processor(BatchSpanProcessor(point.load()()))
    trace.set_tracer_provider(provider)
    if SQLALCHEMY not in disabled:
        # it says that it is not for SQLAlchemy 2.1: our tests say that it is
        SQLAlchemyInstrumentor().instrument(skip_dep_check=True)
    if PSYCOPG2 not in disabled:
        Psycopg2Instrumentor().instrument()
    _provider, _disabled = provider, disabled

    def current_context():
        return trace.get_current_span().get_span_context()

    _current_context = current_context


def instrument(app):
    """Make a span of each request of the Flask application `app`, if traces are sent. No other `before_request` may come before it."""
    if _provider is None or FLASK in _disabled:
        return
    from opentelemetry.instrumentation.flask import FlaskInstrumentor

    # no comments in SQL: they would make a statement of its own of each request
    FlaskInstrumentor().instrument_app(app, enable_commenter=False)


def current():
    """Return the ids of the trace and the span that this thread is in, as W3C's Trace Context writes them, or None."""
    context = _current_context() if _current_context is not None else None
    if context is None or not context.is_valid:
        return None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def stop():
    """Send what has not been sent, and no more. A receiver that is silent is given up after OTEL_EXPORTER_OTLP_TIMEOUT."""
    if _provider is not None:
        _provider.shutdown()

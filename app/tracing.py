"""Traces of requests, by OpenTelemetry, for whoever asks for them by its OTEL_* variables.

It is an extra (`mintaka[otel]`) and takes long to load; so nothing of it is imported before `start`. What may be set, beside what
`app.config.traces_exporters` reads, is read by OpenTelemetry itself: sampling, batches, headers, certificates, attributes.
"""

from importlib.metadata import entry_points

GROUP = "opentelemetry_traces_exporter"

# What is instrumented, by the names that OTEL_PYTHON_DISABLED_INSTRUMENTATIONS knows
FLASK, SQLALCHEMY, PSYCOPG2 = "flask", "sqlalchemy", "psycopg2"

_provider = None
_disabled = frozenset()
# of the current span, by OpenTelemetry's API once it is there
_current_context = None


def unusable(exporters):
    """Return why traces cannot be sent by `exporters`, as a sentence, or None."""
    try:
        import greenlet  # noqa: F401
        from opentelemetry.instrumentation import flask, psycopg2, sqlalchemy  # noqa: F401
        from opentelemetry.sdk import trace  # noqa: F401
    except ImportError:
        return "OTEL_* variables ask for traces, which take the packages of mintaka[otel]; there are none without them"
    known = {point.name for point in entry_points(group=GROUP)}
    if missing := sorted(set(exporters) - known):
        return f"There are no traces: no exporter {', '.join(missing)} of OpenTelemetry is installed, only {', '.join(sorted(known))}"
    return None


def start(exporters, version, disabled=()):
    """Send traces of this process from now on, unless `unusable` says why not. It is not to fork afterwards.

    `exporters` are names of entry points, `disabled` names of what is not to be instrumented.
    """
    global _provider, _disabled, _current_context
    if not exporters or _provider is not None or unusable(exporters):
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
        if point.name in exporters:
            provider.add_span_processor(BatchSpanProcessor(point.load()()))
    trace.set_tracer_provider(provider)
    if SQLALCHEMY not in disabled:
        # it says that it is not for SQLAlchemy 2.1: our tests say that it is
        SQLAlchemyInstrumentor().instrument(skip_dep_check=True)
    if PSYCOPG2 not in disabled:
        Psycopg2Instrumentor().instrument()
    _provider, _disabled = provider, frozenset(disabled)

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

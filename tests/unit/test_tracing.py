"""When traces are made, and that nothing of OpenTelemetry is loaded otherwise."""

import json
import logging
import os
import subprocess
import sys

import pytest

from app import tracing
from tests.serving import ROOT

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, []),
        ({"OTEL_SERVICE_NAME": "mine"}, []),
        ({ENDPOINT: ""}, []),
        ({ENDPOINT: "http://x:4318"}, ["otlp_proto_http"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x:4318/v1/traces"}, ["otlp_proto_http"]),
        ({ENDPOINT: "http://x:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ["otlp_proto_grpc"]),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ["otlp_proto_http"]),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, ["console", "otlp_proto_http"]),
        ({"OTEL_TRACES_EXPORTER": "none", ENDPOINT: "http://x:4318"}, []),
        ({"OTEL_SDK_DISABLED": "True", ENDPOINT: "http://x:4318"}, []),
    ],
)
def test_the_standard_variables_say_whether_there_are_traces(variables, expected):
    assert tracing.exporters(variables) == expected
    if not expected:
        assert tracing.unusable(variables) is None


def test_an_exporter_that_is_not_installed_is_named():
    assert tracing.unusable({"OTEL_TRACES_EXPORTER": "otlp,console"}) is None
    assert "no exporter zipkin of OpenTelemetry is installed, only console" in tracing.unusable({"OTEL_TRACES_EXPORTER": "otlp,zipkin"})


def test_without_the_packages_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation", None)
    assert "mintaka[otel]" in tracing.unusable({"OTEL_TRACES_EXPORTER": "otlp"})


SERVED = """
import json, logging, sys
from types import SimpleNamespace
from app.serving import config
server = SimpleNamespace(metrics_folder=None)
config.post_fork(server, SimpleNamespace(metrics_slot=None))
from app import create_app
client = create_app().test_client()
logging.config.dictConfig(config.logconfig_dict)
assert client.get("/api/hello").status_code == 200
config.worker_exit(server, None)
print(json.dumps(sorted(name for name in sys.modules if name.startswith("opentelemetry"))[:1]))
"""


def served(folder, **variables):
    """What a server printed and logged that answered one request, and whether it had loaded anything of OpenTelemetry."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | variables
    given["MINTAKA_DATABASE_URL"] = f"sqlite:///{folder / 'none.db'}"
    done = subprocess.run([sys.executable, "-c", SERVED], cwd=ROOT, env=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    printed, _, loaded = done.stdout.strip().rpartition("\n")
    return printed, done.stderr, bool(json.loads(loaded))


def test_a_server_loads_nothing_of_opentelemetry_unless_it_is_asked_to(tmp_path):
    printed, logged, has_loaded = served(tmp_path, OTEL_SERVICE_NAME="mine")
    assert (printed, has_loaded) == ("", False)
    assert "trace_id" not in logged


@pytest.mark.slow
def test_a_request_is_a_span_unless_that_is_not_wanted(tmp_path):
    printed, logged, has_loaded = served(tmp_path, OTEL_TRACES_EXPORTER="console")
    assert has_loaded
    assert f" trace_id={json.loads(printed)['context']['trace_id'].removeprefix('0x')}\n" in logged
    printed, logged, _ = served(tmp_path, OTEL_TRACES_EXPORTER="console", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="psycopg2, flask")
    assert printed == ""
    assert "trace_id" not in logged


def test_a_thread_that_is_in_no_trace_says_none():
    assert tracing.current() is None
    assert logging.getLogger("mintaka").filters == []

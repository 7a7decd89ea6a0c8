"""When traces are made, and that nothing of OpenTelemetry is loaded otherwise."""

import json
import logging
import os
import subprocess
import sys

import pytest

from app import tracing
from app.config import disabled_instrumentations, traces_exporters
from tests.serving import ROOT

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture(autouse=True)
def without_variables(monkeypatch):
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ()),
        ({"OTEL_SERVICE_NAME": "mine"}, ()),
        ({ENDPOINT: ""}, ()),
        ({ENDPOINT: "http://x:4318"}, ("otlp_proto_http",)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x:4318/v1/traces"}, ("otlp_proto_http",)),
        ({ENDPOINT: "http://x:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ("otlp_proto_grpc",)),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ("otlp_proto_http",)),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, ("console", "otlp_proto_http")),
        ({"OTEL_TRACES_EXPORTER": "none", ENDPOINT: "http://x:4318"}, ()),
        ({"OTEL_SDK_DISABLED": "True", ENDPOINT: "http://x:4318"}, ()),
    ],
)
def test_the_standard_variables_say_whether_there_are_traces(monkeypatch, variables, expected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert traces_exporters() == expected


def test_what_is_not_to_be_instrumented_can_be_named(monkeypatch):
    assert disabled_instrumentations() == ()
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "psycopg2, flask")
    assert disabled_instrumentations() == ("psycopg2", "flask")


def test_an_exporter_that_is_not_installed_is_named():
    assert tracing.unusable(["otlp_proto_http", "console"]) is None
    assert "no exporter zipkin of OpenTelemetry is installed, only console" in tracing.unusable(["otlp_proto_http", "zipkin"])


def test_without_the_packages_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation", None)
    assert "mintaka[otel]" in tracing.unusable(["otlp_proto_http"])


SERVED = """
import json, logging, sys
from types import SimpleNamespace
from app.serving import config
server = SimpleNamespace(metrics_folder=None)
config.post_fork(server, SimpleNamespace(metrics_slot=None))
from app import create_app
client = create_app().test_client()
handled = logging.getLogger("mintaka.request")
logging.config.dictConfig(config.logconfig_dict)
assert client.get("/api/hello").status_code == 200
config.worker_exit(server, None)
print(json.dumps(sorted(name for name in sys.modules if name.startswith("opentelemetry"))[:1]))
"""


@pytest.mark.parametrize("exporter", ["none", pytest.param("console", marks=pytest.mark.slow)])
def test_a_server_loads_opentelemetry_only_where_it_is_asked_to(tmp_path, exporter):
    variables = os.environ | {"OTEL_TRACES_EXPORTER": exporter, "MINTAKA_DATABASE_URL": f"sqlite:///{tmp_path / 'none.db'}"}
    command = [sys.executable, "-c", SERVED]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    *spans, loaded = done.stdout.strip().rpartition("\n")[::2]
    if exporter == "none":
        assert json.loads(loaded) == []
        assert "trace_id" not in done.stderr
    else:
        trace = json.loads(spans[0])["context"]["trace_id"].removeprefix("0x")
        assert f" trace_id={trace}\n" in done.stderr


def test_a_thread_that_is_in_no_trace_says_none():
    assert tracing.current() is None
    assert logging.getLogger("mintaka").filters == []

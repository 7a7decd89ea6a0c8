"""Traces of a real server, as a receiver gets them by OpenTelemetry's protocol."""

import gzip
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from tests.serving import wait_until

pytestmark = pytest.mark.slow

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Receiver(ThreadingHTTPServer):
    """Keeps the spans that it is sent, as (resource attributes, span), and what it was sent by."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.spans, self.senders = [], set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        body = self.rfile.read(int(self.headers["Content-Length"]))
        sent = ExportTraceServiceRequest.FromString(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
        for group in sent.resource_spans:
            resource = attributes(group.resource)
            self.server.spans += [(resource, span) for scope in group.scope_spans for span in scope.spans]
        self.server.senders.add((self.path, self.headers["Authorization"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


def attributes(thing):
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in thing.attributes}


@contextmanager
def receiving():
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


def traced(receiver, trace):
    return [span for _, span in list(receiver.spans) if span.trace_id.hex() == trace]


def test_a_request_continues_its_callers_trace_down_to_the_statements_in_the_log_too(gunicorn_server, database_url, monkeypatch):
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        # later than the test takes: what arrives is what is sent at the end
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
        server = gunicorn_server(database_url, workers=2, log_format="json")
        made = requests.post(f"{server.api}/flows/", json={"name": "f"}, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}, timeout=30)
        assert made.status_code == 201
        # without a caller's, a request begins a trace; one that is refused before its view is one, too
        refused = [
            requests.post(f"{server.api}/flows/filter", data="{}", timeout=30),
            requests.get(f"{server.api}/nowhere", timeout=30),
        ]
        assert [answer.status_code for answer in refused] == [415, 404]
        assert server.stop() == 0
        spans = traced(receiver, TRACE)
        [request] = [span for span in spans if span.parent_span_id.hex() == PARENT]
        facts = attributes(request)
        assert (request.name, facts["http.route"], facts["http.status_code"]) == ("POST /api/flows/", "/api/flows/", 201)
        statements = [attributes(span)["db.statement"] for span in spans if "db.statement" in attributes(span)]
        assert any("INSERT INTO flow " in statement for statement in statements)
        assert {span.parent_span_id for span in spans} <= {request.parent_span_id} | {span.span_id for span in spans}
        others = {attributes(span)["http.status_code"]: span for _, span in receiver.spans if not span.parent_span_id}
        assert {415, 404} <= others.keys()
        assert TRACE not in {span.trace_id.hex() for span in others.values()}
        for resource, _ in receiver.spans:
            assert (resource["service.name"], resource["service.version"]) == ("mintaka", "0.1.0")
            assert resource["deployment.environment.name"] == "test"
        assert receiver.senders == {("/v1/traces", "Bearer x")}
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
        [line] = [line for line in lines if line.get("route") == "/api/flows/"]
        assert (line["trace_id"], line["span_id"]) == (TRACE, request.span_id.hex())
        assert {line["level"] for line in lines} <= {"info"}


def test_a_receiver_that_is_gone_keeps_nobody_waiting(gunicorn_server, sqlite_url, monkeypatch):
    with receiving() as receiver:
        gone = receiver.url
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", gone)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    # the server's own variable is all that it goes by
    server = gunicorn_server(sqlite_url, workers=1)
    assert [requests.post(f"{server.api}/flows/count", json={}, timeout=30).json() for _ in range(20)] == [0] * 20
    wait_until(lambda: "opentelemetry" in server.log.read_text(), "the log says that traces cannot be sent")
    assert " trace_id=" in server.log.read_text()
    assert server.stop() == 0

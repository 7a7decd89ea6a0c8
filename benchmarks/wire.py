"""Talking to a server that is measured: one request at a time, or as many as eight clients get through (wrk)."""

import http.client
import json
import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).parent
PATIENCE = 120  # seconds


class Api:
    """The API at `base`: `api(method, path, body)` returns the JSON of the answer, and raises RuntimeError for any but a 2xx.

    Each thread keeps a connection of its own.
    """

    def __init__(self, base):
        self.base = base.rstrip("/")
        self.host, self.prefix = urlsplit(self.base).netloc, urlsplit(self.base).path
        self.local = threading.local()

    def __call__(self, method, path, body=None):
        data = None if body is None else json.dumps(body)
        response = self._answer(method, self.prefix + path, data)
        text = response.read()
        if not 200 <= response.status < 300:
            raise RuntimeError(f"{method} {path}: {response.status} {text[:400]!r}")
        return json.loads(text) if text else None

    def _answer(self, method, path, data):
        headers = {"Content-Type": "application/json"}
        if connection := getattr(self.local, "connection", None):
            try:
                connection.request(method, path, data, headers)
                return connection.getresponse()
            except (http.client.RemoteDisconnected, ConnectionError):
                # the server closes connections that nobody used for a while; this one was closed before it got the request
                connection.close()
        self.local.connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        self.local.connection.request(method, path, data, headers)
        return self.local.connection.getresponse()


def wrk(api, requests, seconds, connections):
    """Send `requests`, tuples of method, path and body, over and over through `connections` keep-alive connections.

    Returns a mapping of `rate` (requests per second), `p50_ms`, `p99_ms` and `errors` (answers that are no 2xx or 3xx, or none at all).
    A @@ in a path or body becomes a number that is never used twice.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        for method, path, body in requests:
            file.write(f"{method}\t{api.prefix}{path}\t{'' if body is None else json.dumps(body)}\n")
        file.flush()
        load = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
        command = ["wrk", *load, "-s", str(HERE / "replay.lua"), f"http://{api.host}"]
        run = subprocess.run(command, env=os.environ | {"REPLAY_FILE": file.name}, capture_output=True, text=True)
    row = next((line.split() for line in run.stdout.splitlines() if line.startswith("RESULT")), None)
    if row is None:
        raise RuntimeError(run.stdout + run.stderr)
    return {"rate": float(row[1]), "p50_ms": float(row[2]), "p99_ms": float(row[3]), "errors": int(row[4])}


def drain(api, limit=90):
    """Wait until requests that wrk abandoned are off the server: three quick answers in a row."""
    quick, deadline = 0, time.perf_counter() + limit
    while quick < 3 and time.perf_counter() < deadline:
        began = time.perf_counter()
        api("POST", "/flows/count", {})
        quick = quick + 1 if time.perf_counter() - began < 0.1 else 0
        time.sleep(0.05)

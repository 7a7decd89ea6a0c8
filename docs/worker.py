"""A worker: claims runs of a work queue and runs a program for each, with the run's parameters as JSON on its standard input.

python worker.py http://127.0.0.1:8000/api QUEUE PROGRAM [ARGUMENT ...]
"""

import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

API, QUEUE, *PROGRAM = sys.argv[1:]
LEASE = 30  # seconds after which the run is given to another, should this worker die


def call(path, body=None):
    """The server's answer, asked for again until there is one. Raises HTTPError when it refuses."""
    data = None if body is None else json.dumps(body).encode()
    while True:
        try:
            with urlopen(Request(API + path, data, {"Content-Type": "application/json"}), timeout=10) as answer:
                return json.load(answer)
        except (OSError, HTTPException) as error:
            if isinstance(error, HTTPError) and error.code < 500:
                raise
            print(f"trying again: {error!r}", file=sys.stderr)
            time.sleep(1)


def execute(claim):
    run, lease = claim["flow_run"], {"lease_id": claim["lease_id"]}
    path = f"/flow_runs/{run['id']}"
    if call(f"{path}/set_state", lease | {"state": {"type": "RUNNING"}})["status"] != "ACCEPT":
        return
    with tempfile.TemporaryFile("w+") as given:
        json.dump(run["parameters"], given)
        given.seek(0)
        with subprocess.Popen(PROGRAM, stdin=given) as process:
            try:
                while process.returncode is None:
                    try:
                        process.wait(LEASE / 3)
                    except subprocess.TimeoutExpired:
                        call(f"{path}/heartbeat", lease | {"lease_seconds": LEASE})
            finally:
                process.kill()
    state = {"type": "FAILED" if process.returncode else "COMPLETED", "message": f"exit code {process.returncode}"}
    call(f"{path}/set_state", lease | {"state": state})


signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
claim_runs = f"/work_queues/{call(f'/work_queues/name/{QUEUE}')['id']}/claim_runs"
while True:
    claims = call(claim_runs, {"limit": 1, "lease_seconds": LEASE, "worker": socket.gethostname()})
    for claim in claims:
        try:
            execute(claim)
        except HTTPError as error:
            print(f"run {claim['flow_run']['id']} is not this worker's any more: {error}", file=sys.stderr)
    if not claims:
        time.sleep(1)

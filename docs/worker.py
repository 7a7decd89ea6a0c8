"""A worker: claims runs of a work queue and runs a program for each, with the run's parameters as JSON on its standard input.

python worker.py http://127.0.0.1:8000/api QUEUE PROGRAM [ARGUMENT ...]
"""

import json
import signal
import socket
import subprocess
import sys
import time
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

API, QUEUE, *PROGRAM = sys.argv[1:]
LEASE = 30  # seconds after which the run is given to another, should this worker die


def call(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(API + path, data, {"Content-Type": "application/json"}), timeout=10) as answer:
        return json.load(answer)


def is_ours(path, lease):
    """Renew the lease. False once the run is no longer this worker's; an answer that does not come says nothing yet."""
    try:
        call(f"{path}/heartbeat", lease | {"lease_seconds": LEASE})
    except HTTPError as error:
        return error.code not in (404, 409)
    except URLError:
        pass
    return True


def execute(claim):
    run, lease = claim["flow_run"], {"lease_id": claim["lease_id"]}
    path = f"/flow_runs/{run['id']}"
    if call(f"{path}/set_state", lease | {"state": {"type": "RUNNING"}})["status"] != "ACCEPT":
        return
    with subprocess.Popen(PROGRAM, stdin=subprocess.PIPE, text=True) as process:
        try:
            while process.returncode is None:
                try:
                    process.communicate(json.dumps(run["parameters"]), timeout=LEASE / 3)
                except subprocess.TimeoutExpired:
                    if not is_ours(path, lease):
                        return
        finally:
            process.kill()
    state = {"type": "FAILED" if process.returncode else "COMPLETED", "message": f"exit code {process.returncode}"}
    call(f"{path}/set_state", lease | {"state": state})


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    queue = call(f"/work_queues/name/{QUEUE}")["id"]
    while True:
        try:
            claims = call(f"/work_queues/{queue}/claim_runs", {"limit": 1, "lease_seconds": LEASE, "worker": socket.gethostname()})
            for claim in claims:
                execute(claim)
        except URLError as error:
            print(f"trying again: {error}", file=sys.stderr)
            claims = []
        if not claims:
            time.sleep(1)


if __name__ == "__main__":
    main()

"""Fifty transitions at once against a running server, ours or the reference's: what is answered, and what is stored in the end.

`python -m benchmarks.transitions http://127.0.0.1:8000/api` prints it.
"""

import json
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

AT_ONCE = 50
LIMIT = 3
PATIENCE = 120  # seconds


def ask(base, path, body=None, method=None):
    """(status, JSON) of an answer; (status, {}) of an error."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status, json.loads(response.read() or "null")
    except urllib.error.HTTPError as error:
        return error.code, {}
    except OSError:
        return "no answer", {}


def made(base, path, **body):
    """The id of what a POST has made."""
    return ask(base, path, body)[1]["id"]


def at_once(base, paths, type):
    """Propose the state at each of `paths` at the same moment. Counts of the outcomes, and seconds until the last one."""
    start = threading.Barrier(len(paths) + 1)

    def propose(path):
        start.wait()
        status, answer = ask(base, path, {"state": {"type": type}})
        return answer.get("status", status)

    with ThreadPoolExecutor(len(paths)) as pool:
        outcomes = [pool.submit(propose, path) for path in paths]
        start.wait()
        began = time.perf_counter()
        counts = Counter(outcome.result() for outcome in outcomes)
    return counts, time.perf_counter() - began


def show(what, counts, seconds, stored):
    """Print one line."""
    outcomes = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items(), key=str))
    print(f"{what:<42} {outcomes:<34} {stored:<34} {seconds:6.2f} s")


def end_one_run(base, flow_id):
    """Fifty end the same flow run: one should be accepted, and the history have one end."""
    run = made(base, "/flow_runs/", flow_id=flow_id)
    ask(base, f"/flow_runs/{run}/set_state", {"state": {"type": "RUNNING"}})
    counts, seconds = at_once(base, [f"/flow_runs/{run}/set_state"] * AT_ONCE, "COMPLETED")
    states = [state["type"] for state in ask(base, f"/flow_run_states/?flow_run_id={run}")[1]]
    show(f"{AT_ONCE} complete one flow run", counts, seconds, f"{states.count('COMPLETED')} x COMPLETED in its history")


def start_one_run(base, flow_id):
    """Fifty start the same flow run: each that is accepted should be counted."""
    run = made(base, "/flow_runs/", flow_id=flow_id)
    counts, seconds = at_once(base, [f"/flow_runs/{run}/set_state"] * AT_ONCE, "RUNNING")
    show(f"{AT_ONCE} start one flow run", counts, seconds, f"run_count {ask(base, f'/flow_runs/{run}')[1]['run_count']}")


def start_limited_runs(base, flow_id):
    """Fifty task runs with the same limited tag start: no more than the limit should be running."""
    run, tag = made(base, "/flow_runs/", flow_id=flow_id), f"limited-{uuid4()}"
    limit = made(base, "/concurrency_limits/", tag=tag, concurrency_limit=LIMIT)
    task = {"flow_run_id": run, "task_key": "limited", "tags": [tag]}
    runs = [made(base, "/task_runs/", **task, dynamic_key=str(n)) for n in range(AT_ONCE)]
    counts, seconds = at_once(base, [f"/task_runs/{one}/set_state" for one in runs], "RUNNING")
    slots = len(ask(base, f"/concurrency_limits/{limit}")[1]["active_slots"])
    wanted = {"flow_runs": {"id": {"any_": [run]}}, "task_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
    running = ask(base, "/task_runs/count", wanted)[1]
    show(f"{AT_ONCE} task runs start, limit {LIMIT}", counts, seconds, f"{running} running, {slots} slots taken")
    ask(base, f"/concurrency_limits/{limit}", method="DELETE")


def main(base):
    """Hold every contest at the server whose API is at `base`."""
    flow_id = made(base, "/flows/", name=f"transitions-{uuid4()}")
    for contest in (end_one_run, start_one_run, start_limited_runs):
        contest(base, flow_id)
    ask(base, f"/flows/{flow_id}", method="DELETE")


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))

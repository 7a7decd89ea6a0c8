"""Measure one running server of the deployments API over HTTP and print one JSON object of figures.

usage: peerbench.py BASE_URL [--flavor orion|prefect3|limit] [--seconds 4] [--connections 8] [--deployments 300] [--only a,b]

Every scenario is a closed loop of CONNECTIONS keep-alive clients (wrk). Figures: requests/s, p50 ms, p99 ms, non-2xx count.
Deployments are created paused, so that every server does the same work in the request scenarios; set-up goes through the same API.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent


class Api:
    def __init__(self, base, key=None):
        self.base, self.key = base.rstrip("/"), key

    def __call__(self, method, path, body=None, ok=(200, 201, 204)):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(self.base + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error.code} {error.read()[:400]!r}") from None
        return json.loads(text) if text else None


def deployment_body(flavor, flow_id, name):
    body = {"name": name, "flow_id": flow_id, "tags": ["bench", "etl"], "parameters": {"table": "orders", "limit": 1000}}
    if flavor != "prefect3":
        body |= {
            "flow_data": {"encoding": "json", "blob": json.dumps("s3://bucket/flow.py")},
            "schedule": {"cron": "*/5 * * * *", "timezone": "America/New_York"},
            "flow_runner": {"type": "subprocess", "config": {"env": {"A": "b"}}},
            "is_schedule_active": False,
        }
    else:
        body |= {
            "schedules": [{"schedule": {"cron": "*/5 * * * *", "timezone": "America/New_York"}, "active": True}],
            "entrypoint": "flow.py:main",
            "enforce_parameter_schema": False,
            "paused": True,
        }
    return body


def wrk(base, lines, seconds, connections, key):
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", delete=False) as handle:
        handle.write("\n".join(lines) + "\n")
    env = os.environ | {"REPLAY_FILE": handle.name}
    if key:
        env["REPLAY_AUTH"] = f"Bearer {key}"
    host = base.split("/api")[0]
    run = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(HERE / "replay.lua"), host],
        env=env,
        capture_output=True,
        text=True,
    )
    os.unlink(handle.name)
    row = next((line.split() for line in run.stdout.splitlines() if line.startswith("RESULT")), None)
    if not row:
        raise SystemExit(run.stdout + run.stderr)
    return {"rps": float(row[1]), "p50_ms": float(row[2]), "p99_ms": float(row[3]), "errors": int(row[4])}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("--flavor", default="orion", choices=["orion", "prefect3", "limit"])
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--deployments", type=int, default=300)
    parser.add_argument("--key", default=os.environ.get("BENCH_API_KEY"))
    parser.add_argument("--only")
    a = parser.parse_args()
    api = Api(a.base, a.key)
    prefix = "/api" + a.base.rstrip("/").split("/api", 1)[1] if "/api" in a.base else ""
    out = {}

    def scenario(name, lines):
        if a.only and name not in a.only.split(","):
            return
        drain()
        out[name] = wrk(a.base, lines, a.seconds, a.connections, a.key)
        print(name, out[name], file=sys.stderr, flush=True)

    def drain(limit=90):
        """Wait until requests that wrk abandoned are off the server: three quick reads in a row."""
        quick, deadline = 0, time.perf_counter() + limit
        while quick < 3 and time.perf_counter() < deadline:
            began = time.perf_counter()
            api("POST", "/flows/count", {})
            quick = quick + 1 if time.perf_counter() - began < 0.1 else 0
            time.sleep(0.1)

    def line(method, path, body=None):
        return f"{method}\t{prefix}{path}\t{'' if body is None else json.dumps(body)}"

    flow_name = f"bench-{uuid.uuid4()}"
    flow = api("POST", "/flows/", {"name": flow_name})["id"]
    start = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda i: api("POST", "/deployments/", deployment_body(a.flavor, flow, f"d{i}"))["id"], range(a.deployments)))
    out["setup_create_rps"] = a.deployments / (time.perf_counter() - start)
    scenario("health", [line("GET", "/health")])
    scenario("read", [line("GET", f"/deployments/{i}") for i in ids])
    scenario("read_by_name", [line("GET", f"/deployments/name/{flow_name}/d{i}") for i in range(len(ids))])
    scenario("count", [line("POST", "/deployments/count", {"deployments": {"tags": {"all_": ["etl"]}}, "flows": {"id": {"any_": [flow]}}})])
    scenario(
        "filter_20",
        [line("POST", "/deployments/filter", {"limit": 20, "offset": o, "flows": {"id": {"any_": [flow]}}}) for o in range(0, 200, 20)],
    )
    scenario(
        "filter_200",
        [
            line(
                "POST", "/deployments/filter", {"limit": 200, "flows": {"id": {"any_": [flow]}}, "deployments": {"tags": {"all_": ["etl"]}}}
            )
        ],
    )
    scenario("upsert_new", [line("POST", "/deployments/", deployment_body(a.flavor, flow, "new-@@"))])
    scenario("upsert_same", [line("POST", "/deployments/", deployment_body(a.flavor, flow, f"d{i}")) for i in range(len(ids))])
    scenario(
        "create_flow_run", [line("POST", f"/deployments/{i}/create_flow_run", {"parameters": {"limit": 5}, "tags": ["adhoc"]}) for i in ids]
    )
    if a.flavor == "limit":
        print(json.dumps(out))
        return
    # activate and schedule one deployment at a time, 100 runs each (one server fills on activation, another on the second call)
    if not a.only or "schedule" in a.only:
        drain()
        start, n = time.perf_counter(), 0
        for i in ids[:60]:
            api("POST", f"/deployments/{i}/" + ("resume_deployment" if a.flavor == "prefect3" else "set_schedule_active"))
            api("POST", f"/deployments/{i}/schedule", {"max_runs": 100} | ({"min_runs": 100} if a.flavor == "prefect3" else {}))
            n += 1
            if time.perf_counter() - start > 30:
                break
        took = time.perf_counter() - start
        runs = api(
            "POST",
            "/flow_runs/count",
            {"deployments": {"id": {"any_": ids[:n]}}, "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}},
        )
        out["schedule"] = {
            "runs": runs,
            "seconds": round(took, 3),
            "runs_per_s": round(runs / took, 1),
            "ms_per_100_runs": round(took / n * 1000, 2),
        }
        print("schedule", out["schedule"], file=sys.stderr, flush=True)
    scenario(
        "runs_filter_200",
        [
            line("POST", "/flow_runs/filter", {"limit": 200, "sort": "EXPECTED_START_TIME_ASC", "deployments": {"id": {"any_": [i]}}})
            for i in ids[:20]
        ],
    )
    scenario(
        "runs_count",
        [
            line(
                "POST",
                "/flow_runs/count",
                {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}, "deployments": {"id": {"any_": ids[:5]}}},
            )
        ],
    )
    print(json.dumps(out))


main()

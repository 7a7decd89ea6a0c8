"""The scheduler's first fill, and what a pass costs when nothing is due: ours and the reference's."""

import json
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text

from app import create_app
from app.config import Settings
from app.services.scheduler import Scheduler
from tests.e2e import reference

FILL = 1_000
CRON = {"cron": "*/5 * * * *", "timezone": "America/New_York"}

REFERENCE_PASS = """
import asyncio, time
from prefect.orion.services.scheduler import Scheduler
async def main():
    began = time.perf_counter()
    await Scheduler(loop_seconds=0.1).start(loops=1)
    print(time.perf_counter() - began)
asyncio.run(main())
"""


def deployment(flow_id, number):
    """The body of a deployment with an active schedule."""
    body = {"name": f"fill-{number}", "flow_id": flow_id, "flow_data": {"encoding": "json", "blob": "x"}, "schedule": CRON}
    return body | {"tags": ["bench", "etl"], "parameters": {"table": "orders", "limit": 1000}}


def post(base, path, body):
    """The JSON answer to a POST."""
    request = urllib.request.Request(base + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as response:
        return json.loads(response.read())


def measure_mintaka_scheduler(url):
    """Figures of the fill of FILL deployments, and of a pass with nothing due among 100 and among 5,000 active ones."""
    app = create_app(Settings(database_url=url, log_level="warning"))
    services = app.extensions["mintaka"]
    scheduler = Scheduler(services.database, services.clock, services.policy, services.settings.scheduler_batch_size)
    client = app.test_client()
    flow_id = client.post("/api/flows/", json={"name": "fill"}).json["id"]
    figures, registered = {}, 0
    for active in (100, FILL, 5_000):
        for number in range(registered, active):
            # paused first: registering an active one makes its runs at once, and there would be nothing left to fill
            client.post("/api/deployments/", json=deployment(flow_id, number) | {"is_schedule_active": False})
        registered = active
        with services.database.transaction() as session:
            session.execute(text("UPDATE deployment SET is_schedule_active = true, top_up_due = now() WHERE NOT is_schedule_active"))
        report = scheduler.run_once()
        if active == FILL:
            figures["first fill, runs/s"] = report.runs / report.seconds
        figures[f"pass with nothing due among {active:,} active, ms"] = min(scheduler.run_once().seconds for _ in range(5)) * 1000
    services.database.dispose()
    return figures


def measure_reference_scheduler(base, environment):
    """Figures of the reference's scheduler: its fill of FILL deployments, and the pass after it."""
    flow_id = post(base, "/flows/", {"name": "fill"})["id"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: post(base, "/deployments/", deployment(flow_id, number)), range(FILL)))
    fill, steady = (_reference_pass(environment) for _ in range(2))
    runs = post(base, "/flow_runs/count", {})
    return {"reference: first fill, runs/s": runs / fill, f"reference: pass with nothing due among {FILL:,} active, ms": steady * 1000}


def _reference_pass(environment):
    result = subprocess.run([reference.python(), "-c", REFERENCE_PASS], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(result.stdout.split()[-1])

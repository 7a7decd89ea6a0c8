"""Workers under fire: several execute short runs from one queue while some are killed with SIGKILL and replaced.

In the end every run has to be COMPLETED once, and to have been started as often as its history of leases says.
"""

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests
from sqlalchemy import create_engine, text

from app.db.engine import database_url
from benchmarks.soak_job import FILE
from tests import databases
from tests.serving import PATIENCE, ROOT, environment, kill_group, running_gunicorn, running_scheduler

# A run's history, a letter for the type of each state: claimed, maybe started, and given back, any number of times; then completed
HISTORY = re.compile("S(PR?S)*PRC")
LEASE_SECONDS = 3


@contextmanager
def worker(api, folder, slots):
    """Run a worker for as long as the block lasts; yields its process."""
    command = [sys.executable, "-m", "app.worker", "start", "--queue", "soak", "--handler", "benchmarks.soak_job:job", "--api", api]
    command += ["--slots", str(slots), "--lease-seconds", str(LEASE_SECONDS), "--poll-seconds", "0.2"]
    with (folder / "workers.log").open("ab") as log:
        variables = environment() | {FILE: str(folder / "jobs.log")}
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        kill_group(process)


def make_runs(api, count):
    """Make a work queue, and `count` runs in it that are due."""
    session = requests.Session()

    def post(path, body):
        response = session.post(f"{api}{path}", json=body, timeout=PATIENCE)
        response.raise_for_status()
        return response.json()

    flow = post("/flows/", {"name": "soak"})
    deployment = post("/deployments/", {"name": "soak", "flow_id": flow["id"], "flow_data": {"encoding": "json", "blob": "1"}})
    post("/work_queues/", {"name": "soak"})

    def make(_):
        body = {"state": {"type": "SCHEDULED"}, "parameters": {"seconds": random.uniform(0, 0.05)}}
        post(f"/deployments/{deployment['id']}/create_flow_run", body)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(count)))


def completed(api):
    """How many runs are COMPLETED."""
    body = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    return requests.post(f"{api}/flow_runs/count", json=body, timeout=PATIENCE).json()


def histories(url):
    """{id: the first letters of the types of all states that a run has been in, in order}."""
    engine = create_engine(database_url(url))
    statement = "SELECT flow_run_id, type FROM flow_run_state ORDER BY flow_run_id, timestamp, id"
    found = {}
    with engine.connect() as connection:
        for id, type in connection.execute(text(statement)):
            found[str(id).replace("-", "")] = found.get(str(id).replace("-", ""), "") + type[0]
    engine.dispose()
    return found


def check(found, noted):
    """What is wrong: runs whose history is not allowed, or which were executed more often than it says, or never."""
    counts = {word: Counter(line.split()[1].replace("-", "") for line in noted if line.startswith(word)) for word in ("started", "done")}
    for id, history in found.items():
        starts, ends = counts["started"][id], counts["done"][id]
        if not HISTORY.fullmatch(history):
            yield f"{id}: {history} is no history of a run that completed once"
        if not 1 <= ends <= starts <= history.count("R"):
            yield f"{id}: {history}, but the handler was started {starts} times, and done {ends} times"


def soak(url, folder, runs, workers=4, kills=10, slots=4, patience=3600):
    """Execute `runs` runs on the migrated database at `url`, with `kills` SIGKILLs spread over them. Returns what came of it."""
    began = time.monotonic()
    with ExitStack() as stack:
        server = stack.enter_context(running_gunicorn(url, workers=1))
        stack.enter_context(running_scheduler(url, folder / "scheduler.log", late_runs_loop_seconds=0.5, late_runs_after_seconds=3600))
        make_runs(server.api, runs)
        crew = [stack.enter_context(worker(server.api, folder, slots)) for _ in range(workers)]
        killed, started, done = 0, time.monotonic(), 0
        while (done := completed(server.api)) < runs:
            if time.monotonic() - started > patience:
                raise TimeoutError(f"{done} of {runs} runs are completed after {patience} seconds; see {folder}")
            if killed < kills and done >= runs * (killed + 1) / (kills + 2):
                victim = random.randrange(workers)
                os.killpg(crew[victim].pid, signal.SIGKILL)
                crew[victim].wait()
                crew[victim] = stack.enter_context(worker(server.api, folder, slots))
                killed += 1
            time.sleep(0.05)
        seconds = time.monotonic() - started
        for process in crew:
            process.terminate()
        codes = [process.wait(PATIENCE) for process in crew]
    found = histories(url)
    wrong = list(check(found, (folder / "jobs.log").read_text().splitlines()))
    again = sum(history.count("R") > 1 for history in found.values())
    return {
        "runs": len(found),
        "killed": killed,
        "claimed again": sum(history.count("P") > 1 for history in found.values()),
        "started again": again,
        "seconds": round(seconds, 1),
        "seconds in all": round(time.monotonic() - began, 1),
        "exit codes": codes,
        "wrong": wrong,
    }


def main():
    """Soak as the command line says, on a PostgreSQL of its own unless told otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--sqlite", action="store_true", help="on SQLite instead of PostgreSQL")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        if asked.sqlite:
            url = databases.migrated(f"sqlite:///{folder}/mintaka.db")
        else:
            home = tempfile.mkdtemp()
            stack.callback(databases.stop_postgres, home)
            url = databases.migrated(stack.enter_context(databases.temporary_database(databases.start_postgres(home))))
        report = soak(url, Path(folder), asked.runs, asked.workers, asked.kills)
    for name, value in report.items():
        print(f"{name}: {value}")
    sys.exit(bool(report["wrong"]))


if __name__ == "__main__":
    main()

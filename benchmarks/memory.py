"""What processes take: a worker's memory after many mixed requests, a scheduler's at its most, and how long commands take to start."""

import random
import statistics
import subprocess
import sys
import time
from contextlib import suppress

import psutil

from benchmarks.load import load_active
from benchmarks.scenarios import SCENARIOS, SCHEDULE, Subject
from benchmarks.servers import command_environment, mintaka
from benchmarks.wire import Api, drain, wrk
from tests import databases, serving

BURST = 5  # seconds
SAMPLE = 20  # requests of each scenario in the mix
MEGABYTE = 1_000_000
LIBRARIES = "import flask, flask_smorest, marshmallow, sqlalchemy"
STARTS = {
    "importing Flask, flask-smorest, marshmallow and SQLAlchemy": ["-c", LIBRARIES],
    "``mintaka --help``": ["-m", "app", "--help"],
    "``mintaka scheduler run --help``": ["-m", "app", "scheduler", "run", "--help"],
    "``mintaka deployments ls``": ["-m", "app", "deployments", "ls"],
    "what a worker imports and makes (``import wsgi``)": ["-c", "import wsgi"],
}


def mixed(subject):
    """The requests of all scenarios, shuffled."""
    requests = []
    for scenario in SCENARIOS.values():
        if scenario.requests and subject.name in scenario.servers:
            requests += scenario.requests(subject)[:SAMPLE]
    random.Random(0).shuffle(requests)
    return requests


def workers(server_url, total, connections):
    """Resident megabytes of the larger worker at the beginning, halfway and after `total` mixed requests: {answered: megabytes}."""
    with databases.temporary_database(server_url) as url, mintaka(url) as server:
        arbiter = psutil.Process(server.process.pid)

        def megabytes():
            return max(child.memory_info().rss for child in arbiter.children()) / MEGABYTE

        subject = Subject("mintaka", Api(server.api), due=2_000)
        requests = mixed(subject)
        figures, answered, halfway = {0: megabytes()}, 0, False
        while answered < total:
            began = time.perf_counter()
            answered += round(wrk(subject.api, requests, BURST, connections)["rate"] * (time.perf_counter() - began))
            if answered >= total or (answered >= total / 2 and not halfway):
                drain(subject.api)
                figures[answered] = megabytes()
                halfway = True
        print("worker, MB", {number: round(each) for number, each in figures.items()}, file=sys.stderr, flush=True)
        return figures


def schedulers(server_url, numbers):
    """The most resident megabytes of a scheduler that makes the first runs of so many deployments: {number: megabytes}."""
    figures = {}
    for number in numbers:
        with databases.temporary_database(server_url) as url:
            load_active(databases.migrated(url), number, lambda index: SCHEDULE, lambda index: 0)
            command = [sys.executable, "-m", "app", "scheduler", "run", "--once"]
            environment = command_environment(database_url=url, log_level="warning")
            figures[number] = _most(subprocess.Popen(command, cwd=serving.ROOT, env=environment, stdout=subprocess.DEVNULL)) / MEGABYTE
        print(f"scheduler of {number:,} deployments: {figures[number]:.0f} MB", file=sys.stderr, flush=True)
    return figures


def _most(process):
    """The most resident bytes that a process has had when it ends."""
    most, seen = 0, psutil.Process(process.pid)
    while process.poll() is None:
        with suppress(psutil.Error):
            most = max(most, seen.memory_info().rss)
        time.sleep(0.01)
    if process.returncode:
        raise RuntimeError(f"{process.args} ended with {process.returncode}")
    return most


def starts(folder, times):
    """Rounds of seconds that commands take, the libraries alone first: {what: [seconds, ...]}."""
    url = databases.migrated(f"sqlite:///{folder}/starts.db")
    environment = command_environment(database_url=url)
    rounds = {what: [] for what in STARTS}
    for _ in range(times + 1):
        for what, arguments in STARTS.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], cwd=serving.ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
            rounds[what].append(time.perf_counter() - began)
    # the first of each reads its files from the disk
    rounds = {what: seconds[1:] for what, seconds in rounds.items()}
    print("starts, s", {what: round(statistics.median(each), 3) for what, each in rounds.items()}, file=sys.stderr, flush=True)
    return rounds

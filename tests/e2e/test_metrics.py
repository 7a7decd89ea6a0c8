"""Metrics of real processes: all workers of a server count together, and a scheduler has an address of its own."""

import os
import signal

import psutil
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.serving import free_port, running_scheduler, wait_until


def value(url, name, **labels):
    text = requests.get(url, timeout=10).text
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in found if labels.items() <= sample.labels.items())


def test_workers_count_together_and_one_that_dies_leaves_its_counts(gunicorn_server, sqlite_url):
    server = gunicorn_server(sqlite_url, workers=2)
    asked = {"route": "/api/hello", "status": "200"}

    def ask(times):
        for _ in range(times):
            assert requests.get(f"{server.api}/hello", timeout=10).status_code == 200

    def counted():
        return value(f"{server.url}/metrics", "mintaka_http_requests_total", **asked)

    ask(20)
    assert counted() == 20
    [*workers] = psutil.Process(server.process.pid).children()
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)
    wait_until(lambda: not any(worker.is_running() and worker.status() != "zombie" for worker in workers), "the workers are gone")
    ask(5)
    assert counted() == 25
    folders = {
        os.path.dirname(file.path)
        for child in psutil.Process(server.process.pid).children()
        for file in child.memory_maps()
        if "mintaka-metrics" in file.path
    }
    [folder] = folders
    assert {name.rpartition("_")[2] for name in os.listdir(folder)} <= {"0.db", "1.db"}
    assert server.stop() == 0
    assert not os.path.exists(folder)


def test_a_scheduler_answers_on_its_own_address(sqlite_url, tmp_path):
    port = free_port()
    with running_scheduler(sqlite_url, tmp_path / "log", scheduler_metrics_bind=f"127.0.0.1:{port}", late_runs_loop_seconds=0.1) as process:
        url = f"http://127.0.0.1:{port}/metrics"

        def made():
            try:
                return all(value(url, "mintaka_pass_duration_seconds_count", service=name) for name in ("scheduler", "late_runs"))
            except requests.ConnectionError:
                return False

        wait_until(lambda: process.poll() is not None or made(), "passes were made")
        assert value(url, "mintaka_pass_last_success_timestamp_seconds", service="scheduler") > 1.6e9
        process.terminate()
        assert process.wait(30) == 0

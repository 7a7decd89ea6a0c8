"""`mintaka scheduler run`."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from app import create_app
from app.cli.output import Progress
from app.cli.signals import stop_signals
from app.config import Settings
from app.db.models import DeploymentSchedule
from tests.api.asking import runs_of, starts
from tests.api.factories import make_deployment, make_due_runs, make_work_queue
from tests.cli.results import documents, done
from tests.conftest import ApiClient
from tests.serving import PATIENCE, ROOT, environment, running_scheduler, wait_until

COMMAND = [sys.executable, "-m", "app", "scheduler", "run"]
LONG_AGO = datetime(2022, 1, 1, tzinfo=UTC)


def passes(log):
    return re.findall(r"scheduled (\d+) runs? for (\d+) deployments?", log.read_text())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_running_scheduler_fills_schedules_and_ends_with_0_on_a_signal(client, clock, database_url, tmp_path, number):
    clock.stop_at(LONG_AGO)
    deployment = make_deployment(client, schedule={"interval": 3600})
    log = tmp_path / "log"
    with running_scheduler(database_url, log, scheduler_loop_seconds=0.2) as process:
        wait_until(lambda: process.poll() is not None or len(passes(log)) > 1, "the scheduler has made a second pass")
        # twice: a terminal and a supervisor may both send it
        process.send_signal(number)
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0, log.read_text()
    assert passes(log)[0] == ("100", "1")
    # a run of the first fill starts on the hour in 2022, one of the process's in the present
    ahead = [start for start in starts(runs_of(client, deployment)) if start > "2022-12-31"]
    assert len(ahead) == 100
    assert "Traceback" not in log.read_text()


def test_a_scheduler_that_waits_for_its_next_pass_stops_at_once(sqlite_url, tmp_path):
    log = tmp_path / "log"
    with running_scheduler(sqlite_url, log, scheduler_loop_seconds=86_400) as process:
        wait_until(lambda: process.poll() is not None or passes(log), "the scheduler has made a pass")
        process.terminate()
        assert process.wait(PATIENCE) == 0


def test_once_prints_one_line_a_pass_when_piped(database_url):
    command = [*COMMAND, "--once"]
    ended = subprocess.run(command, cwd=ROOT, env=environment(database_url=database_url, log_level="error"), capture_output=True, text=True)
    assert ended.returncode == 0
    counted = (
        "0 runs for 0 deployments",
        "0 pauses ended",
        "0 leases expired",
        "0 runs skipped, superseded or missed",
        "0 runs made for backfills",
        "0 runs marked late",
    )
    assert re.sub(r"\d+\.\d{3} s", "no time", ended.stdout) == "".join(f"{what} in no time\n" for what in counted)
    assert ended.stderr == ""


def test_once_makes_the_runs_that_are_due(run, client, clock):
    clock.stop_at(LONG_AGO)
    deployment = make_deployment(client, schedule={"interval": 86_400})
    clock.advance(days=50)
    report = documents(run("scheduler", "run", "--once", "--output", "json"))
    assert {name: report[name] for name in ("deployments", "runs", "failures")} == {"deployments": 1, "runs": 50, "failures": 0}
    assert len(runs_of(client, deployment)) == 150
    assert done(run("scheduler", "run", "--once")).startswith("0 runs for 0 deployments in ")


def test_once_marks_late_runs_and_ends_leases_that_have_run_out(run, client, clock):
    clock.stop_at(LONG_AGO)
    runs = make_due_runs(client, 3)
    queue = make_work_queue(client)
    client.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 1})
    clock.advance(minutes=2)
    report = documents(run("scheduler", "run", "--once", "--output", "json"))
    assert (report["expired_leases"]["number"], report["late_runs"]["number"]) == (1, 2)
    names = [client.get(f"/flow_runs/{one['id']}").json["state_name"] for one in runs]
    assert names == ["Scheduled", "Late", "Late"]


def test_a_running_scheduler_marks_late_runs_while_it_waits_for_its_next_pass(client, clock, database_url, tmp_path):
    clock.stop_at(LONG_AGO)
    log = tmp_path / "log"
    with running_scheduler(database_url, log, scheduler_loop_seconds=86_400, late_runs_loop_seconds=0.1) as process:
        wait_until(lambda: process.poll() is not None or passes(log), "the scheduler has made a pass")
        (late,) = make_due_runs(client, 1)
        name = lambda: client.get(f"/flow_runs/{late['id']}").json["state_name"]  # noqa: E731
        wait_until(lambda: process.poll() is not None or name() == "Late", "the run is late")
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert "1 run marked late in" in log.read_text()


def test_all_looks_at_deployments_that_are_not_due(run, client, clock, app):
    clock.stop_at(LONG_AGO)
    deployments = [make_deployment(client, schedule={"interval": 86_400}) for _ in range(3)]
    make_deployment(client, schedule={"interval": 86_400}, is_schedule_active=False)
    clock.advance(days=1)
    assert done(run("scheduler", "run", "--once")).startswith("0 runs for 0 deployments in ")
    assert done(run("scheduler", "run", "--once", "--all")).startswith("3 runs for 3 deployments in ")
    assert {len(runs_of(client, deployment)) for deployment in deployments} == {101}


def test_a_signal_ends_one_pass_after_the_batch_it_is_at(sqlite_url, clock, monkeypatch):
    app = create_app(Settings(database_url=sqlite_url, scheduler_batch_size=1), clock=clock)
    app.test_client_class = ApiClient
    clock.stop_at(LONG_AGO)
    for _ in range(3):
        make_deployment(app.test_client(), schedule={"interval": 86_400})
    clock.advance(days=1)
    monkeypatch.setattr(Progress, "tell", lambda self, report: signal.raise_signal(signal.SIGTERM))
    result = app.test_cli_runner().invoke(args=["scheduler", "run", "--once", "--all"])
    assert done(result).startswith("1 run for 1 deployment in ")
    assert result.stderr.splitlines()[-1] == "Stopped by a signal: the pass may be incomplete."
    app.extensions["mintaka"].database.dispose()


def test_a_pass_with_failures_is_done_and_says_so(run, client, clock, app):
    clock.stop_at(LONG_AGO)
    make_deployment(client, schedule={"interval": 86_400})
    past = LONG_AGO - timedelta(days=1)
    with app.extensions["mintaka"].database.transaction() as session:
        session.execute(update(DeploymentSchedule).values(schedule={"cron": "nonsense"}, top_up_due=past))
    result = run("scheduler", "run", "--once")
    assert re.match(r"0 runs for 1 deployment in \d+\.\d{3} s, 1 failed\n", done(result))
    assert result.stderr.splitlines()[-1] == "1 schedule failed; `mintaka deployments inspect` shows the reason."


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_pass_over_all_says_how_many_deployments_others_hold(run, client, clock, database):
    clock.stop_at(LONG_AGO)
    make_deployment(client, schedule={"interval": 86_400})
    with database.transaction() as session:
        session.execute(select(DeploymentSchedule.id).with_for_update())
        result = run("scheduler", "run", "--once", "--all")
    assert re.match(r"0 runs for 0 deployments in \d+\.\d{3} s, 1 skipped\n", done(result))
    said = result.stderr.splitlines()[-1]
    assert said == "Skipped 1 deployment that another transaction holds; another pass with --all looks again."


def test_a_pass_with_failures_is_still_one_line_of_json(run, client, app):
    make_deployment(client, schedule={"interval": 86_400})
    with app.extensions["mintaka"].database.transaction() as session:
        session.execute(update(DeploymentSchedule).values(schedule={"cron": "nonsense"}))
    assert json.loads(done(run("scheduler", "run", "--once", "--all", "--output", "json")))["failures"] == 1


@pytest.fixture
def handlers():
    """Put the signal handlers back that a stopped command leaves switched off."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_handlers_are_put_back_when_nobody_asked_for_the_end(handlers):
    with stop_signals():
        assert signal.getsignal(signal.SIGTERM) is not handlers[signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is handlers[signal.SIGTERM]


def test_a_signal_wakes_all_threads_that_wait(handlers):
    with stop_signals() as stop, ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(stop.wait, PATIENCE) for _ in range(3)]
        os.kill(os.getpid(), signal.SIGTERM)
        assert [one.result() for one in waiting] == [True] * 3


def test_a_signal_wakes_whoever_waits_and_a_second_one_cannot_kill_what_is_ending(handlers):
    with stop_signals() as stop:
        assert stop.wait(0) is False
        assert stop.wait(0.001) is False
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        assert stop.wait(PATIENCE) is True
        assert stop.wait(PATIENCE) is True
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN

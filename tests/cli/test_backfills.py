"""`mintaka backfill`."""

import io
import sys
from datetime import UTC, datetime

import pytest

from app.cli.backfills import bar_text, progress_text
from tests.api.asking import all_runs, ok
from tests.api.factories import make_deployment, make_flow
from tests.cli.results import documents, done, failed, table

NOW = datetime(2022, 6, 10, tzinfo=UTC)
WEEK = ("--start", "2022-06-01", "--end", "2022-06-06T12:00")
ABSENT = "00000000-0000-0000-0000-00000000ffff"


@pytest.fixture
def nightly(client, clock):
    """The deployment etl/nightly, scheduled once a day and paused; the time stands still."""
    clock.stop_at(NOW)
    flow = make_flow(client, name="etl")
    schedule = {"cron": "0 9 * * *", "timezone": "UTC"}
    return make_deployment(client, name="nightly", flow_id=flow["id"], schedule=schedule, is_schedule_active=False)


@pytest.fixture
def begun(run, client, nightly):
    """A backfill of six days, two at a time."""
    return documents(run("backfill", "start", "etl/nightly", *WEEK, "--max-active", "2", "--output", "json"))


def read(client, backfill):
    return ok(client.get(f"/backfills/{backfill['id']}"))


def end_one(client, type="COMPLETED"):
    """End a run that waits, and return whether there was one."""
    waiting = [run for run in all_runs(client) if run["state_type"] == "SCHEDULED"]
    if waiting:
        ok(client.post(f"/flow_runs/{waiting[0]['id']}/set_state", json={"state": {"type": type}, "force": True}), 201)
    return bool(waiting)


def test_a_backfill_is_begun(run, client, nightly):
    options = ("--order", "backward", "--max-active", "2", "--reprocess", "all", "--param", "full=true")
    said = done(run("backfill", "start", "etl/nightly", *WEEK, *options))
    [backfill] = ok(client.post("/backfills/filter"))
    assert said == f"{backfill['id']} has 6 occurrences; 2 runs made so far\n"
    assert {name: backfill[name] for name in ("deployment_id", "order", "max_active", "reprocess", "parameters", "made")} == {
        "deployment_id": nightly["id"],
        "order": "backward",
        "max_active": 2,
        "reprocess": "all",
        "parameters": {"full": True},
        "made": 2,
    }
    assert [one["expected_start_time"][:10] for one in all_runs(client)] == ["2022-06-05", "2022-06-06"]


def test_a_dry_run_makes_nothing(run, client, nightly):
    told = done(run("backfill", "start", "etl/nightly", *WEEK, "--dry-run")).splitlines()
    assert [line.split()[:2] for line in told[:3]] == [["total", "6"], ["existing", "0"], ["first", "2022-06-01T09:00:00+00:00"]]
    as_json = documents(run("backfill", "start", "etl/nightly", *WEEK, "--dry-run", "--output", "json"))
    assert (as_json["total"], len(as_json["sample"])) == (6, 6)
    assert ok(client.post("/backfills/filter")) == all_runs(client) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "Give --start"),
        (("--start", "2022-06-01"), "Give --end"),
        (("--start", "2022-06-01", "--end", "soon"), "--end"),
        (("--start", "2022-06-01", "--end", "2022-05-01"), "end: Is before the start."),
        ((*WEEK, "--slug", "hourly"), "slug: The deployment has no schedule called hourly."),
        ((*WEEK, "--max-active", "0"), "--max-active"),
        ((*WEEK, "--order", "sideways"), "--order"),
        ((*WEEK, "--param", "full"), "KEY=JSON"),
    ],
)
def test_what_is_wrong_is_said(run, nightly, options, said):
    assert said in failed(run("backfill", "start", "etl/nightly", *options), 2)


def test_backfills_are_listed(run, client, nightly, begun):
    other = documents(run("backfill", "start", "etl/nightly", *WEEK, "--reprocess", "all", "--output", "json"))
    rows = table(run("backfill", "ls"))
    assert [(row["ID"], row["MADE"], row["STATE"], row["DEPLOYMENT"]) for row in rows] == [
        (other["id"][-8:], "6 of 6", "RUNNING", "etl/nightly"),
        (begun["id"][-8:], "2 of 6", "RUNNING", "etl/nightly"),
    ]
    done(run("backfill", "cancel", other["id"][-8:]))
    [left] = documents(run("backfill", "ls", "--deployment", "etl/nightly", "--state", "running", "--output", "json"))
    assert left == read(client, begun)
    page = run("backfill", "ls", "--limit", "1")
    assert (len(table(page)), page.stderr) == (1, "(1 more; --all shows them)\n")
    assert len(table(run("backfill", "ls", "--all"))) == 2


def test_a_backfill_is_shown(run, client, begun):
    assert documents(run("backfill", "show", begun["id"], "--output", "json")) == read(client, begun)
    facts = dict(line.split(maxsplit=1) for line in done(run("backfill", "show", begun["id"][-8:])).splitlines())
    assert (facts["state"], facts["max_active"], facts["scheduled"], facts["completed"]) == ("RUNNING", "2", "2", "0")


def test_a_backfill_is_paused_resumed_and_cancelled(run, client, begun):
    assert done(run("backfill", "pause", begun["id"])) == f"{begun['id']} is paused; PAUSED: 2 of 6 made; 2 scheduled\n"
    end_one(client)
    assert done(run("backfill", "resume", begun["id"])).endswith("RUNNING: 3 of 6 made; 2 scheduled, 1 completed\n")
    assert done(run("backfill", "cancel", begun["id"])).endswith("CANCELLED: 3 of 6 made; 1 completed\n")
    for command in ("pause", "resume", "cancel"):
        assert failed(run("backfill", command, begun["id"]), 1) == "The backfill is CANCELLED."


@pytest.mark.parametrize("command", ["show", "watch", "pause", "resume", "cancel"])
def test_a_backfill_that_does_not_exist_is_a_failure(run, command):
    for reference in (ABSENT, "ffff"):
        assert failed(run("backfill", command, reference), 1) == f"Backfill not found: {reference}"
    assert "neither an id nor" in failed(run("backfill", command, "nightly"), 2)


@pytest.mark.parametrize(("type", "exit_code"), [("COMPLETED", 0), ("FAILED", 1)])
def test_watch_prints_a_line_for_each_change_until_it_is_over(run, client, begun, monkeypatch, type, exit_code):
    looks = iter(range(100))

    def wait(self, seconds):
        """Let a run end at every other look."""
        assert seconds == 0.5
        if next(looks) % 2:
            end_one(client, type)
        return False

    monkeypatch.setattr("app.cli.signals.Stop.wait", wait)
    watched = run("backfill", "watch", begun["id"], "--interval", "0.5")
    assert watched.exit_code == exit_code
    kind = type.lower()
    assert watched.stdout.splitlines() == [
        "RUNNING: 2 of 6 made; 2 scheduled",
        f"RUNNING: 3 of 6 made; 2 scheduled, 1 {kind}",
        f"RUNNING: 4 of 6 made; 2 scheduled, 2 {kind}",
        f"RUNNING: 5 of 6 made; 2 scheduled, 3 {kind}",
        f"RUNNING: 6 of 6 made; 2 scheduled, 4 {kind}",
        f"RUNNING: 6 of 6 made; 1 scheduled, 5 {kind}",
        f"COMPLETED: 6 of 6 made; 6 {kind}",
    ]


def test_watch_ends_with_1_when_it_is_stopped_before_the_backfill(run, begun, monkeypatch):
    monkeypatch.setattr("app.cli.signals.Stop.wait", lambda self, seconds: True)
    assert run("backfill", "watch", begun["id"]).exit_code == 1


class Terminal(io.TextIOWrapper):
    """Standard output that a person reads."""

    def isatty(self):
        return True


def test_watch_shows_a_bar_in_place_on_a_terminal(app, run, client, begun, monkeypatch):
    from app.cli.backfills import watch

    out = Terminal(io.BytesIO(), "utf-8")
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr("app.cli.signals.Stop.wait", lambda self, seconds: not end_one(client))
    with app.app_context(), pytest.raises(SystemExit) as ended:
        watch.main([begun["id"]], prog_name="watch")
    assert ended.value.code == 0
    out.flush()
    shown = out.buffer.getvalue().decode().split("\r")
    assert shown[0].startswith("[" + "-" * 30 + "]   0%  RUNNING: 2 of 6 made")
    assert shown[3].startswith("[" + "#" * 15 + "-" * 15 + "]  50%  RUNNING: 5 of 6 made")
    assert shown[-1] == "[" + "#" * 30 + "] 100%  COMPLETED: 6 of 6 made; 6 completed\n"


def test_a_bar_is_full_when_it_is_over_though_some_occurrences_got_no_run():
    counts = {"scheduled": 0, "running": 0, "completed": 2, "failed": 0, "cancelled": 0}
    found = {"state": "RUNNING", "made": 2, "total": 8, "counts": counts}
    assert bar_text(found).startswith("[#######-----------------------]  25%")
    assert bar_text(found | {"state": "COMPLETED"}).startswith("[##############################] 100%")
    assert progress_text(found) == "RUNNING: 2 of 8 made; 2 completed"
    empty = {"state": "RUNNING", "made": 0, "total": 0, "counts": dict.fromkeys(counts, 0)}
    assert bar_text(empty) == "[------------------------------]   0%  RUNNING: 0 of 0 made"

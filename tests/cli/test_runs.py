"""`mintaka runs`: inspect, cancel, logs, delete and watch."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.asking import all_runs, ok, runs_of
from tests.api.factories import make_deployment, make_flow, make_flow_run
from tests.cli.results import documents, done, failed, table

NOW = datetime(2022, 6, 1, tzinfo=UTC)
ABSENT = "00000000-0000-0000-0000-00000000ffff"


@pytest.fixture
def nightly(client, clock):
    """The deployment etl/nightly, active and scheduled once a day; the time stands still."""
    clock.stop_at(NOW)
    flow = make_flow(client, name="etl")
    return make_deployment(client, name="nightly", flow_id=flow["id"], schedule={"cron": "0 9 * * *", "timezone": "UTC"})


def state_of(client, run):
    return ok(client.get(f"/flow_runs/{run['id']}"))["state"]


def test_a_list_shows_flow_and_deployment_and_how_far_a_start_is(run, client, clock, nightly):
    alone = make_flow_run(client, name="alone", flow_id=nightly["flow_id"], state={"type": "RUNNING"})
    clock.advance(minutes=90)
    rows = table(run("runs", "ls", "--limit", "2", "--sort", "EXPECTED_START_TIME_ASC"))
    [first, *_] = runs_of(client, nightly)
    scheduled = {"FLOW/DEPLOYMENT": "etl/nightly", "NAME": first["name"], "STATE": "Scheduled", "START": "in 7 h", "ID": first["id"][-8:]}
    assert rows == [{"ID": alone["id"][-8:], "FLOW/DEPLOYMENT": "etl", "NAME": "alone", "STATE": "Running", "START": "1 h ago"}, scheduled]


def test_a_list_of_runs_fits_80_columns(run, nightly):
    assert max(map(len, done(run("runs", "ls")).splitlines())) <= 80


def test_inspect_adds_names_and_the_states_it_has_been_in(run, client, nightly):
    [one, *_] = runs_of(client, nightly)
    found = documents(run("runs", "inspect", one["id"], "--output", "json"))
    assert (found.pop("flow_name"), found.pop("deployment_name")) == ("etl", "etl/nightly")
    assert [state["id"] for state in found.pop("states")] == [one["state"]["id"]]
    assert found == ok(client.get(f"/flow_runs/{one['id']}"))
    facts, states = done(run("runs", "inspect", one["id"])).split("\n\n")
    assert f"name                        {one['name']}\n" in facts
    assert "Flow run scheduled" in states


@pytest.mark.parametrize("part", [slice(None, -1), slice(-8, None), slice(-4, None)], ids=["beginning", "end", "short end"])
def test_an_id_may_be_shortened_to_what_only_one_run_has(run, client, part):
    one = make_flow_run(client)
    assert documents(run("runs", "inspect", one["id"][part].upper(), "--output", "json"))["id"] == one["id"]


def test_an_id_that_several_runs_share_is_refused(run, client, clock):
    clock.stop_at(NOW)
    first, second = (make_flow_run(client)["id"] for _ in range(2))
    # ids begin with the time, which is that of the process
    shared = first[: next(n for n in range(36) if first[n] != second[n])]
    message = failed(run("runs", "inspect", shared), 1)
    assert message == f"More than one flow run has an id that begins or ends with {shared}; give more of it."


@pytest.mark.parametrize("command", ["inspect", "cancel", "retry", "logs", "watch", "delete --yes"])
def test_a_run_that_does_not_exist_is_a_failure(run, command):
    for reference in (ABSENT, "ffff"):
        assert failed(run("runs", *command.split(), reference), 1) == f"Flow run not found: {reference}"
    assert "neither an id nor" in failed(run("runs", *command.split(), "nightly"), 2)


def test_a_cancelled_run_is_over_and_its_schedule_makes_it_not_again(run, client, nightly):
    first, second, *_ = runs_of(client, nightly)
    said = done(run("runs", "cancel", first["id"], second["id"][-8:], "--message", "not tonight"))
    assert said == "".join(f"{one['name']} ({one['id']}) is cancelled\n" for one in (first, second))
    assert (state_of(client, first)["type"], state_of(client, first)["message"]) == ("CANCELLED", "not tonight")
    ok(client.post(f"/deployments/{nightly['id']}/set_schedule_active"))
    starts = [one["expected_start_time"] for one in all_runs(client) if one["state_type"] == "SCHEDULED"]
    assert not {first["expected_start_time"], second["expected_start_time"]} & set(starts)


def test_a_run_that_is_over_is_retried_as_it_is_or_as_a_new_one(run, client):
    over = make_flow_run(client, state={"type": "FAILED"})
    new = documents(run("runs", "retry", over["id"], "--new", "--output", "json"))
    assert (new["state_type"], new["tags"]) == ("SCHEDULED", [f"retry_of:{over['id']}"])
    assert done(run("runs", "retry", over["id"])) == f"{over['name']} ({over['id']}) is AwaitingRetry\n"
    assert state_of(client, over)["type"] == "SCHEDULED"
    assert failed(run("runs", "retry", over["id"]), 1) == "The run is not over: it is SCHEDULED."


def test_a_run_that_has_ended_is_not_cancelled_and_the_others_are(run, client):
    over, running = make_flow_run(client, state={"type": "COMPLETED"}), make_flow_run(client, state={"type": "RUNNING"})
    result = run("runs", "cancel", over["id"], running["id"])
    assert result.exit_code == 1
    assert result.stderr == f"Error: {over['name']} ({over['id']}) is not cancelled: The run is over.\n"
    assert [state_of(client, one)["type"] for one in (over, running)] == ["COMPLETED", "CANCELLED"]


@pytest.fixture
def logged(client):
    """A run with three lines in its log."""
    one = make_flow_run(client)
    lines = [(20, "begun"), (40, "it broke\nhere"), (10, "\x1b[2Jdetail")]
    log = [
        {"name": "flow", "level": level, "message": text, "timestamp": (NOW + timedelta(seconds=n)).isoformat(), "flow_run_id": one["id"]}
        for n, (level, text) in enumerate(lines)
    ]
    ok(client.post("/logs/", json=log), 201)
    return one


def test_logs_are_printed_in_order_with_their_levels(run, logged):
    assert done(run("runs", "logs", logged["id"])).splitlines() == [
        "2022-06-01 00:00:00  INFO      flow: begun",
        "2022-06-01 00:00:01  ERROR     flow: it broke",
        "    here",
        "2022-06-01 00:00:02  DEBUG     flow: \\x1b[2Jdetail",
    ]


def test_logs_can_be_had_from_a_level_on_and_as_json(run, logged, monkeypatch):
    monkeypatch.setattr("app.cli.runs.LOG_LINES", 2)
    assert [line["level"] for line in documents(run("runs", "logs", logged["id"], "--output", "json"))] == [20, 40, 10]
    assert [line["level"] for line in documents(run("runs", "logs", logged["id"], "--level", "info", "--output", "json"))] == [20, 40]


def test_delete_asks_first(run, client):
    one = make_flow_run(client)
    refused = run("runs", "delete", one["id"], input="n\n")
    assert refused.exit_code == 1
    assert f"Delete the run {one['name']} ({one['id']})" in refused.stderr
    assert done(run("runs", "delete", one["id"][-8:], "--yes")) == f"{one['name']} ({one['id']}) is deleted\n"
    assert client.get(f"/flow_runs/{one['id']}").status_code == 404


@pytest.mark.parametrize(("end", "exit_code"), [("COMPLETED", 0), ("FAILED", 1), ("CANCELLED", 1)])
def test_watch_prints_the_states_until_the_run_ends(run, client, monkeypatch, end, exit_code):
    one = make_flow_run(client, state={"type": "RUNNING"})

    def wait(self, seconds):
        """Let the run end while the command waits."""
        assert seconds == 0.5
        ok(client.post(f"/flow_runs/{one['id']}/set_state", json={"state": {"type": end, "message": "that is it"}}), 201)
        return False

    monkeypatch.setattr("app.cli.signals.Stop.wait", wait)
    result = run("runs", "watch", one["id"], "--interval", "0.5")
    assert result.exit_code == exit_code
    assert [line.split("  ")[1:] for line in result.stdout.splitlines()] == [["Running"], [end.capitalize(), "that is it"]]


def test_watch_ends_with_1_when_it_is_stopped_before_the_run(run, client, monkeypatch):
    one = make_flow_run(client)
    monkeypatch.setattr("app.cli.signals.Stop.wait", lambda self, seconds: True)
    assert run("runs", "watch", one["id"]).exit_code == 1

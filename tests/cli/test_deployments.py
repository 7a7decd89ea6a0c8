"""`mintaka deployments inspect`, `pause`, `resume`, `schedule`, `run` and `delete`."""

from datetime import UTC, datetime

import pytest

from tests import stored
from tests.api.asking import all_runs, runs_of, starts
from tests.api.factories import make_deployment, make_flow
from tests.cli.results import documents, done, failed

DAILY = {"cron": "0 9 * * *", "timezone": "UTC"}
NOW = datetime(2022, 6, 1, tzinfo=UTC)


@pytest.fixture
def nightly(client, clock):
    """The deployment etl/nightly, active and scheduled once a day; the time stands still."""
    clock.stop_at(NOW)
    flow = make_flow(client, name="etl")
    return make_deployment(client, name="nightly", flow_id=flow["id"], schedule=DAILY, tags=["x"], parameters={"a": 1, "b": 2})


def corrupt_schedule(app, id):
    stored.change(app.extensions["mintaka"].database, id, schedule={"cron": "nonsense"}, schedule_error="broken")


@pytest.mark.parametrize("by", ["names", "id"])
def test_inspect_adds_to_the_document_what_the_scheduler_knows_and_the_next_runs(run, client, nightly, by):
    reference = "etl/nightly" if by == "names" else nightly["id"]
    found = documents(run("deployments", "inspect", reference, "--runs", "2", "--output", "json"))
    next_runs = found.pop("next_runs")
    assert found.pop("top_up_due") > "2022-06-01"
    assert found == nightly | {"flow_name": "etl", "schedule_error": None, "schedule_failures": 0}
    assert starts(next_runs) == ["2022-06-01T09:00:00+00:00", "2022-06-02T09:00:00+00:00"]


def test_inspect_shows_people_everything_on_lines_of_their_own(run, app, nightly):
    corrupt_schedule(app, nightly["id"])
    facts, runs = done(run("deployments", "inspect", "etl/nightly", "--runs", "3")).split("\n\n")
    said = dict(line.split(maxsplit=1) for line in facts.splitlines())
    assert said["id"] == nightly["id"]
    assert said["parameters"] == '{"a": 1, "b": 2}'
    assert said["schedule_error"] == "broken"
    assert said["flow_data"] == "json, 1 character"
    assert len(runs.splitlines()) == 1 + 3


def test_inspect_of_a_deployment_without_runs_says_that_there_are_none(run, client):
    deployment = make_deployment(client)
    assert done(run("deployments", "inspect", deployment["id"])).endswith("No scheduled runs.\n")


def test_pause_removes_the_runs_of_the_schedule_and_keeps_those_made_by_hand(run, client, nightly):
    done(run("deployments", "run", "etl/nightly", "--name", "by-hand"))
    assert done(run("deployments", "pause", "etl/nightly")) == "etl/nightly is paused; 1 scheduled run made by hand remains\n"
    assert [one["name"] for one in runs_of(client, nightly)] == ["by-hand"]
    assert client.get(f"/deployments/{nightly['id']}").json["is_schedule_active"] is False


def test_resume_makes_the_runs_before_it_ends_and_none_twice(run, client, nightly):
    done(run("deployments", "pause", "etl/nightly"))
    for _ in range(2):
        said = done(run("deployments", "resume", "etl/nightly"))
        assert said == "etl/nightly is active; its next run is at 2022-06-01T09:00:00+00:00\n"
        assert len(runs_of(client, nightly)) == 100


def test_resume_says_that_there_is_no_schedule(run, client):
    deployment = make_deployment(client)
    assert done(run("deployments", "resume", deployment["id"])).endswith("is active; it has no schedule\n")


def test_resume_says_why_a_schedule_failed(run, app, nightly):
    done(run("deployments", "pause", "etl/nightly"))
    corrupt_schedule(app, nightly["id"])
    result = run("deployments", "resume", "etl/nightly")
    assert done(result) == "etl/nightly is active; it has no next run\n"
    assert result.stderr.splitlines()[-1].startswith("Its schedule failed: cron: has 1 fields")


def test_schedule_backfills_a_window_and_reports_what_it_did(run, client, nightly):
    window = ("--start", "2022-05-01", "--end", "2022-05-08T09:00")
    report = {"due": 8, "created": 8, "existing": 0, "truncated": False, "reason": None}
    assert documents(run("deployments", "schedule", "etl/nightly", *window, "--output", "json")) == report
    assert starts(runs_of(client, nightly))[:2] == ["2022-05-01T09:00:00+00:00", "2022-05-02T09:00:00+00:00"]
    again = done(run("deployments", "schedule", nightly["id"], *window, "--max-runs", "5"))
    assert again == "due        5\ncreated    0\nexisting   5\ntruncated  yes\nreason     -\n"


def test_scheduling_a_paused_deployment_is_done_and_says_why_nothing_was_made(run, nightly):
    done(run("deployments", "pause", "etl/nightly"))
    report = documents(run("deployments", "schedule", "etl/nightly", "--output", "json"))
    assert report == {"due": 0, "created": 0, "existing": 0, "truncated": False, "reason": "The deployment's schedule is inactive."}


def test_run_makes_a_run_that_is_due_now_with_parameters_laid_over_the_deployments(run, client, nightly):
    options = ("--param", "b=[1, null]", "--param", 'c="x=y"', "--tag", "t", "--tag", "u", "--name", "mine")
    made = documents(run("deployments", "run", "etl/nightly", *options, "--output", "json"))
    assert made == client.get(f"/flow_runs/{made['id']}").json
    assert made["parameters"] == {"a": 1, "b": [1, None], "c": "x=y"}
    assert (made["name"], made["tags"], made["deployment_id"]) == ("mine", ["x", "t", "u"], nightly["id"])
    assert (made["state_type"], made["next_scheduled_start_time"]) == ("SCHEDULED", NOW.isoformat())
    assert client.get(f"/deployments/{nightly['id']}").json["parameters"] == {"a": 1, "b": 2}


def test_run_with_the_same_idempotency_key_makes_one_run(run, client, nightly):
    options = ("--idempotency-key", "ticket-7")
    first, second = (done(run("deployments", "run", "etl/nightly", *options)) for _ in range(2))
    assert second == first.replace("made", "exists already:")
    assert len(all_runs(client, flow_runs={"tags": {"all_": ["x"]}})) == 101


def test_run_without_options_says_what_was_made(run, client, nightly):
    said = done(run("deployments", "run", "etl/nightly"))
    (made,) = [one for one in runs_of(client, nightly) if not one["auto_scheduled"]]
    assert said == f"made {made['name']} ({made['id']}), Scheduled\n"


def test_delete_asks_and_does_nothing_without_a_yes(run, client, nightly):
    for answer in ("n\n", ""):
        result = run("deployments", "delete", "etl/nightly", input=answer)
        assert result.exit_code == 1
        assert "Delete etl/nightly and its 100 scheduled runs?" in result.stderr
    assert len(runs_of(client, nightly)) == 100


@pytest.mark.parametrize("options, answer", [(["--yes"], None), ([], "y\n")], ids=["told", "asked"])
def test_delete_takes_the_scheduled_runs_with_it(run, client, nightly, options, answer):
    client.post(f"/deployments/{nightly['id']}/create_flow_run", json={"name": "pending"})
    assert done(run("deployments", "delete", "etl/nightly", *options, input=answer)) == "etl/nightly is deleted\n"
    assert client.get(f"/deployments/{nightly['id']}").status_code == 404
    assert [one["name"] for one in all_runs(client)] == ["pending"]
    assert failed(run("deployments", "delete", "etl/nightly", "--yes"), 1) == "Deployment not found: etl/nightly"


def test_pause_takes_a_note_and_an_end(run, client, nightly):
    done(run("deployments", "pause", "etl/nightly", "--note", "Migration", "--until", "2022-06-02"))
    found = client.get(f"/deployments/{nightly['id']}/pause").json
    assert (found["paused"], found["note"], found["until"]) == (True, "Migration", "2022-06-02T00:00:00+00:00")


def test_pause_and_resume_take_all_deployments_that_options_name(run, client, nightly):
    other = make_deployment(client, flow_id=nightly["flow_id"], schedule=DAILY, tags=["y"])
    assert done(run("deployments", "pause", "--tag", "x", "--note", "Freeze")) == "1 deployment paused\n"
    assert done(run("deployments", "pause", "--flow", "etl")) == "1 deployment paused\n"
    assert [len(runs_of(client, deployment)) for deployment in (nightly, other)] == [0, 0]
    assert done(run("deployments", "resume", "--flow", "etl")) == "2 deployments resumed\n"
    assert [len(runs_of(client, deployment)) for deployment in (nightly, other)] == [100, 100]


def test_pause_takes_a_deployment_or_options_that_name_several_and_not_both(run, nightly):
    for arguments in ((), ("etl/nightly", "--tag", "x")):
        result = run("deployments", "pause", *arguments)
        assert result.exit_code == 2
        assert "Give a DEPLOYMENT, or options that choose several" in result.stderr
